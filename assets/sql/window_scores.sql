-- per hour of window_start: what the champion made of its windows
SELECT
    epoch_us(window_start) // 3600000000 AS hour,
    count(*) AS "dagster/partition_row_count",
    count(*) FILTER (verdict = 'attack') AS attack_windows,
    max(attack_prob) AS highest_attack_prob,
    string_agg(DISTINCT model_name || ' ' || model_version, ', ') AS models,
    epoch_us(max(window_end)) AS newest_window_end,
    -- from a window's end to its score, of the window that was scored soonest
    (min(epoch_us(scored_at) - epoch_us(window_end)) / 1e6)::DOUBLE AS lag_seconds,
    list_transform(range(20), lambda part: len(list_filter(list(attack_prob), lambda p: least(floor(p * 20), 19) = part)))
        AS histogram
FROM window_scores
WHERE window_start >= make_timestamptz($first) AND window_start < make_timestamptz($last)
    AND list_contains($hours, epoch_us(window_start) // 3600000000)
    AND role = 'champion'
GROUP BY hour
