-- every pair of an alert and a suppression that quiets it, also of those that were taken back
WITH taken_back AS (
    SELECT suppression_id FROM suppressions WHERE deleted_at IS NOT NULL
),
said AS (
    SELECT *, suppression_id IN (SELECT suppression_id FROM taken_back) AS is_deleted
    FROM suppressions
    WHERE deleted_at IS NULL
)
SELECT alert_id, suppression_id, expires_at, last_seen, is_deleted
FROM (
    SELECT alert_id, tenant, endpoint, severity, last_seen, ttp_techniques, ttp_explanations FROM alerts
) AS alert
JOIN said ON said.tenant = alert.tenant
    AND epoch_us(alert.last_seen) > epoch_us(said.starts_at)
    AND epoch_us(alert.last_seen) <= epoch_us(said.expires_at)
    AND (said.endpoint IS NULL OR said.endpoint = alert.endpoint)
    AND list_position(['MEDIUM', 'HIGH', 'CRITICAL'], alert.severity)
        <= list_position(['MEDIUM', 'HIGH', 'CRITICAL'], said.max_severity)
-- an alert that names something else beside is heard
WHERE (said.technique IS NULL OR (
        len(ttp_techniques) > 0
        AND len(list_filter(ttp_techniques, lambda name: NOT (
            upper(name) = upper(said.technique) OR starts_with(upper(name), upper(said.technique) || '.')
        ))) = 0
    ))
    -- a rule has one sentence an alert, whose end is ours: what stands before it may be an intruder's text
    AND (said.rule_id IS NULL OR (
        len(ttp_explanations) = 1
        AND regexp_extract(ttp_explanations[1], '(?s)^.*; rule (.*), event \S+(?: and [0-9]+ more)?\)\.$', 1) = said.rule_id
    ))
