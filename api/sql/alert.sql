-- one alert
SELECT *
FROM alerts
WHERE alert_id = $id
