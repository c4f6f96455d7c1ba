"""A made-up Windows endpoint: its processes and what Sysmon, Security, System and PowerShell would log of them.

Written from the public descriptions of the events. What happens on an endpoint is elsewhere (`logster.demo_work`,
`logster.demo_attack`). Nothing is executed.
"""

import base64
import hashlib
import random
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from logster.demo_records import (
    POWERSHELL,
    SECURITY,
    SYSMON,
    SYSTEM_LOG,
    Account,
    EventLog,
    file_hashes,
    sysmon_time,
)

__all__ = ["SYSTEM", "Process", "WindowsHost", "encoded_command"]

_LABELS = {"Low": "S-1-16-4096", "Medium": "S-1-16-8192", "High": "S-1-16-12288", "System": "S-1-16-16384"}

SYSTEM = Account("NT AUTHORITY", "SYSTEM", "S-1-5-18", 0x3E7)
_NETWORK_SERVICE = Account("NT AUTHORITY", "NETWORK SERVICE", "S-1-5-20", 0x3E4)


@dataclass(frozen=True)
class Process:
    """A process that has been started."""

    guid: str
    pid: int
    image: str
    command_line: str
    account: Account
    integrity: str


class WindowsHost:
    """One endpoint. Methods note what would be logged at a time; `lines_until` hands it out in order.

    Args:
        name: host name, ``WS-01``.
        domain: DNS domain; the NetBIOS name is its first part in upper case.
        user: name of the account that works here.
        address: its IPv4 address.
        began: first time of which anything is logged (UTC); the machine was started some hours before.
        seed: same seed, same telemetry. What ran before ``began`` depends on the name and the day alone.

    Attributes:
        roots: processes that ran before ``began``, by what they do.
        apps: programs that the user has left open.
        profile: the user's folder.
    """

    def __init__(self, name: str, domain: str, *, user: str, address: str, began: datetime, seed: int) -> None:
        self.name, self.domain, self.address = name, domain, address
        self.computer = f"{name}.{domain}"
        self.netbios = domain.split(".")[0].upper()
        self.rng = random.Random(f"{seed}/{self.computer}/{began.timestamp()}")
        self._fixed = random.Random(self.computer)
        self._machine = self._fixed.getrandbits(32)
        self._domain_sid = "S-1-5-21-" + "-".join(
            str(part) for part in random.Random(domain).choices(range(10**8, 4 * 10**9), k=3)
        )
        self.boot = (began - timedelta(hours=7)).replace(hour=5, minute=30, second=0, microsecond=0)
        age = int((began - self.boot).total_seconds())
        self._serial = 0
        self._log = EventLog(self.computer, age=age)
        self._recent_pids: deque[int] = deque(maxlen=4000)
        self.machine_account = Account(self.netbios, f"{name}$", "S-1-5-18", 0x3E7)
        self.user = self.account(user, logon_id=self._fixed.randrange(0x20000, 0x90000))
        self.roots: dict[str, Process] = {}
        self.apps: dict[str, Process] = {}
        self._start_roots()
        self._serial = age * 16
        self.profile = f"C:\\Users\\{user}"

    def account(self, name: str, *, logon_id: int | None = None) -> Account:
        """Account of the endpoint's domain in a logon session, a new one where none is given."""
        relative = int(hashlib.sha256(name.encode()).hexdigest()[:3], 16) + 1100
        return Account(
            self.netbios, name, f"{self._domain_sid}-{relative}", logon_id or self.rng.randrange(0x100000, 0x7FFFFFF)
        )

    def server(self, number: int) -> str:
        """Address of one of the servers of the endpoint's network."""
        return f"{self.address.rsplit('.', 2)[0]}.0.{number}"

    def _start_roots(self) -> None:
        system32, defender = "C:\\Windows\\System32\\", "C:\\ProgramData\\Microsoft\\Windows Defender\\Platform\\"
        host = f"{system32}svchost.exe"
        known = (
            ("services", f"{system32}services.exe", "", SYSTEM),
            ("lsass", f"{system32}lsass.exe", "", SYSTEM),
            ("csrss", f"{system32}csrss.exe", "", SYSTEM),
            ("winlogon", f"{system32}winlogon.exe", "", SYSTEM),
            ("schedule", host, f"{host} -k netsvcs -p -s Schedule", SYSTEM),
            ("updates", host, f"{host} -k netsvcs -p -s wuauserv", SYSTEM),
            ("dcom", host, f"{host} -k DcomLaunch -p", SYSTEM),
            ("dns", host, f"{host} -k NetworkService -p -s Dnscache", _NETWORK_SERVICE),
            ("rpc", host, f"{host} -k RPCSS -p", _NETWORK_SERVICE),
            ("winmgmt", host, f"{host} -k netsvcs -p -s Winmgmt", SYSTEM),
            ("defender", f"{defender}4.18.24090.11-0\\MsMpEng.exe", "", SYSTEM),
            ("spooler", f"{system32}spoolsv.exe", "", SYSTEM),
            ("search", f"{system32}SearchIndexer.exe", f"{system32}SearchIndexer.exe /Embedding", SYSTEM),
            ("explorer", "C:\\Windows\\explorer.exe", "C:\\Windows\\Explorer.EXE", self.user),
        )
        for order, (key, image, command, account) in enumerate(known):
            began = self.boot + timedelta(seconds=4 + 2 * order)
            self._serial += self._fixed.randrange(40, 900)
            pid = 600 + 4 * order * 37
            self._recent_pids.append(pid)
            integrity = "Medium" if key == "explorer" else "System"
            self.roots[key] = Process(self._guid(began), pid, image, command or image, account, integrity)

    def _guid(self, at: datetime) -> str:
        """As Sysmon makes it: machine, seconds of the start, a serial."""
        self._serial += 1
        seconds, serial = int(at.timestamp()), self._serial.to_bytes(6, "little").hex()
        return f"{{{self._machine:08x}-{seconds & 0xFFFF:04x}-{seconds >> 16:04x}-{serial[:4]}-{serial[4:]}{0:04x}}}"

    def lines_until(self, end: datetime) -> list[str]:
        """Hand out and forget what happened before ``end``, by time, numbered, as JSON lines without line ends."""
        return self._log.lines_until(end)

    def _sysmon(self, at: datetime, code: int, data: Mapping[str, str]) -> None:
        fields = {"RuleName": "-", "UtcTime": sysmon_time(at), **data}
        text = ":\n" + "\n".join(f"{name}: {value}" for name, value in fields.items())
        self._log.note(at + timedelta(milliseconds=1), SYSMON, code, fields, text=text, user=SYSTEM)

    def _security(self, at: datetime, code: int, data: Mapping[str, str]) -> None:
        text = "\n\n" + "\n".join(f"{name}:\t{value}" for name, value in data.items())
        self._log.note(at, SECURITY, code, data, text=text)

    def _pid(self) -> int:
        while (pid := 4 * self.rng.randrange(300, 5000)) in self._recent_pids:
            pass
        self._recent_pids.append(pid)
        return pid

    def start(
        self, at: datetime, parent: Process, image: str, arguments: str = "", *, account: Account | None = None,
        integrity: str | None = None, folder: str = "C:\\Windows\\System32\\", command_line: str | None = None,
        loads: tuple[str, ...] = (),
    ) -> Process:  # fmt: skip
        """Start a process (Sysmon 1, Security 4688) that loads some libraries (Sysmon 7).

        Args:
            at: when.
            parent: its creator.
            image: full path of the program.
            arguments: what follows the quoted path in the command line.
            account: whose it is; the parent's where not given.
            integrity: its level; the parent's where not given.
            folder: current directory.
            command_line: all of it, in place of path and arguments.
            loads: full paths of libraries.
        """
        account, integrity = account or parent.account, integrity or parent.integrity
        command = command_line or f'"{image}" {arguments}'.rstrip()
        process = Process(self._guid(at), self._pid(), image, command, account, integrity)
        name = image.rsplit("\\", 1)[1]
        is_windows = image.lower().startswith("c:\\windows\\")
        self._sysmon(at, 1, {
            "ProcessGuid": process.guid, "ProcessId": str(process.pid), "Image": image,
            "FileVersion": "10.0.19041.4355 (WinBuild.160101.0800)" if is_windows else "-", "Description": name[:-4],
            "Product": "Microsoft® Windows® Operating System" if is_windows else "-",
            "Company": "Microsoft Corporation" if is_windows else "-", "OriginalFileName": name if is_windows else "-",
            "CommandLine": command, "CurrentDirectory": folder, "User": account.user,
            "LogonGuid": f"{{{self._machine:08x}-0000-0000-{account.logon_id & 0xFFFF:04x}-{account.logon_id:012x}}}",
            "LogonId": f"{account.logon_id:#x}", "TerminalSessionId": "0" if account is SYSTEM else "1",
            "IntegrityLevel": integrity, "Hashes": file_hashes(image), "ParentProcessGuid": parent.guid,
            "ParentProcessId": str(parent.pid), "ParentImage": parent.image, "ParentCommandLine": parent.command_line,
            "ParentUser": parent.account.user,
        })  # fmt: skip
        subject = self.machine_account if parent.account.domain == "NT AUTHORITY" else parent.account
        other = account if account != parent.account else None
        self._security(at + timedelta(milliseconds=1), 4688, {
            **_who("Subject", subject), "NewProcessId": f"{process.pid:#x}", "NewProcessName": image,
            "TokenElevationType": "%%1937" if integrity == "High" else "%%1936", "ProcessId": f"{parent.pid:#x}",
            "CommandLine": command,
            **(_who("Target", other) if other else _who("Target", Account("-", "-", "S-1-0-0", 0))),
            "ParentProcessName": parent.image, "MandatoryLabel": _LABELS[integrity],
        })  # fmt: skip
        csrss = self.roots["csrss"]
        self.access(
            at + timedelta(milliseconds=2), csrss, process, "0x1fffff", "C:\\Windows\\system32\\basesrv.DLL+2f79"
        )
        standard = ("C:\\Windows\\System32\\ntdll.dll", "C:\\Windows\\System32\\kernel32.dll")
        for number, library in enumerate((*standard, *loads)):
            self.load(at + timedelta(milliseconds=4 + 3 * number), process, library)
        return process

    def stop(self, at: datetime, process: Process) -> None:
        """End a process (Sysmon 5)."""
        self._sysmon(at, 5, {**_actor(process), "User": process.account.user})

    def load(self, at: datetime, process: Process, library: str, *, signer: str = "Microsoft Windows") -> None:
        """Load a library (Sysmon 7); an empty signer means that it is not signed."""
        self._sysmon(at, 7, {
            **_actor(process), "ImageLoaded": library, "Hashes": file_hashes(library),
            "Signed": str(bool(signer)).lower(), "Signature": signer or "-",
            "SignatureStatus": "Valid" if signer else "Unavailable", "User": process.account.user,
        })  # fmt: skip

    def connect(self, at: datetime, process: Process, address: str, port: int, name: str = "-") -> None:
        """Connect out over TCP (Sysmon 3)."""
        self._sysmon(at, 3, {
            **_actor(process), "User": process.account.user, "Protocol": "tcp", "Initiated": "true",
            "SourceIsIpv6": "false", "SourceIp": self.address, "SourceHostname": self.computer,
            "SourcePort": str(self.rng.randrange(49152, 65535)), "SourcePortName": "-", "DestinationIsIpv6": "false",
            "DestinationIp": address, "DestinationHostname": name, "DestinationPort": str(port),
            "DestinationPortName": {80: "http", 443: "https", 445: "microsoft-ds", 135: "epmap"}.get(port, "-"),
        })  # fmt: skip

    def resolve(self, at: datetime, process: Process, name: str, address: str) -> None:
        """Look a name up (Sysmon 22)."""
        self._sysmon(at, 22, {
            "ProcessGuid": process.guid, "ProcessId": str(process.pid), "QueryName": name, "QueryStatus": "0",
            "QueryResults": f"::ffff:{address};", "Image": process.image, "User": process.account.user,
        })  # fmt: skip

    def write(self, at: datetime, process: Process, path: str) -> None:
        """Create a file (Sysmon 11)."""
        made = {"TargetFilename": path, "CreationUtcTime": sysmon_time(at)}
        self._sysmon(at, 11, {**_actor(process), **made, "User": process.account.user})

    def create_key(self, at: datetime, process: Process, key: str) -> None:
        """Create a registry key (Sysmon 12)."""
        user = {"User": process.account.user}
        self._sysmon(at, 12, {"EventType": "CreateKey", **_actor(process), "TargetObject": key, **user})

    def set_value(self, at: datetime, process: Process, key: str, details: str) -> None:
        """Set a registry value (Sysmon 13)."""
        change = {"TargetObject": key, "Details": details, "User": process.account.user}
        self._sysmon(at, 13, {"EventType": "SetValue", **_actor(process), **change})

    def access(self, at: datetime, source: Process, target: Process, mask: str, called_from: str) -> None:
        """Open another process (Sysmon 10); the last entry of the call trace tells from where."""
        core = "C:\\Windows\\SYSTEM32\\ntdll.dll+9d4c4|C:\\Windows\\System32\\KERNELBASE.dll+2c13e"
        self._sysmon(at, 10, {
            "SourceProcessGUID": source.guid, "SourceProcessId": str(source.pid),
            "SourceThreadId": str(4 * self.rng.randrange(200, 3000)), "SourceImage": source.image,
            "TargetProcessGUID": target.guid, "TargetProcessId": str(target.pid), "TargetImage": target.image,
            "GrantedAccess": mask, "CallTrace": f"{core}|{called_from}", "SourceUser": source.account.user,
            "TargetUser": target.account.user,
        })  # fmt: skip

    def log_on(self, at: datetime, account: Account, kind: int, *, address: str = "-", is_admin: bool = False) -> None:
        """Log an account on (4624, and 4672 for an administrator); kind 3 is from the network, 5 a service."""
        is_remote = kind == 3
        subject = Account("-", "-", "S-1-0-0", 0) if is_remote else self.machine_account
        actor = self.roots["services" if kind == 5 else "lsass"]
        self._security(at, 4624, {
            **_who("Subject", subject), **_who("Target", account), "LogonType": str(kind),
            "LogonProcessName": "Kerberos" if is_remote else "Advapi  ",
            "AuthenticationPackageName": "Kerberos" if is_remote else "Negotiate", "WorkstationName": "-",
            "LogonGuid": str(uuid.UUID(int=self.rng.getrandbits(128), version=4)), "ElevatedToken": "%%1842",
            "ProcessId": "0x0" if is_remote else f"{actor.pid:#x}", "ProcessName": "-" if is_remote else actor.image,
            "IpAddress": address, "IpPort": str(self.rng.randrange(49152, 65535)) if is_remote else "-",
        })  # fmt: skip
        if is_admin:
            names = ("SeSecurityPrivilege", "SeBackupPrivilege", "SeDebugPrivilege", "SeImpersonatePrivilege")
            rights = {"PrivilegeList": "\n\t\t\t".join(names)}
            self._security(at + timedelta(milliseconds=1), 4672, {**_who("Subject", account), **rights})

    def log_off(self, at: datetime, account: Account, kind: int) -> None:
        """Log an account off (4634)."""
        self._security(at, 4634, {**_who("Target", account), "LogonType": str(kind)})

    def use_credentials(self, at: datetime, process: Process, account: Account, server: str) -> None:
        """Log on to a server with another account's credentials (4648)."""
        self._security(at, 4648, {
            **_who("Subject", process.account), "TargetUserName": account.name, "TargetDomainName": account.domain,
            "TargetServerName": server, "TargetInfo": f"cifs/{server}", "ProcessId": f"{process.pid:#x}",
            "ProcessName": process.image, "IpAddress": "-", "IpPort": "-",
        })  # fmt: skip

    def open_share(self, at: datetime, account: Account, address: str, share: str, path: str, mask: str) -> None:
        """Somebody elsewhere opens a file of a share here (5145)."""
        self._security(at, 5145, {
            **_who("Subject", account), "ObjectType": "File", "IpAddress": address,
            "IpPort": str(self.rng.randrange(49152, 65535)), "ShareName": f"\\\\*\\{share}",
            "ShareLocalPath": {"ADMIN$": "\\??\\C:\\Windows", "C$": "\\??\\C:\\"}.get(share, ""),
            "RelativeTargetName": path, "AccessMask": mask, "AccessList": "%%1538\n\t\t\t\t%%4416\n\t\t\t\t",
        })  # fmt: skip

    def install_service(self, at: datetime, account: Account, name: str, path: str) -> None:
        """Install a service (System 7045)."""
        data = {
            "ServiceName": name, "ImagePath": path, "ServiceType": "user mode service", "StartType": "demand start",
            "AccountName": "LocalSystem",
        }  # fmt: skip
        text = "\n\n" + "\n".join(f"{key}:  {value}" for key, value in data.items())
        self._log.note(at, SYSTEM_LOG, 7045, data, text=text, user=account)

    def create_task(self, at: datetime, account: Account, name: str, command: str, arguments: str) -> None:
        """Register a scheduled task (4698)."""
        content = (
            '<?xml version="1.0" encoding="UTF-16"?><Task version="1.2"><Triggers><LogonTrigger><Enabled>true</Enabled>'
            f"</LogonTrigger></Triggers><Actions><Exec><Command>{command}</Command><Arguments>{arguments}</Arguments>"
            "</Exec></Actions></Task>"
        )
        self._security(at, 4698, {**_who("Subject", account), "TaskName": f"\\{name}", "TaskContent": content})

    def run_script(self, at: datetime, process: Process, script: str, path: str = "") -> None:
        """PowerShell compiles a script block (4104)."""
        identity = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        data = {
            "MessageNumber": "1", "MessageTotal": "1", "ScriptBlockText": script, "ScriptBlockId": identity,
            "Path": path,
        }  # fmt: skip
        text = f"\n{script}\n\nScriptBlock ID: {identity}\nPath: {path}"
        self._log.note(at, POWERSHELL, 4104, data, text=text, user=process.account, pid=process.pid)


def encoded_command(script: str) -> str:
    """Text as ``powershell -EncodedCommand`` takes it."""
    return base64.b64encode(script.encode("utf-16-le")).decode("ascii")


def _who(role: str, account: Account) -> dict[str, str]:
    return {
        f"{role}UserSid": account.sid, f"{role}UserName": account.name, f"{role}DomainName": account.domain,
        f"{role}LogonId": f"{account.logon_id:#x}",
    }  # fmt: skip


def _actor(process: Process) -> dict[str, str]:
    return {"ProcessGuid": process.guid, "ProcessId": str(process.pid), "Image": process.image}
