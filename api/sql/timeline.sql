-- windows of an endpoint in a span, by the newest champion that scored each
SELECT
    window_start, window_end, attack_prob, verdict, model_name, model_version,
    window_start >= $alert_first AND window_end <= $alert_last AND attack_prob >= $threshold AS is_in_alert
FROM window_scores
WHERE tenant = $tenant AND endpoint = $endpoint AND role = 'champion' AND NOT isnan(attack_prob)
    AND window_start >= $first AND window_start < $last
QUALIFY row_number() OVER (
    PARTITION BY platform, window_start
    ORDER BY try_cast(model_version AS BIGINT) DESC NULLS LAST, model_version DESC, model_name DESC
) = 1
ORDER BY window_start, platform
LIMIT $limit
