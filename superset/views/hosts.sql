-- one row an endpoint, as it stands now: its newest window and its alerts that are not closed, whatever their age
WITH windows AS (
    SELECT
        tenant, endpoint, platform,
        max(window_end) AS last_window_end,
        max_by(attack_prob, window_start) AS newest_prob,
        count(*) FILTER (window_start >= current_timestamp - INTERVAL 24 HOURS) AS n_windows_24h,
        count(*) FILTER (verdict = 'attack' AND window_start >= current_timestamp - INTERVAL 24 HOURS)
            AS n_attack_windows_24h
    FROM window_scores
    WHERE role = 'champion'
    GROUP BY tenant, endpoint, platform
),
queue AS (
    SELECT
        tenant, endpoint, platform,
        max(attack_prob) FILTER (is_open = 1) AS open_prob,
        count(*) FILTER (is_open = 1) AS n_open,
        count(*) FILTER (is_open = 1 AND severity = 'CRITICAL') AS n_critical,
        count(*) FILTER (is_open = 1 AND severity = 'HIGH') AS n_high,
        count(*) FILTER (is_open = 1 AND severity = 'MEDIUM') AS n_medium,
        max(last_seen) AS last_alert,
        count(*) AS n_alerts
    FROM alert_queue
    GROUP BY tenant, endpoint, platform
)
SELECT
    tenant, endpoint, platform,
    greatest(coalesce(open_prob, 0), coalesce(newest_prob, 0)) AS threat,
    newest_prob,
    CASE WHEN n_critical > 0 THEN 'CRITICAL' WHEN n_high > 0 THEN 'HIGH' WHEN n_medium > 0 THEN 'MEDIUM' ELSE 'none' END
        AS severity,
    coalesce(n_open, 0) AS n_open,
    coalesce(n_critical, 0) AS n_critical,
    coalesce(n_high, 0) AS n_high,
    coalesce(n_medium, 0) AS n_medium,
    coalesce(n_alerts, 0) AS n_alerts,
    last_alert, last_window_end,
    coalesce(n_windows_24h, 0) AS n_windows_24h,
    coalesce(n_attack_windows_24h, 0) AS n_attack_windows_24h
FROM windows
FULL JOIN queue USING (tenant, endpoint, platform)
