-- per hour of first_seen: the alerts that began in it
SELECT
    epoch_us(first_seen) // 3600000000 AS hour,
    count(*) AS "dagster/partition_row_count",
    count(*) FILTER (severity = 'CRITICAL') AS critical,
    count(*) FILTER (severity = 'HIGH') AS high,
    count(*) FILTER (severity = 'MEDIUM') AS medium,
    count(DISTINCT (tenant, endpoint)) AS endpoints,
    epoch_us(max(last_seen)) AS newest_last_seen,
    -- from an alert's last window's end to its row, of the alert that was written soonest
    (min(epoch_us(updated_at) - epoch_us(last_seen)) / 1e6)::DOUBLE AS lag_seconds
FROM alerts
WHERE first_seen >= make_timestamptz($first) AND first_seen < make_timestamptz($last)
    AND list_contains($hours, epoch_us(first_seen) // 3600000000)
GROUP BY hour
