-- how many alerts each suppression quiets, and when the newest of them was last seen
SELECT suppression_id, count(*) AS n_alerts, max(last_seen) AS last_hit
FROM suppression_matches
WHERE NOT is_deleted AND ($suppression_id IS NULL OR suppression_id = $suppression_id)
GROUP BY suppression_id
