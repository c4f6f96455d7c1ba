"""Every event number that Logster promises to read, in every Windows layout: what it becomes and which columns fill."""

import json
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest

pytestmark = pytest.mark.slow

_GUID, _OTHER = "{0a0b0c0d-0000-0001-0000-000000000000}", "{0a0b0c0d-0000-0002-0000-000000000000}"
_WHO = {"ProcessGuid": _GUID, "ProcessId": "4312", "Image": "C:\\a\\p.exe", "User": "CORP\\mia"}
_WHO_FILLS = {
    "process_guid": _GUID, "process_pid": 4312, "process_path": "C:\\a\\p.exe", "process_name": "p.exe", "user": "CORP\\mia",
}  # fmt: skip
_BOTH = {
    "SourceProcessId": "4312", "SourceImage": "C:\\a\\p.exe", "TargetProcessId": "640", "TargetImage": "C:\\b\\lsass.exe",
    "SourceUser": "CORP\\mia",
}  # fmt: skip
_BOTH_FILLS = {
    **_WHO_FILLS,
    "target_guid": _OTHER,
    "target_pid": 640,
    "target_path": "C:\\b\\lsass.exe",
    "target_name": "lsass.exe",
}
_SUBJECT = {
    "SubjectUserSid": "S-1-5-21-7",
    "SubjectUserName": "mia",
    "SubjectDomainName": "CORP",
    "SubjectLogonId": "0x3e7",
}
_TARGET = {"TargetUserSid": "S-1-5-21-8", "TargetUserName": "mia", "TargetDomainName": "CORP"}
_ACTING = {**_SUBJECT, "ProcessId": "0x10d8", "ProcessName": "C:\\a\\p.exe"}
_MIA = {"user": "CORP\\mia"}
_ACTING_FILLS = {**_MIA, "process_pid": 4312, "process_path": "C:\\a\\p.exe", "process_name": "p.exe"}
_REMOTE, _REMOTE_FILLS = {"IpAddress": "::ffff:10.1.1.9", "IpPort": "50123"}, {"src_ip": "10.1.1.9", "src_port": 50123}
_FLOW = {
    "ProcessId": "4312", "Application": "\\device\\hd2\\a\\p.exe", "SourceAddress": "10.0.0.5", "SourcePort": "50001",
    "Protocol": "6",
}  # fmt: skip
_FLOW_FILLS = {
    "process_pid": 4312, "process_path": "\\device\\hd2\\a\\p.exe", "process_name": "p.exe", "src_ip": "10.0.0.5",
    "src_port": 50001, "protocol": "tcp",
}  # fmt: skip
_KEY = {"TargetObject": "HKLM\\Software\\Run\\upd"}
_KEY_FILLS = {**_WHO_FILLS, "registry_key": "HKLM\\Software\\Run\\upd"}
_FILE = {"TargetFilename": "C:\\x\\y.dll"}
_FILE_FILLS = {**_WHO_FILLS, "file_path": "C:\\x\\y.dll"}
_TASK = {
    **_SUBJECT, "ClientProcessId": "4312", "TaskName": "\\upd",
    "TaskContent": "<Task><Exec><Command>cmd.exe</Command><Arguments>/c calc</Arguments></Exec></Task>",
}  # fmt: skip
_TASK_FILLS = {**_MIA, "process_pid": 4312, "file_path": "cmd.exe /c calc"}
_CONTEXT = "Host Application = C:\\w\\powershell.exe -NoP\n  Engine Version = 5.1\n  User = CORP\\mia\n"
_CLASSIC = "Details\n\tUserId=CORP\\mia\n\tHostApplication=C:\\w\\powershell.exe -NoP\n\tEngineVersion=5.1\n\nDetails: \nGet-Item"
_SHELL_FILLS = {
    **_MIA, "process_path": "C:\\w\\powershell.exe", "process_name": "powershell.exe", "command_line": "C:\\w\\powershell.exe -NoP",
}  # fmt: skip

SYSMON, SECURITY = "Microsoft-Windows-Sysmon", "Microsoft-Windows-Security-Auditing"
CLASSIC, POWERSHELL, SERVICES = "PowerShell", "Microsoft-Windows-PowerShell", "Service Control Manager"

# provider, number, fields of the record, category, action, columns filled
KINDS: list[tuple[str, str, dict[str, str], str, str, dict[str, Any]]] = [
    (SYSMON, "1", {**_WHO, "CommandLine": "p /x", "Hashes": "MD5=1", "ParentProcessGuid": _OTHER, "ParentProcessId": "640",
                   "ParentImage": "C:\\b\\q.exe", "ParentCommandLine": "q"}, "process", "process_created",
     {**_WHO_FILLS, "command_line": "p /x", "file_hash": "MD5=1", "parent_guid": _OTHER, "parent_pid": 640,
      "parent_path": "C:\\b\\q.exe", "parent_name": "q.exe", "parent_command_line": "q"}),
    (SYSMON, "2", {**_WHO, **_FILE}, "file", "file_time_changed", _FILE_FILLS),
    (SYSMON, "3", {**_WHO, "Initiated": "true", "Protocol": "tcp", "SourceIp": "10.0.0.5", "SourcePort": "50001",
                   "DestinationIp": "10.1.1.9", "DestinationPort": "443", "DestinationHostname": "c2.example"},
     "network", "connected", {**_WHO_FILLS, "src_ip": "10.0.0.5", "src_port": 50001, "dst_ip": "10.1.1.9", "dst_port": 443,
                              "dst_domain": "c2.example", "protocol": "tcp"}),
    (SYSMON, "3", {**_WHO, "Initiated": "false", "SourceIp": "10.0.0.5"}, "network", "accepted",
     {**_WHO_FILLS, "src_ip": "10.0.0.5"}),
    (SYSMON, "5", _WHO, "process", "process_ended", _WHO_FILLS),
    (SYSMON, "7", {**_WHO, "ImageLoaded": "C:\\b.dll", "Hashes": "MD5=1", "Signed": "true", "SignatureStatus": "Valid"},
     "module", "module_loaded", {**_WHO_FILLS, "file_path": "C:\\b.dll", "file_hash": "MD5=1", "is_signed": True}),
    (SYSMON, "8", {**_BOTH, "SourceProcessGuid": _GUID, "TargetProcessGuid": _OTHER}, "process", "thread_created", _BOTH_FILLS),
    (SYSMON, "10", {**_BOTH, "SourceProcessGUID": _GUID, "TargetProcessGUID": _OTHER, "GrantedAccess": "0x1010"},
     "process", "process_accessed", {**_BOTH_FILLS, "privilege": "0x1010"}),
    (SYSMON, "11", {**_WHO, **_FILE}, "file", "file_created", _FILE_FILLS),
    (SYSMON, "12", {**_WHO, **_KEY, "EventType": "CreateKey"}, "registry", "registry_key_created", _KEY_FILLS),
    (SYSMON, "12", {**_WHO, **_KEY, "EventType": "DeleteValue"}, "registry", "registry_value_deleted", _KEY_FILLS),
    (SYSMON, "13", {**_WHO, **_KEY, "EventType": "SetValue", "Details": "C:\\x.exe"}, "registry", "registry_value_set",
     {**_KEY_FILLS, "registry_value": "C:\\x.exe"}),
    (SYSMON, "14", {**_WHO, **_KEY, "EventType": "RenameKey", "NewName": "HKLM\\new"}, "registry", "registry_renamed",
     {**_KEY_FILLS, "registry_value": "HKLM\\new"}),
    (SYSMON, "15", {**_WHO, **_FILE, "Hash": "MD5=1"}, "file", "file_stream_created", {**_FILE_FILLS, "file_hash": "MD5=1"}),
    (SYSMON, "16", {"Configuration": "C:\\s.xml", "ConfigurationFileHash": "SHA256=1"}, "other", "sysmon_config_changed",
     {"file_path": "C:\\s.xml", "file_hash": "SHA256=1"}),
    (SYSMON, "17", {**_WHO, "PipeName": "\\psexesvc"}, "file", "pipe_created", {**_WHO_FILLS, "file_path": "\\psexesvc"}),
    (SYSMON, "18", {**_WHO, "PipeName": "\\psexesvc"}, "file", "pipe_connected", {**_WHO_FILLS, "file_path": "\\psexesvc"}),
    (SYSMON, "22", {**_WHO, "QueryName": "c2.example", "QueryStatus": "0"}, "network", "dns_query",
     {**_WHO_FILLS, "dst_domain": "c2.example", "outcome": "success"}),
    (SYSMON, "23", {**_WHO, **_FILE, "Hashes": "MD5=1"}, "file", "file_deleted", {**_FILE_FILLS, "file_hash": "MD5=1"}),
    (SYSMON, "25", {**_WHO, "Type": "Image is replaced"}, "process", "process_tampered", _WHO_FILLS),
    (SYSMON, "26", {**_WHO, **_FILE}, "file", "file_deleted", _FILE_FILLS),
    (SECURITY, "4624", {**_TARGET, **_REMOTE, "ProcessId": "0x10d8", "ProcessName": "C:\\a\\p.exe", "LogonType": "3"},
     "auth", "logon", {**_ACTING_FILLS, **_REMOTE_FILLS, "logon_type": "3"}),
    (SECURITY, "4625", {**_TARGET, **_REMOTE, "LogonType": "10"}, "auth", "logon_failed",
     {**_MIA, **_REMOTE_FILLS, "logon_type": "10", "outcome": "failure"}),
    (SECURITY, "4634", {**_TARGET, "LogonType": "3"}, "auth", "logoff", {**_MIA, "logon_type": "3"}),
    (SECURITY, "4648", {**_ACTING, **_REMOTE, "TargetUserName": "admin", "TargetServerName": "dc01"}, "auth", "logon_explicit",
     {**_ACTING_FILLS, **_REMOTE_FILLS, "dst_domain": "dc01"}),
    (SECURITY, "4656", {**_ACTING, "ObjectType": "File", "ObjectName": "C:\\sam"}, "file", "handle_requested",
     {**_ACTING_FILLS, "file_path": "C:\\sam"}),
    (SECURITY, "4656", {**_ACTING, "ObjectType": "SAM_DOMAIN", "ObjectName": "DC=x"}, "other", "handle_requested", _ACTING_FILLS),
    (SECURITY, "4663", {**_ACTING, "ObjectType": "Key", "ObjectName": "\\REGISTRY\\MACHINE\\SAM"}, "registry", "object_accessed",
     {**_ACTING_FILLS, "registry_key": "\\REGISTRY\\MACHINE\\SAM"}),
    (SECURITY, "4663", {**_ACTING, "ObjectType": "Process", "ObjectName": "\\Device\\lsass.exe", "AccessMask": "0x10"},
     "process", "process_accessed",
     {**_ACTING_FILLS, "target_path": "\\Device\\lsass.exe", "target_name": "lsass.exe", "privilege": "0x10"}),
    (SECURITY, "4672", {**_SUBJECT, "PrivilegeList": "SeDebugPrivilege\n\t\t\tSeTcbPrivilege"}, "auth", "privileges_assigned",
     {**_MIA, "privilege": "SeDebugPrivilege SeTcbPrivilege"}),
    (SECURITY, "4673", {**_ACTING, "PrivilegeList": "SeTcbPrivilege"}, "syscall", "privileged_service_called",
     {**_ACTING_FILLS, "privilege": "SeTcbPrivilege"}),
    (SECURITY, "4688", {**_SUBJECT, "NewProcessId": "0x10d8", "NewProcessName": "C:\\a\\p.exe", "CommandLine": "p /x",
                        "ProcessId": "0x280", "ParentProcessName": "C:\\b\\q.exe"}, "process", "process_created",
     {**_ACTING_FILLS, "command_line": "p /x", "parent_pid": 640, "parent_path": "C:\\b\\q.exe", "parent_name": "q.exe"}),
    (SECURITY, "4689", _ACTING, "process", "process_ended", _ACTING_FILLS),
    (SECURITY, "4697", {**_SUBJECT, "ServiceName": "upd", "ServiceFileName": "C:\\x.exe", "ClientProcessId": "4312"},
     "process", "service_installed", {**_MIA, "file_path": "C:\\x.exe", "process_pid": 4312}),
    (SECURITY, "4698", _TASK, "process", "task_created", _TASK_FILLS),
    (SECURITY, "4702", {**{k: v for k, v in _TASK.items() if k != "TaskContent"}, "TaskContentNew": _TASK["TaskContent"]},
     "process", "task_changed", _TASK_FILLS),
    (SECURITY, "4720", {**_SUBJECT, "TargetUserName": "new"}, "auth", "user_created", _MIA),
    (SECURITY, "4726", {**_SUBJECT, "TargetUserName": "old"}, "auth", "user_deleted", _MIA),
    (SECURITY, "4728", {**_SUBJECT, "TargetUserName": "group"}, "auth", "group_member_added", _MIA),
    (SECURITY, "4732", {**_SUBJECT, "TargetUserName": "group"}, "auth", "group_member_added", _MIA),
    (SECURITY, "4738", {**_SUBJECT, "TargetUserName": "other"}, "auth", "user_changed", _MIA),
    (SECURITY, "4768", {**_TARGET, **_REMOTE}, "auth", "kerberos_ticket_granting_ticket", {**_MIA, **_REMOTE_FILLS}),
    (SECURITY, "4769", {**_TARGET, **_REMOTE}, "auth", "kerberos_service_ticket", {**_MIA, **_REMOTE_FILLS}),
    (SECURITY, "4776", {"TargetUserName": "mia", "Workstation": "WS"}, "auth", "credentials_validated", {"user": "mia"}),
    (SECURITY, "4798", {**_SUBJECT, "CallerProcessId": "0x10d8", "CallerProcessName": "C:\\a\\p.exe"}, "auth",
     "user_groups_enumerated", _ACTING_FILLS),
    (SECURITY, "4799", {**_SUBJECT, "CallerProcessId": "0x10d8", "CallerProcessName": "C:\\a\\p.exe"}, "auth",
     "group_members_enumerated", _ACTING_FILLS),
    (SECURITY, "5140", {**_SUBJECT, **_REMOTE, "ShareName": "\\\\*\\C$"}, "file", "share_accessed",
     {**_MIA, **_REMOTE_FILLS, "file_path": "\\\\*\\C$"}),
    (SECURITY, "5145", {**_SUBJECT, **_REMOTE, "ShareName": "\\\\*\\C$", "RelativeTargetName": "temp\\x.exe"}, "file",
     "share_file_accessed", {**_MIA, **_REMOTE_FILLS, "file_path": "\\\\*\\C$\\temp\\x.exe"}),
    (SECURITY, "5156", {**_FLOW, "Direction": "%%14593", "DestAddress": "10.1.1.9", "DestPort": "443"}, "network", "connected",
     {**_FLOW_FILLS, "dst_ip": "10.1.1.9", "dst_port": 443}),
    (SECURITY, "5156", {**_FLOW, "Direction": "%%14592", "DestAddress": "10.1.1.9"}, "network", "accepted",
     {**_FLOW_FILLS, "dst_ip": "10.1.1.9"}),
    (SECURITY, "5158", _FLOW, "network", "bound", _FLOW_FILLS),
    (SERVICES, "7045", {"ServiceName": "upd", "ImagePath": "C:\\x.exe"}, "process", "service_installed",
     {"file_path": "C:\\x.exe"}),
    (CLASSIC, "400", {"message": _CLASSIC}, "script", "engine_started", _SHELL_FILLS),
    (CLASSIC, "600", {"message": _CLASSIC}, "script", "provider_started", _SHELL_FILLS),
    (CLASSIC, "800", {"message": _CLASSIC}, "script", "pipeline_executed", {**_SHELL_FILLS, "script_text": "Get-Item"}),
    (POWERSHELL, "4103", {"ContextInfo": _CONTEXT, "Payload": "Get-Item"}, "script", "pipeline_executed",
     {**_SHELL_FILLS, "script_text": "Get-Item"}),
    (POWERSHELL, "4104", {"ScriptBlockText": "Get-Item", "Path": "C:\\r.ps1", "ScriptBlockId": "9"}, "script",
     "script_block_created", {"script_text": "Get-Item", "file_path": "C:\\r.ps1"}),
]  # fmt: skip
_IN_ALL = {"platform": "windows", "endpoint": "ws-01", "ts": "2024-03-05T08:15:30.125000Z", "channel": "a channel"}
# of the record's header, not of the event's own fields
_NOT_IN_ALL = {
    "event_id", "tenant", "ingested_at", "source", "provider", "event_code", "record_id", "record_ids", "parser_version",
    "fields", "category", "action",
}  # fmt: skip


def _winlogbeat6(provider: str, code: str, data: dict[str, str], message: str) -> dict[str, Any]:
    return {"@timestamp": "2024-03-05T08:15:30.125Z", "computer_name": "WS-01", "log_name": "a channel",
            "source_name": provider, "event_id": int(code), "record_number": "7", "message": message,
            "event_data": data}  # fmt: skip


def _winlogbeat(provider: str, code: str, data: dict[str, str], message: str) -> dict[str, Any]:
    return {"@timestamp": "2024-03-05T08:15:30.125Z", "host": {"name": "collector"}, "message": message, "winlog": {
        "computer_name": "WS-01", "channel": "a channel", "provider_name": provider, "event_id": code, "record_id": 7,
        "event_data": data}}  # fmt: skip


def _winevent(provider: str, code: str, data: dict[str, str], message: str) -> dict[str, Any]:
    return {"TimeCreated": "2024-03-05T08:15:30.125Z", "Hostname": "WS-01", "Channel": "a channel", "SourceName": provider,
            "EventID": int(code), "Message": message, **data}  # fmt: skip


def _nxlog(provider: str, code: str, data: dict[str, str], message: str) -> dict[str, Any]:
    return {"EventTime": "2024-03-05 04:15:30", "@timestamp": "2024-03-05T08:15:30.125Z", "Hostname": "WS-01",
            "Channel": "a channel", "SourceName": provider, "EventID": int(code), "SourceModuleType": "im_msvistalog",
            # the logging service's pid; but PowerShell logs its own events
            **({} if provider == POWERSHELL else {"ProcessID": 99, "ExecutionProcessID": 99}),
            "Message": message, **data}  # fmt: skip


def _windows_xml(provider: str, code: str, data: dict[str, str], message: str) -> str:
    told = "".join(f"<Data Name={quoteattr(name)}>{escape(value)}</Data>" for name, value in data.items())
    return (
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
        f"<Provider Name='{provider}' Guid='{_GUID}'/><EventID Qualifiers='16384'>{code}</EventID><Version>2</Version>"
        "<Level>0</Level><TimeCreated SystemTime='2024-03-05T08:15:30.1250000Z'/><EventRecordID>7</EventRecordID>"
        f"<Channel>a channel</Channel><Computer>WS-01</Computer><Security/></System><EventData>{told}</EventData>"
        f"<RenderingInfo Culture='en-US'><Message>{escape(message)}</Message></RenderingInfo></Event>"
    )


def _evtx_json(provider: str, code: str, data: dict[str, str], message: str) -> dict[str, Any]:
    system = {"Provider": {"#attributes": {"Name": provider}}, "EventID": int(code), "Level": 0, "EventRecordID": 7,
              "TimeCreated": {"#attributes": {"SystemTime": "2024-03-05T08:15:30.125000Z"}}, "Channel": "a channel",
              "Computer": "WS-01", "Correlation": None, "Security": None}  # fmt: skip
    return {"Event": {"System": system, "EventData": data, "RenderingInfo": {"Message": message}}}


def _log_analytics(provider: str, code: str, data: dict[str, str], message: str) -> dict[str, Any]:
    return {"TimeGenerated": "2024-03-05T08:15:30.125Z", "Computer": "WS-01", "Channel": "a channel", "Provider": provider,
            "EventID": int(code), "RenderedDescription": message, "EventData": json.dumps(data),
            "Type": "WindowsEvent"}  # fmt: skip


LAYOUTS = {
    "winlogbeat6": _winlogbeat6, "winlogbeat": _winlogbeat, "winevent": _winevent, "nxlog": _nxlog,
    "windows_xml": _windows_xml, "evtx_json": _evtx_json, "log_analytics": _log_analytics,
}  # fmt: skip


@pytest.fixture(scope="module")
def events(normalise, make_line) -> dict[tuple[str, int], dict[str, Any]]:
    """All numbers in all layouts in one job: (layout, row of `KINDS`) -> event."""
    lines = []
    for layout, told in LAYOUTS.items():
        for number, (provider, code, data, *_) in enumerate(KINDS):
            own = {name: value for name, value in data.items() if name != "message"}
            record = told(provider, code, own, data.get("message", ""))
            text = record if isinstance(record, str) else json.dumps(record)
            lines.append(make_line(text, tenant=layout, origin=str(number)))
    found = normalise(lines)
    assert not found.quarantine
    return {(row["tenant"], int(found.origins[row["record_id"]][0][1])): row for row in found.events}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_number_becomes_its_event_with_its_columns(events, layout: str) -> None:
    wrong = []
    for number, (provider, code, _, category, action, columns) in enumerate(KINDS):
        event = events[layout, number]
        got = {name: value for name, value in event.items() if name not in _NOT_IN_ALL}
        named = (event["source"], event["provider"], event["event_code"], event["category"], event["action"])
        if named != (layout, provider, code, category, action) or got != {**_IN_ALL, **columns}:
            wrong.append(
                (
                    code,
                    named,
                    {k: v for k, v in got.items() if {**_IN_ALL, **columns}.get(k) != v},
                    columns.keys() - got,
                )
            )
    assert not wrong


def test_an_event_as_xml_or_its_json_is_the_same_row_as_from_winlogbeat(events) -> None:
    own = {"event_id", "tenant", "source", "record_id", "record_ids"}
    for number, (_, code, *_) in enumerate(KINDS):
        rows = [
            {name: value for name, value in events[layout, number].items() if name not in own}
            for layout in ("windows_xml", "winlogbeat", "evtx_json")
        ]
        assert rows[0] == rows[1] == rows[2], code


def test_the_numbers_promised_are_all_here() -> None:
    promised = {
        SYSMON: [1, 2, 3, 5, 7, 8, *range(10, 19), 22, 23, 25, 26],
        SECURITY: [4624, 4625, 4634, 4648, 4656, 4663, 4672, 4673, 4688, 4689, 4697, 4698, 4702, 4720, 4726, 4728, 4732, 4738,
                   4768, 4769, 4776, 4798, 4799, 5140, 5145, 5156, 5158],
        SERVICES: [7045],
        CLASSIC: [400, 600, 800],
        POWERSHELL: [4103, 4104],
    }  # fmt: skip
    assert {(provider, str(code)) for provider, codes in promised.items() for code in codes} == {
        kind[:2] for kind in KINDS
    }
