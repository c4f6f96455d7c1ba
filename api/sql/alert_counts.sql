-- alerts by severity and status
WITH last_change AS (
    SELECT alert_id, to_status
    FROM alert_changes
    QUALIFY row_number() OVER (PARTITION BY alert_id ORDER BY changed_at DESC, change_id DESC) = 1
)
SELECT severity, coalesce(to_status, 'open') AS status, count(*) AS n_alerts
FROM alerts
LEFT JOIN last_change USING (alert_id)
GROUP BY ALL
