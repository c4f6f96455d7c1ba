-- one row an alert: what the pipeline found, and where analysts stand with it (their last change, their last verdict)
WITH last_change AS (
    SELECT
        alert_id,
        max_by(to_status, (changed_at, change_id)) AS status,
        max_by(actor, (changed_at, change_id)) AS actor,
        max(changed_at) AS changed_at
    FROM alert_changes
    GROUP BY alert_id
),
last_verdict AS (
    SELECT alert_id, max_by(verdict, (created_at, feedback_id)) AS verdict
    FROM feedback
    GROUP BY alert_id
)
SELECT
    alert_id,
    -- leads to the alert's page; without an address of the API there is none
    '<a href="' || (SELECT api_url FROM addresses) || '/ui/alerts/' || url_encode(alert_id) || '">open</a>' AS page,
    tenant, endpoint, platform,
    severity,
    CASE severity WHEN 'CRITICAL' THEN 1 WHEN 'HIGH' THEN 2 ELSE 3 END AS severity_rank,
    coalesce(last_change.status, 'open') AS status,
    CASE WHEN coalesce(last_change.status, 'open') IN ('resolved', 'false_positive') THEN 0 ELSE 1 END AS is_open,
    last_change.actor AS handled_by,
    last_change.changed_at AS status_since,
    last_verdict.verdict AS analyst_verdict,
    attack_prob, first_seen, last_seen,
    epoch_ms(last_seen) - epoch_ms(first_seen) AS lasted_ms,
    (epoch_ms(current_timestamp) - epoch_ms(first_seen)) // 60000 * 60000 AS age_ms,
    window_count,
    model_name || ' v' || model_version AS model,
    array_to_string(ttp_techniques, ', ') AS techniques,
    array_to_string(ttp_tactics, ', ') AS tactics,
    array_to_string(ttp_explanations, ' ') AS explanation,
    array_to_string(related_endpoints, ', ') AS related,
    len(related_endpoints) AS n_related,
    contributing_events[1].summary AS stood_out,
    created_at, updated_at
FROM alerts
LEFT JOIN last_change USING (alert_id)
LEFT JOIN last_verdict USING (alert_id)
