-- one page of endpoints: all that were scored or have alerts
WITH last_change AS (
    SELECT alert_id, to_status
    FROM alert_changes
    QUALIFY row_number() OVER (PARTITION BY alert_id ORDER BY changed_at DESC, change_id DESC) = 1
),
queue AS (
    SELECT
        tenant, endpoint, platform,
        count(*) AS n_alerts,
        max(last_seen) AS last_alert,
        count(*) FILTER (is_live) AS open_alerts,
        arg_max(severity, attack_prob) FILTER (is_live) AS highest_severity,
        -- the chance that at least one of them is real, were they independent
        100 * (1 - product(1 - attack_prob) FILTER (is_live)) AS threat
    FROM (
        SELECT *, NOT list_contains($closed, coalesce(to_status, 'open')) AND suppressed_by IS NULL AS is_live
        FROM alerts
        LEFT JOIN last_change USING (alert_id)
        LEFT JOIN suppressed USING (alert_id)
    )
    GROUP BY ALL
)
SELECT
    tenant, endpoint, platform, last_window_end, coalesce(n_alerts, 0) AS n_alerts, coalesce(open_alerts, 0) AS open_alerts,
    highest_severity, greatest(last_window_end, last_alert) AS last_seen, round(coalesce(threat, 0), 1) AS threat
FROM last_windows
FULL JOIN queue USING (tenant, endpoint, platform)
WHERE ($tenant IS NULL OR tenant = $tenant)
    AND ($after IS NULL OR [tenant, endpoint, platform] > $after)
ORDER BY tenant, endpoint, platform
LIMIT $limit
