-- one page of the events behind an alert: its contributing events, heaviest first, then the others of its span by time
WITH behind AS (
    SELECT *, coalesce(nullif(list_position($contributing, event_id), 0), $n_contributing + 1) AS place
    FROM events
    WHERE tenant = $tenant AND endpoint = $endpoint AND ts >= $first AND ts < $last
)
SELECT *
FROM behind
WHERE $after_place IS NULL OR (place, epoch_us(ts), event_id) > ($after_place, $after_us, $after_id)
ORDER BY place, ts, event_id
LIMIT $limit
