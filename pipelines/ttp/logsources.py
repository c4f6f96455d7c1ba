"""Which events a Sigma log source means, and which column holds what a rule calls a field, as data.

The columns are not listed a second time: they are read off the kinds by which the normaliser fills them, so that a field
that moves to another column is found there. A field that no column holds is looked for in the map ``fields`` under its
own name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from pipelines.normalise.kinds import Kind
from pipelines.normalise.windows import KINDS

__all__ = ["LIST", "LogSource", "columns_of", "log_source_of", "log_sources"]

LIST = "list:"
"""Begins a column that holds several values, a line end before and after each."""

_SYSMON, _SECURITY, _LINUX_SYSMON = "Microsoft-Windows-Sysmon", "Microsoft-Windows-Security-Auditing", "Linux-Sysmon"
_POWERSHELL, _CLASSIC = "Microsoft-Windows-PowerShell", "PowerShell"

# SQL that Spark and DuckDB read alike; chr(92) is a backslash, which the two quote differently
_USER_NAME = "split_part(user, chr(92), -1)"
_USER_DOMAIN = "CASE WHEN contains(user, chr(92)) THEN split_part(user, chr(92), 1) END"
_PARTS = {
    "user_name": _USER_NAME, "other_name": _USER_NAME, "user_domain": _USER_DOMAIN, "other_domain": _USER_DOMAIN,
    "signed": "is_signed", "registry_tail": "registry_key", "file_tail": "file_path",
}  # fmt: skip
_NUMBERS = frozenset({"process_pid", "parent_pid", "target_pid", "dst_port", "src_port", "is_signed"})
_HEADER = {
    "EventID": "event_code", "EventId": "event_code", "Channel": "channel", "Provider_Name": "provider",
    "Computer": "endpoint", "ComputerName": "endpoint", "Hostname": "endpoint",
}  # fmt: skip
_AUDIT = {
    "type": f"{LIST}concat(chr(10), replace(fields['_records'], ' ', chr(10)), chr(10))",
    "name": f"{LIST}concat(chr(10), fields['_paths'], chr(10))",
    "exe": "process_path", "comm": "coalesce(fields['comm'], process_name)", "syscall": "syscall", "SYSCALL": "syscall",
    "success": "CASE outcome WHEN 'success' THEN 'yes' WHEN 'failure' THEN 'no' END",
    "cwd": "fields['_cwd']", "proctitle": "coalesce(fields['_proctitle'], command_line)",
    "acct": "user", "addr": "src_ip", "terminal": "coalesce(logon_type, fields['tty'])",
    "pid": "CAST(process_pid AS STRING)", "ppid": "CAST(parent_pid AS STRING)",
}  # fmt: skip
_UNIX_PROCESS = {
    "Image": "process_path", "CommandLine": "command_line", "ParentImage": "parent_path", "User": "user",
    "ParentCommandLine": "parent_command_line", "CurrentDirectory": "coalesce(fields['CurrentDirectory'], fields['_cwd'])",
    "ProcessId": "CAST(process_pid AS STRING)", "ParentProcessId": "CAST(parent_pid AS STRING)",
    "LogonId": "coalesce(fields['LogonId'], fields['auid'])",
}  # fmt: skip


@dataclass(frozen=True)
class LogSource:
    """Events that rules of one Sigma log source are about.

    Attributes:
        product: Sigma's product.
        category: Sigma's category, or none.
        service: Sigma's service, or none.
        guard: SQL condition on a row of ``events``.
        kinds: providers and their event numbers (all where there are none) whose fields rules may name.
        columns: field -> SQL, where the kinds do not tell; these win.
    """

    product: str
    category: str | None
    service: str | None
    guard: str
    kinds: tuple[tuple[str, tuple[str, ...]], ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        """As it is told to a person."""
        return "/".join(part for part in (self.product, self.category, self.service) if part)


@cache
def log_sources() -> tuple[LogSource, ...]:
    """All log sources that ``events`` can hold."""
    return (*_windows_categories(), *_windows_services(), *_linux())


def log_source_of(product: str | None, category: str | None, service: str | None) -> LogSource | None:
    """The log source that a rule names; none where ``events`` holds nothing of it.

    A rule that names a category and a service is one of the category's; a product that only one log source can be is
    not needed.
    """
    for one in log_sources():
        if category is not None:
            if one.category == category and product in (one.product, None) and one.product == (product or "windows"):
                return one
        elif service is not None and one.category is None:
            if one.service == service and product in (one.product, None):
                return one
    return None


@cache
def columns_of(source: LogSource) -> Mapping[str, str]:
    """SQL of every field that a column of ``events`` holds, by the name that rules of the log source have for it."""
    found: dict[str, str] = {}
    for kind in _kinds(source):
        for column, told in kind.fills.items():
            for name in told.split("|"):
                found.setdefault(name, _sql(column))
    shared = _shared_names(source)
    for name in shared:  # of some events the column holds it, of others the map
        found[name] = f"coalesce(fields['{name}'], {found[name]})"
    return {**found, **_HEADER, **source.columns}


def _kinds(source: LogSource) -> Iterator[Kind]:
    for provider, codes in source.kinds:
        for kind in KINDS[provider]:
            if not codes or kind.code in codes:
                yield kind


def _shared_names(source: LogSource) -> set[str]:
    """Fields that only some of a service's kinds have a column for; of a category all have."""
    if source.category:
        return set()
    kinds = list(_kinds(source))
    names = {name for kind in kinds for told in kind.fills.values() for name in told.split("|")}
    return {
        name for name in names
        if not all(any(name in told.split("|") for told in kind.fills.values()) for kind in kinds)
    }  # fmt: skip


def _sql(column: str) -> str:
    named = _PARTS.get(column, column)
    return f"CAST({named} AS STRING)" if named in _NUMBERS else named


def _windows_categories() -> Iterator[LogSource]:
    on_windows = "platform = 'windows'"

    def of(category: str, condition: str, *codes: str, **columns: str) -> LogSource:
        kinds = ((_SYSMON, codes),) if codes else ()
        return LogSource("windows", category, None, f"{on_windows} AND {condition}", kinds, columns)

    def doing(*actions: str) -> str:
        return f"action IN ({', '.join(repr(one) for one in actions)})"

    yield LogSource(
        "windows", "process_creation", None, f"{on_windows} AND {doing('process_created')}",
        ((_SYSMON, ("1",)), (_SECURITY, ("4688",))),
    )  # fmt: skip
    yield of("process_access", f"{doing('process_accessed')} AND event_code = '10'", "10")
    yield of("process_termination", doing("process_ended"), "5")
    yield of("process_tampering", doing("process_tampered"), "25")
    yield of("create_remote_thread", doing("thread_created"), "8")
    yield of("file_event", doing("file_created", "executable_created"), "11", "29")
    yield of("file_executable_detected", doing("executable_created"), "29")
    yield of("file_block_executable", doing("file_blocked"), "27")
    yield of("file_block_shredding", doing("file_shredding_blocked"), "28")
    yield of("file_change", doing("file_time_changed"), "2")
    yield of("file_delete", f"{doing('file_deleted')} AND event_code IN ('23', '26')", "23", "26")
    yield of("create_stream_hash", doing("file_stream_created"), "15")
    yield of("pipe_created", doing("pipe_created", "pipe_connected"), "17", "18")
    yield of("registry_event", "category = 'registry' AND event_code IN ('12', '13', '14')", "12", "13", "14")
    yield of("registry_add", doing("registry_key_created", "registry_changed"), "12")
    yield of("registry_delete", doing("registry_key_deleted", "registry_value_deleted"), "12")
    yield of("registry_set", f"{doing('registry_value_set')} AND event_code = '13'", "13")
    yield of("registry_rename", doing("registry_renamed"), "14")
    yield of("network_connection", "category = 'network' AND event_code = '3'", "3")
    yield of("dns_query", doing("dns_query"), "22")
    yield of("image_load", doing("module_loaded"), "7")
    yield of("driver_load", doing("driver_loaded"), "6")
    yield of("raw_access_thread", doing("disk_read"), "9")
    yield of("wmi_event", "event_code IN ('19', '20', '21') AND action LIKE 'wmi!_%' ESCAPE '!'", "19", "20", "21")
    yield of("clipboard_capture", doing("clipboard_changed"), "24")
    yield of("sysmon_status", doing("sysmon_state_changed", "sysmon_config_changed"), "4", "16")
    yield of("sysmon_error", doing("sysmon_error"), "255")
    data = "concat_ws(chr(10), fields['Data'], fields['param1'], fields['param2'], fields['param3'], fields['message'])"
    for category, action in (
        ("ps_classic_start", "engine_started"), ("ps_classic_provider_start", "provider_started"),
        ("ps_classic_script", "pipeline_executed"),
    ):  # fmt: skip
        yield LogSource(
            "windows", category, None, f"{on_windows} AND {doing(action)} AND provider = 'PowerShell'",
            ((_CLASSIC, ()),), {"Data": f"concat_ws(chr(10), {data}, script_text)", "HostApplication": "command_line"},
        )  # fmt: skip
    yield LogSource(
        "windows", "ps_script", None, f"{on_windows} AND {doing('script_block_created')}", ((_POWERSHELL, ("4104",)),)
    )
    yield LogSource(
        "windows", "ps_module", None,
        f"{on_windows} AND {doing('pipeline_executed')} AND event_code = '4103'", ((_POWERSHELL, ("4103",)),),
    )  # fmt: skip


_CHANNELS = {
    "application": ("Application",), "applocker": (
        "Microsoft-Windows-AppLocker/MSI and Script", "Microsoft-Windows-AppLocker/EXE and DLL",
        "Microsoft-Windows-AppLocker/Packaged app-Deployment", "Microsoft-Windows-AppLocker/Packaged app-Execution"),
    "appxdeployment-server": ("Microsoft-Windows-AppXDeploymentServer/Operational",),
    "bits-client": ("Microsoft-Windows-Bits-Client/Operational",),
    "codeintegrity-operational": ("Microsoft-Windows-CodeIntegrity/Operational",),
    "dns-client": ("Microsoft-Windows-DNS Client Events/Operational",), "dns-server": ("DNS Server",),
    "driver-framework": ("Microsoft-Windows-DriverFrameworks-UserMode/Operational",),
    "firewall-as": ("Microsoft-Windows-Windows Firewall With Advanced Security/Firewall",),
    "ldap": ("Microsoft-Windows-LDAP-Client/Debug",), "lsa-server": ("Microsoft-Windows-LSA/Operational",),
    "msexchange-management": ("MSExchange Management",), "ntlm": ("Microsoft-Windows-NTLM/Operational",),
    "openssh": ("OpenSSH/Operational",), "security-mitigations": (
        "Microsoft-Windows-Security-Mitigations/Kernel Mode", "Microsoft-Windows-Security-Mitigations/User Mode"),
    "shell-core": ("Microsoft-Windows-Shell-Core/Operational",),
    "smbclient-connectivity": ("Microsoft-Windows-SmbClient/Connectivity",),
    "smbclient-security": ("Microsoft-Windows-SmbClient/Security",),
    "smbserver-connectivity": ("Microsoft-Windows-SMBServer/Connectivity",),
    "terminalservices-localsessionmanager": ("Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",),
    "vhdmp": ("Microsoft-Windows-VHDMP/Operational",), "windefend": ("Microsoft-Windows-Windows Defender/Operational",),
    "wmi": ("Microsoft-Windows-WMI-Activity/Operational",),
}  # fmt: skip


def _windows_services() -> Iterator[LogSource]:
    def of(service: str, condition: str, *providers: str, **columns: str) -> LogSource:
        guard = f"platform = 'windows' AND {condition}"
        return LogSource("windows", None, service, guard, tuple((one, ()) for one in providers), columns)

    # a cleared log is told in the Security channel by another provider
    yield of(
        "security",
        f"(provider = '{_SECURITY}' OR channel = 'Security')",
        _SECURITY,
        RelativeTargetName="file_path",
        ShareName="file_path",
    )
    yield of("sysmon", f"provider = '{_SYSMON}'", _SYSMON)
    yield of(
        "system", "channel = 'System'", "Service Control Manager", "Microsoft-Windows-Eventlog",
        ImagePath="coalesce(fields['ImagePath'], file_path)",
    )  # fmt: skip
    yield of("taskscheduler", "provider = 'Microsoft-Windows-TaskScheduler'", "Microsoft-Windows-TaskScheduler")
    yield of("powershell", f"provider IN ('{_POWERSHELL}', 'PowerShellCore')", _POWERSHELL)
    yield of("powershell-classic", f"provider = '{_CLASSIC}'", _CLASSIC, HostApplication="command_line")
    for service, channels in _CHANNELS.items():
        yield of(service, f"channel IN ({', '.join(repr(one) for one in channels)})")


def _linux() -> Iterator[LogSource]:
    on_linux = "platform = 'linux'"
    yield LogSource(
        "linux", "process_creation", None, f"{on_linux} AND action = 'process_created'",
        ((_LINUX_SYSMON, ("1",)),), _UNIX_PROCESS,
    )  # fmt: skip
    yield LogSource(
        "linux", "network_connection", None, f"{on_linux} AND category = 'network'", ((_LINUX_SYSMON, ("3",)),)
    )
    yield LogSource(
        "linux", "file_event", None, f"{on_linux} AND action IN ('file_created', 'file_written', 'file_renamed')",
        ((_LINUX_SYSMON, ("11",)),),
    )  # fmt: skip
    yield LogSource("linux", None, "auditd", f"{on_linux} AND provider = 'auditd'", (), _AUDIT)
    for service, programs in (
        ("sshd", ("sshd",)), ("sudo", ("sudo",)), ("cron", ("cron", "crond", "CRON", "CROND")), ("syslog", ()),
        ("auth", ("sshd", "sudo", "su", "login", "systemd-logind", "useradd", "usermod", "passwd", "groupadd")),
    ):  # fmt: skip
        of_program = f" AND provider IN ({', '.join(repr(one) for one in programs)})" if programs else ""
        yield LogSource("linux", None, service, f"{on_linux} AND provider <> 'auditd'{of_program}")
