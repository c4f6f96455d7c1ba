-- alerts by severity and status, those that are suppressed apart
WITH last_change AS (
    SELECT alert_id, to_status
    FROM alert_changes
    QUALIFY row_number() OVER (PARTITION BY alert_id ORDER BY changed_at DESC, change_id DESC) = 1
)
SELECT severity, coalesce(to_status, 'open') AS status, suppressed_by IS NOT NULL AS is_suppressed, count(*) AS n_alerts
FROM alerts
LEFT JOIN last_change USING (alert_id)
LEFT JOIN suppressed USING (alert_id)
GROUP BY ALL
