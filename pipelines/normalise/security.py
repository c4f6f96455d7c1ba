"""Windows Security log (Microsoft-Windows-Security-Auditing)."""

from pipelines.normalise.kinds import Kind

__all__ = ["SECURITY"]

_SUBJECT = {"user_name": "SubjectUserName", "user_domain": "SubjectDomainName"}
_TARGET = {"user_name": "TargetUserName", "user_domain": "TargetDomainName"}
_PROCESS = {"process_pid": "ProcessId", "process_path": "ProcessName"}
_CALLER = {"process_pid": "CallerProcessId", "process_path": "CallerProcessName"}
_CLIENT = {"process_pid": "ClientProcessId"}
_REMOTE = {"src_ip": "IpAddress", "src_port": "IpPort"}
_BY = {**_SUBJECT, **_PROCESS}

_OBJECT_FILE = {**_BY, "file_path": "ObjectName"}
_OBJECT_KEY = {**_BY, "registry_key": "ObjectName"}
_OBJECT_PROCESS = {**_BY, "target_path": "ObjectName", "privilege": "AccessMask"}
_LOGON = {**_TARGET, **_PROCESS, **_REMOTE, "logon_type": "LogonType"}
_FILTERED = {
    "process_pid": "ProcessId|ProcessID", "process_path": "Application", "src_ip": "SourceAddress",
    "src_port": "SourcePort", "dst_ip": "DestAddress", "dst_port": "DestPort", "protocol": "Protocol",
}  # fmt: skip
_SHARE = {**_SUBJECT, **_REMOTE, "file_path": "ShareName", "file_tail": "RelativeTargetName"}
_KERBEROS = {**_TARGET, **_REMOTE}
_INBOUND = "%%14592"


def _on_objects(code: str, action: str) -> tuple[Kind, ...]:
    """Kinds of an event on an object: what it is depends on the object's type."""
    return (
        Kind(code, "file", action, _OBJECT_FILE, variant_by="ObjectType", variant="File"),
        Kind(code, "registry", action, _OBJECT_KEY, variant_by="ObjectType", variant="Key"),
        Kind(code, "process", "process_accessed", _OBJECT_PROCESS, variant_by="ObjectType", variant="Process"),
        Kind(code, "other", action, _BY, variant_by="ObjectType"),
    )


def _on_accounts() -> tuple[Kind, ...]:
    """Kinds of account and group administration; the account concerned stays in ``fields``."""
    actions = {
        "4720": "user_created", "4722": "user_enabled", "4723": "password_change_attempted",
        "4724": "password_reset", "4725": "user_disabled", "4726": "user_deleted", "4738": "user_changed",
        "4740": "user_locked", "4767": "user_unlocked", "4781": "user_renamed", "4741": "computer_created",
        "4742": "computer_changed", "4743": "computer_deleted", "4727": "group_created", "4731": "group_created",
        "4754": "group_created", "4730": "group_deleted", "4734": "group_deleted", "4758": "group_deleted",
        "4735": "group_changed", "4737": "group_changed", "4755": "group_changed", "4728": "group_member_added",
        "4732": "group_member_added", "4756": "group_member_added", "4729": "group_member_removed",
        "4733": "group_member_removed", "4757": "group_member_removed",
    }  # fmt: skip
    return tuple(Kind(code, "auth", action, _SUBJECT) for code, action in actions.items())


SECURITY = (
    Kind("4658", "other", "handle_closed", _BY),
    Kind("5156", "network", "connected", _FILTERED, variant_by="Direction"),
    Kind("5156", "network", "accepted", _FILTERED, variant=_INBOUND),
    Kind("5158", "network", "bound", _FILTERED),
    Kind("4673", "syscall", "privileged_service_called", {**_BY, "privilege": "PrivilegeList"}),
    Kind("4703", "syscall", "privileges_adjusted", {**_BY, "privilege": "EnabledPrivilegeList|DisabledPrivilegeList"}),
    *_on_objects("4656", "handle_requested"),
    *_on_objects("4663", "object_accessed"),
    Kind("4690", "process", "handle_duplicated", {
        **_SUBJECT, "process_pid": "SourceProcessId", "target_pid": "TargetProcessId"}),
    Kind("4688", "process", "process_created", {
        **_SUBJECT, "other_name": "TargetUserName", "other_domain": "TargetDomainName", "process_pid": "NewProcessId",
        "process_path": "NewProcessName", "command_line": "CommandLine", "parent_pid": "ProcessId",
        "parent_path": "ParentProcessName"}),
    Kind("4689", "process", "process_ended", _BY),
    Kind("4624", "auth", "logon", _LOGON),
    Kind("4625", "auth", "logon_failed", _LOGON),
    Kind("4634", "auth", "logoff", {**_TARGET, "logon_type": "LogonType"}),
    Kind("4647", "auth", "logoff", _TARGET),
    Kind("4648", "auth", "logon_explicit", {**_BY, **_REMOTE, "dst_domain": "TargetServerName"}),
    Kind("4672", "auth", "privileges_assigned", {**_SUBJECT, "privilege": "PrivilegeList"}),
    Kind("4627", "auth", "group_membership", {**_TARGET, "logon_type": "LogonType"}),
    Kind("4674", "syscall", "privileged_object_used", {**_BY, "privilege": "PrivilegeList", "file_path": "ObjectName"}),
    Kind("4657", "registry", "registry_value_set", {
        **_OBJECT_KEY, "registry_tail": "ObjectValueName", "registry_value": "NewValue"}),
    Kind("4660", "file", "object_deleted", _BY),
    Kind("4661", "other", "handle_requested", _BY),
    Kind("4662", "other", "directory_object_accessed", _SUBJECT),
    Kind("5136", "other", "directory_object_changed", _SUBJECT),
    *_on_objects("4670", "permissions_changed"),
    Kind("4697", "process", "service_installed", {**_SUBJECT, **_CLIENT, "file_path": "ServiceFileName"}),
    Kind("4698", "process", "task_created", {**_SUBJECT, **_CLIENT}),
    Kind("4699", "process", "task_deleted", {**_SUBJECT, **_CLIENT}),
    Kind("4700", "process", "task_enabled", {**_SUBJECT, **_CLIENT}),
    Kind("4701", "process", "task_disabled", {**_SUBJECT, **_CLIENT}),
    Kind("4702", "process", "task_changed", {**_SUBJECT, **_CLIENT}),
    Kind("4719", "other", "audit_policy_changed", _SUBJECT),
    Kind("4768", "auth", "kerberos_ticket_granting_ticket", _KERBEROS),
    Kind("4769", "auth", "kerberos_service_ticket", _KERBEROS),
    Kind("4770", "auth", "kerberos_ticket_renewed", _KERBEROS),
    Kind("4771", "auth", "kerberos_preauthentication_failed", _KERBEROS),
    Kind("4776", "auth", "credentials_validated", {"user_name": "TargetUserName"}),
    Kind("4778", "auth", "session_reconnected", {"src_ip": "ClientAddress"}),
    Kind("4779", "auth", "session_disconnected", {"src_ip": "ClientAddress"}),
    Kind("4798", "auth", "user_groups_enumerated", {**_SUBJECT, **_CALLER}),
    Kind("4799", "auth", "group_members_enumerated", {**_SUBJECT, **_CALLER}),
    Kind("4800", "auth", "session_locked", _TARGET),
    Kind("4801", "auth", "session_unlocked", _TARGET),
    Kind("5379", "auth", "stored_credentials_read", {**_SUBJECT, **_CLIENT}),
    Kind("5140", "file", "share_accessed", _SHARE),
    Kind("5142", "file", "share_created", _SHARE),
    Kind("5144", "file", "share_deleted", _SHARE),
    Kind("5145", "file", "share_file_accessed", _SHARE),
    Kind("5152", "network", "packet_blocked", _FILTERED),
    Kind("5154", "network", "listened", _FILTERED),
    Kind("5157", "network", "connection_blocked", _FILTERED),
    *_on_accounts(),
)  # fmt: skip
