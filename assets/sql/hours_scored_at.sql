-- hours of window_start whose windows one round of detection scored
SELECT DISTINCT epoch_us(window_start) // 3600000000 AS hour
FROM window_scores
WHERE scored_at = make_timestamptz($at)
ORDER BY hour
