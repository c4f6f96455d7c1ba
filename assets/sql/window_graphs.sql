-- per hour of window_start: what the graphs of its windows hold
SELECT
    epoch_us(window_start) // 3600000000 AS hour,
    count(*) AS "dagster/partition_row_count",
    count(DISTINCT (tenant, endpoint)) AS endpoints,
    sum(n_events)::BIGINT AS events_in_windows,
    sum(len(edges))::BIGINT AS edges,
    sum(n_edges_dropped)::BIGINT AS edges_dropped,
    epoch_us(max(window_end)) AS newest_window_end
FROM window_graphs
WHERE window_start >= make_timestamptz($first) AND window_start < make_timestamptz($last)
    AND list_contains($hours, epoch_us(window_start) // 3600000000)
GROUP BY hour
