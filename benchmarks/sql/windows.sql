-- Winlogbeat 7 lines to the main columns of `events`, for the kinds of records that `benchmarks.telemetry` writes.
-- Variables: files (list of paths), tenant.
WITH lines AS (
    SELECT
        json::VARCHAR AS record,
        left(sha256(concat(getvariable('tenant'), chr(1), json::VARCHAR)), 32) AS record_id,
        from_json(json, '{"@timestamp": "VARCHAR", "winlog": {"channel": "VARCHAR", "provider_name": "VARCHAR",
            "event_id": "VARCHAR", "computer_name": "VARCHAR", "record_id": "VARCHAR", "keywords": ["VARCHAR"],
            "process": {"pid": "VARCHAR"}, "user": {"name": "VARCHAR", "domain": "VARCHAR"},
            "event_data": "MAP(VARCHAR, VARCHAR)"}}') AS said
    FROM read_json_objects(getvariable('files'), format = 'newline_delimited')
),
-- a dash or nothing is no value
records AS (
    SELECT
        record_id, said, said.winlog AS log,
        split_part(said.winlog.provider_name, '-', -1) AS kind, said.winlog.event_id AS code,
        map_from_entries(list_filter(
            map_entries(said.winlog.event_data), lambda entry: entry.value NOT IN ('', '-'))) AS data
    FROM lines
),
named AS (
    SELECT
        *,
        coalesce(data['ProcessGuid'], data['SourceProcessGUID']) AS process_guid_text,
        CASE code WHEN '4688' THEN data['NewProcessId'] WHEN '4104' THEN log.process.pid
            ELSE coalesce(data['ProcessId'], data['ProcessID'], data['SourceProcessId']) END AS process_pid_text,
        CASE code WHEN '4688' THEN data['NewProcessName']
            ELSE coalesce(data['Image'], data['SourceImage'], data['ProcessName'], data['Application']) END
            AS process_path,
        CASE code WHEN '4688' THEN data['ParentProcessName'] ELSE data['ParentImage'] END AS parent_path,
        data['TargetImage'] AS target_path
    FROM records
)
SELECT
    record_id AS event_id,
    getvariable('tenant')::VARCHAR AS tenant,
    lower(log.computer_name) AS endpoint,
    'windows' AS platform,
    CAST(said."@timestamp" AS TIMESTAMPTZ) AS ts,
    now() AS ingested_at,
    'winlogbeat' AS source,
    log.provider_name AS provider,
    log.channel AS channel,
    code AS event_code,
    CASE
        WHEN code IN ('1', '5', '10', '4688') THEN 'process'
        WHEN code = '7' THEN 'module'
        WHEN code IN ('11', '4663') THEN 'file'
        WHEN code IN ('12', '13') THEN 'registry'
        WHEN code IN ('3', '22', '5156') THEN 'network'
        WHEN code = '4624' THEN 'auth'
        WHEN code = '4104' THEN 'script'
        ELSE 'other'
    END AS category,
    CASE
        WHEN code IN ('1', '4688') THEN 'process_created'
        WHEN code = '5' THEN 'process_ended'
        WHEN code = '10' THEN 'process_accessed'
        WHEN code = '7' THEN 'module_loaded'
        WHEN code = '11' THEN 'file_created'
        WHEN code = '4663' THEN 'object_accessed'
        WHEN code = '12' THEN CASE data['EventType']
            WHEN 'CreateKey' THEN 'registry_key_created' WHEN 'DeleteKey' THEN 'registry_key_deleted'
            WHEN 'DeleteValue' THEN 'registry_value_deleted' ELSE 'registry_changed' END
        WHEN code = '13' THEN 'registry_value_set'
        WHEN code = '3' THEN CASE WHEN data['Initiated'] = 'false' THEN 'accepted' ELSE 'connected' END
        WHEN code = '5156' THEN CASE WHEN data['Direction'] = '%%14592' THEN 'accepted' ELSE 'connected' END
        WHEN code = '22' THEN 'dns_query'
        WHEN code = '4624' THEN 'logon'
        WHEN code = '4104' THEN 'script_block_created'
        ELSE concat('event_', code)
    END AS action,
    CASE
        WHEN code = '22' THEN CASE WHEN data['QueryStatus'] = '0' THEN 'success' ELSE 'failure' END
        WHEN list_contains(log.keywords, 'Audit Failure') THEN 'failure'
        WHEN list_contains(log.keywords, 'Audit Success') THEN 'success'
    END AS outcome,
    CASE
        WHEN code = '4104' THEN concat_ws('\', log.user.domain, log.user.name)
        WHEN code = '4624' THEN concat_ws('\', data['TargetDomainName'], data['TargetUserName'])
        WHEN kind = 'Auditing' THEN nullif(concat_ws('\', data['SubjectDomainName'], data['SubjectUserName']), '')
        ELSE coalesce(data['User'], data['SourceUser'])
    END AS "user",
    -- a try_cast of text reads hex as well
    TRY_CAST(process_pid_text AS BIGINT) AS process_pid,
    split_part(process_path, '\', -1) AS process_name,
    process_path,
    data['CommandLine'] AS command_line,
    TRY_CAST(CASE code WHEN '4688' THEN data['ProcessId'] ELSE data['ParentProcessId'] END AS BIGINT) AS parent_pid,
    split_part(parent_path, '\', -1) AS parent_name,
    parent_path,
    data['ParentCommandLine'] AS parent_command_line,
    TRY_CAST(data['TargetProcessId'] AS BIGINT) AS target_pid,
    split_part(target_path, '\', -1) AS target_name,
    target_path,
    CASE code WHEN '11' THEN data['TargetFilename'] WHEN '7' THEN data['ImageLoaded']
        WHEN '4663' THEN data['ObjectName'] WHEN '4104' THEN data['Path'] END AS file_path,
    data['Hashes'] AS file_hash,
    data['ScriptBlockText'] AS script_text,
    coalesce(data['DestinationIp'], data['DestAddress']) AS dst_ip,
    TRY_CAST(coalesce(data['DestinationPort'], data['DestPort']) AS INTEGER) AS dst_port,
    coalesce(data['DestinationHostname'], data['QueryName']) AS dst_domain,
    coalesce(data['SourceIp'], data['SourceAddress'], data['IpAddress']) AS src_ip,
    TRY_CAST(coalesce(data['SourcePort'], data['IpPort']) AS INTEGER) AS src_port,
    CASE data['Protocol'] WHEN '6' THEN 'tcp' WHEN '17' THEN 'udp' ELSE lower(data['Protocol']) END AS protocol,
    data['TargetObject'] AS registry_key,
    CASE code WHEN '13' THEN data['Details'] END AS registry_value,
    data['LogonType'] AS logon_type,
    data['GrantedAccess'] AS privilege,
    CASE WHEN data['Signed'] IS NOT NULL
        THEN data['Signed'] = 'true' AND coalesce(lower(data['SignatureStatus']), 'valid') = 'valid' END AS is_signed,
    lower(process_guid_text) AS process_guid,
    lower(data['ParentProcessGuid']) AS parent_guid,
    lower(data['TargetProcessGUID']) AS target_guid,
    record_id,
    [record_id] AS record_ids,
    -- what no column took; the list does not depend on the kind of record, so it leaves out a little more than Logster
    map_from_entries(list_filter(map_entries(data), lambda entry: NOT list_contains([
        'ProcessGuid', 'ProcessId', 'ProcessID', 'Image', 'User', 'CommandLine', 'ParentProcessGuid',
        'ParentProcessId', 'ParentImage', 'ParentCommandLine', 'SourceProcessGUID', 'SourceProcessId', 'SourceImage',
        'SourceUser', 'TargetProcessGUID', 'TargetProcessId', 'TargetImage', 'GrantedAccess', 'TargetFilename',
        'Hashes', 'ImageLoaded', 'Signed', 'DestinationIp', 'DestinationPort', 'DestinationHostname', 'SourceIp',
        'SourcePort', 'Protocol', 'TargetObject', 'Details', 'QueryName', 'ScriptBlockText', 'Path', 'LogonType',
        'NewProcessId', 'NewProcessName', 'ParentProcessName', 'ProcessName', 'ObjectName', 'Application',
        'SourceAddress', 'DestAddress', 'DestPort', 'IpAddress', 'IpPort', 'SubjectUserName', 'SubjectDomainName'],
        entry.key))) AS fields
FROM named
