-- Lines of auditd, ENRICHED and with `node=`, to the main columns of `events`: one row for the records of one serial.
-- Variables: files (list of paths), tenant.
WITH lines AS (
    SELECT line
    -- the separators are ones that no line holds
    FROM read_csv(
        getvariable('files'), columns = {'line': 'VARCHAR'}, header = false, auto_detect = false, delim = chr(7),
        quote = '', escape = '', strict_mode = false, new_line = '\n', max_line_size = 4194304)
),
heads AS (
    SELECT
        line, left(sha256(concat(getvariable('tenant'), chr(1), line)), 32) AS record_id,
        unnest(regexp_extract(
            line, '^(?:node=(\S+) )?type=(\w+) msg=audit\((\d+\.\d+):(\d+)\):',
            ['endpoint', 'type', 'stamp', 'serial']))
    FROM lines
),
-- each kind of record by the one expression that it needs
records AS (
    SELECT
        *,
        CASE WHEN type = 'SYSCALL' THEN regexp_extract(
            line,
            ' success=(\w+) .* ppid=(\d+) pid=(\d+) .* comm=(\S+) exe="?([^" ]*)"? .*SYSCALL=(\S+) AUID="[^"]*" UID="([^"]*)"',
            ['outcome', 'ppid', 'pid', 'comm', 'exe', 'call', 'user']) END AS called,
        CASE WHEN type = 'EXECVE' THEN regexp_extract_all(line, ' a\d+=("[^"]*"|\S+)', 1) END AS arguments,
        CASE WHEN type = 'SOCKADDR' THEN regexp_extract(
            line, 'laddr=(\S+) lport=(\d+)', ['ip', 'port']) END AS address,
        CASE type WHEN 'PATH' THEN regexp_extract(line, ' item=(\d name="?[^" ]*)', 1)
            WHEN 'CWD' THEN regexp_extract(line, ' cwd="?([^" ]*)', 1) END AS path,
        CASE WHEN type LIKE 'USER\_%' ESCAPE '\' OR type LIKE 'CRED\_%' ESCAPE '\' OR type = 'LOGIN'
            THEN regexp_extract(line, ' pid=(\d+) .*? acct="?([^" ]*)"? exe="?([^" ]*)"? .*res=(\w+)',
                ['pid', 'user', 'exe', 'outcome']) END AS told
    FROM heads
),
events AS (
    SELECT
        endpoint, stamp, serial,
        list_sort(list(record_id)) AS record_ids,
        any_value(called) AS called,
        any_value(told) AS told,
        any_value(address) AS address,
        coalesce(any_value(type) FILTER (type = 'SYSCALL'), min_by(type, record_id)) AS event_code,
        any_value(arguments) AS arguments,
        -- the last item is what was made or changed; those before are its folders
        regexp_replace(max(path) FILTER (type = 'PATH' AND NOT contains(path, '(null)')), '^\d name="?', '') AS path,
        any_value(path) FILTER (type = 'CWD') AS folder
    FROM records
    GROUP BY ALL
),
named AS (
    SELECT *, called.call AS call, coalesce(nullif(called.exe, ''), nullif(told.exe, '')) AS process_path FROM events
)
SELECT
    left(sha256(concat_ws(chr(1), getvariable('tenant'), endpoint, stamp, serial)), 32) AS event_id,
    getvariable('tenant')::VARCHAR AS tenant,
    lower(endpoint) AS endpoint,
    'linux' AS platform,
    make_timestamptz(CAST(replace(stamp, '.', '') AS BIGINT) * 1000) AS ts,
    now() AS ingested_at,
    'auditd' AS source,
    'auditd' AS provider,
    event_code,
    CASE
        WHEN call IN ('execve', 'execveat') THEN 'process'
        WHEN call IN ('connect', 'bind', 'accept', 'accept4') THEN 'network'
        WHEN call LIKE '%open%' OR call LIKE '%unlink%' OR call LIKE '%rename%' OR call LIKE '%chmod%'
            OR call LIKE '%chown%' OR call LIKE '%link%' OR call LIKE 'mk%' OR call IN ('creat', 'rmdir', 'truncate')
            THEN 'file'
        WHEN event_code = 'SYSCALL' THEN 'syscall'
        WHEN told IS NOT NULL THEN 'auth'
        ELSE 'other'
    END AS category,
    lower(coalesce(call, event_code)) AS action,
    CASE coalesce(called.outcome, told.outcome)
        WHEN 'yes' THEN 'success' WHEN 'success' THEN 'success' WHEN 'no' THEN 'failure' WHEN 'failed' THEN 'failure'
    END AS outcome,
    coalesce(called.user, told.user) AS "user",
    TRY_CAST(coalesce(called.pid, told.pid) AS BIGINT) AS process_pid,
    coalesce(split_part(process_path, '/', -1), trim(called.comm, '"')) AS process_name,
    process_path,
    -- arguments that are not plain are in hex, without quotes
    nullif(array_to_string(list_transform(arguments, lambda argument: CASE
        WHEN regexp_full_match(argument, '([0-9A-F]{2})+') THEN decode(unhex(argument), 'replace')
        ELSE trim(argument, '"') END), ' '), '') AS command_line,
    TRY_CAST(called.ppid AS BIGINT) AS parent_pid,
    CASE WHEN path LIKE '/%' THEN path WHEN path <> '' THEN concat_ws('/', folder, path) END AS file_path,
    CASE WHEN call = 'connect' THEN nullif(address.ip, '') END AS dst_ip,
    CASE WHEN call = 'connect' THEN TRY_CAST(address.port AS INTEGER) END AS dst_port,
    CASE WHEN call <> 'connect' THEN nullif(address.ip, '') END AS src_ip,
    CASE WHEN call <> 'connect' THEN TRY_CAST(address.port AS INTEGER) END AS src_port,
    call AS syscall,
    record_ids[1] AS record_id,
    record_ids
FROM named
