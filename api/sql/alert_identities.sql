-- those of the alerts named that there are
SELECT alert_id, tenant, updated_at
FROM alerts
WHERE alert_id IN (SELECT unnest($ids))
