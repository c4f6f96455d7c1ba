-- one row a window and model version: what the model made of it; severity as an alert of that probability would have it
SELECT
    tenant, endpoint, platform, window_start, window_end,
    model_name || ' v' || model_version AS model,
    role, attack_prob,
    printf('%02d–%02d', 5 * prob_step, 5 * prob_step + 5) AS prob_step,
    verdict,
    CASE
        WHEN attack_prob >= 0.95 THEN 'CRITICAL'
        WHEN attack_prob >= 0.85 THEN 'HIGH'
        WHEN attack_prob >= 0.7 THEN 'MEDIUM'
        ELSE 'below'
    END AS severity,
    CAST(extract(hour FROM window_start) AS INTEGER) AS hour_of_day,
    strftime(window_start, '%u %a') AS weekday,
    contributing_events[1].summary AS stood_out,
    n_nodes, n_edges, scored_at
FROM (SELECT *, least(CAST(floor(attack_prob * 20) AS INTEGER), 19) AS prob_step FROM window_scores)
