-- one page of the queue, newest first; a null parameter does not filter
WITH last_change AS (
    SELECT alert_id, to_status, assignee
    FROM alert_changes
    QUALIFY row_number() OVER (PARTITION BY alert_id ORDER BY changed_at DESC, change_id DESC) = 1
)
SELECT
    alert_id, tenant, endpoint, platform, severity, coalesce(to_status, 'open') AS status, assignee, attack_prob,
    first_seen, last_seen, window_count, model_name, model_version, ttp_techniques, ttp_tactics, related_endpoints,
    created_at, updated_at, suppressed_by, suppressed_until
FROM alerts
LEFT JOIN last_change USING (alert_id)
LEFT JOIN suppressed USING (alert_id)
WHERE ($tenant IS NULL OR tenant = $tenant)
    AND ($endpoint IS NULL OR endpoint = lower($endpoint))
    AND ($suppressed IS NULL OR (suppressed_by IS NOT NULL) = $suppressed)
    AND ($severities IS NULL OR list_contains($severities, severity))
    AND ($statuses IS NULL OR list_contains($statuses, coalesce(to_status, 'open')))
    -- a technique's sub-techniques count as the technique
    AND ($technique IS NULL OR len(list_filter(
        ttp_techniques, lambda name: upper(name) = upper($technique) OR starts_with(upper(name), upper($technique) || '.')
    )) > 0)
    AND ($from_us IS NULL OR epoch_us(last_seen) > $from_us)
    AND ($to_us IS NULL OR epoch_us(first_seen) < $to_us)
    AND ($after_us IS NULL OR epoch_us(last_seen) < $after_us
        OR (epoch_us(last_seen) = $after_us AND alert_id > $after_id))
ORDER BY last_seen DESC, alert_id
LIMIT $limit
