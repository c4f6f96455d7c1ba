-- end of the newest window scored, by endpoint
SELECT tenant, endpoint, platform, max(window_end) AS last_window_end
FROM window_scores
GROUP BY ALL
