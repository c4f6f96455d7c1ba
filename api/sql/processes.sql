-- the processes of an alert's span: those that acted, their parents, and those acted upon; one row a process
WITH behind AS (
    SELECT *, list_contains($contributing, event_id) AS is_contributing
    FROM events
    WHERE tenant = $tenant AND endpoint = $endpoint AND ts >= $first AND ts < $last
),
mentions AS (
    SELECT
        coalesce(process_key, 'pid:' || process_pid, 'path:' || lower(process_path)) AS id,
        coalesce(parent_key, 'pid:' || parent_pid, 'path:' || lower(parent_path)) AS parent_id,
        process_pid AS pid, process_name AS name, process_path AS path, command_line, "user", is_contributing,
        ts, 0 AS role, event_id
    FROM behind
    UNION ALL
    SELECT
        coalesce(parent_key, 'pid:' || parent_pid, 'path:' || lower(parent_path)), NULL,
        parent_pid, parent_name, parent_path, parent_command_line, NULL, FALSE, ts, 1, event_id
    FROM behind
    UNION ALL
    SELECT
        coalesce(target_key, 'pid:' || target_pid, 'path:' || lower(target_path)), NULL,
        target_pid, target_name, target_path, NULL, NULL, is_contributing, ts, 2, event_id
    FROM behind
)
-- arg_min passes over rows whose first argument is null
SELECT
    id,
    arg_min(parent_id, (ts, event_id)) FILTER (parent_id <> id) AS parent_id,
    arg_min(pid, (role, ts, event_id)) AS pid,
    arg_min(name, (role, ts, event_id)) AS name,
    arg_min(path, (role, ts, event_id)) AS path,
    arg_min(command_line, (role, ts, event_id)) AS command_line,
    arg_min("user", (role, ts, event_id)) AS "user",
    bool_or(is_contributing) AS is_contributing,
    min(ts) AS first_seen,
    count(*) FILTER (role = 0) AS n_events
FROM mentions
WHERE id IS NOT NULL
GROUP BY id
ORDER BY is_contributing DESC, first_seen, id
LIMIT $limit
