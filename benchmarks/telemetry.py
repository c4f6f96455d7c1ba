"""Made-up telemetry to measure with: Winlogbeat 7 records of the usual mix, and the demo's audit recordings multiplied.

One file an endpoint, as shippers leave them, in folders as the landing zone has them. Same seed, same bytes. What an
attack looks like is not in it (`benchmarks.latency` has the demo's).
"""

import hashlib
import json
import random
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, count
from pathlib import Path
from typing import Any

from logster.demo_linux import RECORDINGS, replay
from logster.demo_records import POWERSHELL, SECURITY, SYSMON
from pipelines.sources.files import landing_folder

__all__ = ["START", "TENANT", "Telemetry", "write_auditd", "write_windows"]

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TENANT = "bench"

# of a thousand records of an endpoint with a common Sysmon configuration and audit policy
_MIX = {
    10: 180, 7: 200, 12: 130, 13: 100, 11: 60, 3: 50, 22: 30, 1: 30, 5: 30, 5156: 85, 4663: 45, 4688: 30, 4624: 20,
    4104: 10,
}  # fmt: skip
_TITLES = {
    1: "Process Create", 3: "Network connection detected", 5: "Process terminated", 7: "Image loaded",
    10: "Process accessed", 11: "File created", 12: "Registry object added or deleted", 13: "Registry value set",
    22: "Dns query", 4624: "Logon", 4663: "File System", 4688: "Process Creation", 5156: "Filtering Platform Connection",
    4104: "Execute a Remote Command",
}  # fmt: skip
_SYSTEM32 = "C:\\Windows\\System32\\"
_IMAGES = (
    f"{_SYSTEM32}svchost.exe", f"{_SYSTEM32}cmd.exe", f"{_SYSTEM32}conhost.exe", f"{_SYSTEM32}taskhostw.exe",
    f"{_SYSTEM32}wbem\\WmiPrvSE.exe", f"{_SYSTEM32}WindowsPowerShell\\v1.0\\powershell.exe", "C:\\Windows\\explorer.exe",
    "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
    "C:\\Program Files\\Microsoft Office\\root\\Office16\\OUTLOOK.EXE",
    "C:\\ProgramData\\Microsoft\\Windows Defender\\Platform\\4.18.24090.11-0\\MsMpEng.exe",
)  # fmt: skip
_MODULES = tuple(
    f"{_SYSTEM32}{name}.dll"
    for name in "ntdll kernel32 user32 combase rpcrt4 sechost bcrypt amsi crypt32 winhttp uxtheme mscoree".split()
)
_EVENTS_A_SECOND = 5
_SERIAL = re.compile(r"(?<=msg=audit\()(\d+\.\d{3}):(\d+)(?=\))")


@dataclass(frozen=True)
class Telemetry:
    """Files written, and what is in them.

    Attributes:
        landing: the landing zone.
        files: the files in it.
        n_bytes: their size.
        n_records: their lines.
        start: time of the first record (UTC).
        end: a time after the last.
    """

    landing: Path
    files: tuple[Path, ...]
    n_bytes: int
    n_records: int
    start: datetime
    end: datetime


def write_windows(landing: Path, n_bytes: int, *, n_endpoints: int = 20, seed: int = 1) -> Telemetry:
    """Write Winlogbeat 7 records of some endpoints, five a second each.

    Args:
        landing: folder to write below.
        n_bytes: size of all files together, at least.
        n_endpoints: number of endpoints, one file each.
        seed: of everything that is drawn.
    """
    share = n_bytes / n_endpoints
    lines_of = {}
    for number in range(n_endpoints):
        endpoint, lines, size = _Endpoint(number, seed), [], 0
        while size < share:
            lines.append(endpoint.next_record())
            size += len(lines[-1]) + 1
        lines_of[endpoint.computer] = lines
    longest = max(len(lines) for lines in lines_of.values())
    return _written(landing, lines_of, timedelta(seconds=longest / _EVENTS_A_SECOND + 1))


def write_auditd(landing: Path, n_bytes: int) -> Telemetry:
    """Write the demo's recordings of auditd again and again, each as another endpoint's.

    Args:
        landing: folder to write below.
        n_bytes: size of all files together, about.
    """
    recordings = list(RECORDINGS.values())
    lines_of: dict[str, list[str]] = {}
    left, length = n_bytes, timedelta(0)
    for number in count():
        if left <= 0:
            break
        recording, node = recordings[number % len(recordings)], f"lin-{number:03}"
        lines = replay(recording, node, START)
        sizes = accumulate(len(line.encode(errors="surrogateescape")) + 1 for line in lines)
        fitting = [size for size in sizes if size <= left]
        if not fitting:
            break
        lines_of[node] = [_with_serial(line, 1_000_000 * (number + 1)) for line in lines[: len(fitting)]]
        left -= fitting[-1]
        length = max(length, recording.length)
    return _written(landing, lines_of, length)


def _with_serial(line: str, shift: int) -> str:
    return _SERIAL.sub(lambda found: f"{found[1]}:{int(found[2]) + shift}", line, count=1)


def _written(landing: Path, lines_of: dict[str, list[str]], length: timedelta) -> Telemetry:
    folder = landing / landing_folder(TENANT, "auto", None, None)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, lines in lines_of.items():
        path = folder / f"{name.lower()}.log"
        path.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", errors="surrogateescape"))
        files.append(path)
    return Telemetry(
        landing, tuple(files), sum(path.stat().st_size for path in files), sum(map(len, lines_of.values())),
        START, START + length,
    )  # fmt: skip


@dataclass(frozen=True)
class _Process:
    guid: str
    pid: int
    image: str
    command_line: str


class _Endpoint:
    """One Windows endpoint that logs something every fifth of a second, with a changing set of processes."""

    def __init__(self, number: int, seed: int) -> None:
        self.name = f"WIN-{number:03}"
        self.computer = f"{self.name}.bench.example"
        self._rng = random.Random(f"{seed}/{self.computer}")
        self._codes, self._weights = list(_MIX), list(_MIX.values())
        self._n_records = self._n_started = 0
        self._user, self._sid = f"BENCH\\user{number:03}", f"S-1-5-21-1004336348-1177238915-682003330-{1100 + number}"
        self._agent = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        self._address = f"10.{20 + number // 250}.4.{number % 250 + 1}"
        self._alive = [self._new_process() for _ in range(30)]
        self._data = {
            1: self._created, 3: self._connected, 5: self._ended, 7: self._loaded, 10: self._accessed,
            11: self._wrote, 12: self._changed_key, 13: self._set_value, 22: self._resolved, 4104: self._ran_script,
            4624: self._logged_on, 4663: self._touched, 4688: self._created_by_audit, 5156: self._was_let_through,
        }  # fmt: skip

    def next_record(self) -> str:
        """The next record as a JSON line without its end."""
        code = self._rng.choices(self._codes, self._weights)[0]
        at = START + timedelta(seconds=self._n_records / _EVENTS_A_SECOND, milliseconds=self._rng.randrange(150))
        self._n_records += 1
        log = POWERSHELL if code == 4104 else SYSMON if code < 1000 else SECURITY
        data = self._data[code]()
        if log is SYSMON:
            stamp = at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
            data = {"RuleName": "-", "UtcTime": stamp, **data}
        time, title = at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z", _TITLES[code]
        winlog: dict[str, Any] = {
            "api": "wineventlog", "channel": log[0], "computer_name": self.computer, "event_data": data,
            "event_id": code, "opcode": "Info", "process": {"pid": 2860, "thread": {"id": 3712}},
            "provider_guid": log[2], "provider_name": log[1], "record_id": 400_000 + self._n_records, "task": title,
        }  # fmt: skip
        if log is SECURITY:
            winlog["keywords"] = ["Audit Success"]
        else:
            winlog["user"] = {"identifier": "S-1-5-18", "name": "SYSTEM", "domain": "NT AUTHORITY", "type": "User"}
        event = {
            "@timestamp": time, "@metadata": {"beat": "winlogbeat", "type": "_doc", "version": "7.9.3"},
            "event": {"kind": "event", "code": code, "action": title, "provider": log[1], "created": time},
            "log": {"level": "information"}, "message": f"{title}:", "winlog": winlog, "host": {"name": self.computer},
            "agent": {"type": "winlogbeat", "version": "7.9.3", "hostname": self.name, "id": self._agent},
            "ecs": {"version": "1.5.0"},
        }  # fmt: skip
        return json.dumps(event, separators=(",", ":"))

    def _new_process(self) -> _Process:
        rng = self._rng
        self._n_started += 1
        image = rng.choice(_IMAGES)
        serial = f"{rng.getrandbits(32):08x}-{self._n_started & 0xFFFF:04x}-69a5-{rng.getrandbits(16):04x}"
        command_line = f'"{image}" --type={rng.choice(("renderer", "utility", "service"))} -p {rng.getrandbits(48):x}'
        pid = 4 * (self._n_started * 7 % 4000 + 200)
        return _Process(f"{{{serial}-{self._n_started:012x}}}", pid, image, command_line)

    def _actor(self) -> tuple[_Process, dict[str, str]]:
        process = self._rng.choice(self._alive)
        told = {"ProcessGuid": process.guid, "ProcessId": str(process.pid), "Image": process.image, "User": self._user}
        return process, told

    def _start(self) -> tuple[_Process, _Process]:
        """Start a process; the oldest makes room for it."""
        parent, process = self._rng.choice(self._alive), self._new_process()
        self._alive.pop(0)
        self._alive.append(process)
        return process, parent

    def _created(self) -> dict[str, str]:
        process, parent = self._start()
        return {
            "ProcessGuid": process.guid, "ProcessId": str(process.pid), "Image": process.image,
            "FileVersion": "10.0.19041.4355 (WinBuild.160101.0800)", "Description": "-",
            "Product": "Microsoft\u00ae Windows\u00ae Operating System", "Company": "Microsoft Corporation",
            "OriginalFileName": "-", "CommandLine": process.command_line, "CurrentDirectory": _SYSTEM32,
            "User": self._user, "LogonGuid": "{6f1c2d3e-0000-0000-0000-00000003e7a1}", "LogonId": "0x3e7a1",
            "TerminalSessionId": "1", "IntegrityLevel": "Medium", "Hashes": _hashes(process.image),
            "ParentProcessGuid": parent.guid, "ParentProcessId": str(parent.pid), "ParentImage": parent.image,
            "ParentCommandLine": parent.command_line, "ParentUser": self._user,
        }  # fmt: skip

    def _ended(self) -> dict[str, str]:
        return self._actor()[1]

    def _connected(self) -> dict[str, str]:
        number = self._rng.randrange(1, 250)
        return {
            **self._actor()[1], "Protocol": "tcp", "Initiated": "true", "SourceIsIpv6": "false",
            "SourceIp": self._address, "SourceHostname": self.computer, "SourcePort": str(self._rng.randrange(49152, 65535)),
            "SourcePortName": "-", "DestinationIsIpv6": "false", "DestinationIp": f"198.51.100.{number}",
            "DestinationHostname": f"host{number}.example.net", "DestinationPort": "443", "DestinationPortName": "https",
        }  # fmt: skip

    def _loaded(self) -> dict[str, str]:
        module = self._rng.choice(_MODULES)
        return {
            **self._actor()[1], "ImageLoaded": module, "FileVersion": "10.0.19041.4355 (WinBuild.160101.0800)",
            "Description": "-", "Product": "Microsoft\u00ae Windows\u00ae Operating System",
            "Company": "Microsoft Corporation", "OriginalFileName": module.rsplit("\\", 1)[1],
            "Hashes": _hashes(module), "Signed": "true", "Signature": "Microsoft Windows", "SignatureStatus": "Valid",
        }  # fmt: skip

    def _accessed(self) -> dict[str, str]:
        source, target = self._rng.choice(self._alive), self._rng.choice(self._alive)
        frames = self._rng.choices(_MODULES, k=6)
        return {
            "SourceProcessGUID": source.guid, "SourceProcessId": str(source.pid), "SourceThreadId": "4460",
            "SourceImage": source.image, "TargetProcessGUID": target.guid, "TargetProcessId": str(target.pid),
            "TargetImage": target.image, "GrantedAccess": self._rng.choice(("0x1000", "0x1410", "0x1fffff")),
            "CallTrace": "|".join(f"{frame}+{self._rng.getrandbits(20):x}" for frame in frames),
            "SourceUser": self._user, "TargetUser": self._user,
        }  # fmt: skip

    def _file(self) -> str:
        return f"C:\\Users\\user\\AppData\\Local\\Google\\Chrome\\User Data\\Cache\\f_{self._rng.getrandbits(24):06x}"

    def _wrote(self) -> dict[str, str]:
        return {**self._actor()[1], "TargetFilename": self._file(), "CreationUtcTime": "2026-03-02 09:00:00.000"}

    def _key(self) -> str:
        return f"HKLM\\System\\CurrentControlSet\\Services\\bam\\State\\UserSettings\\{self._sid}\\{self._rng.randrange(400)}"

    def _changed_key(self) -> dict[str, str]:
        kind = self._rng.choice(("CreateKey", "DeleteKey", "DeleteValue"))
        return {"EventType": kind, **self._actor()[1], "TargetObject": self._key()}

    def _set_value(self) -> dict[str, str]:
        details = f"DWORD (0x{self._rng.getrandbits(32):08x})"
        return {"EventType": "SetValue", **self._actor()[1], "TargetObject": self._key(), "Details": details}

    def _resolved(self) -> dict[str, str]:
        number = self._rng.randrange(1, 250)
        return {
            **self._actor()[1], "QueryName": f"host{number}.example.net", "QueryStatus": "0",
            "QueryResults": f"::ffff:198.51.100.{number};",
        }  # fmt: skip

    def _subject(self) -> dict[str, str]:
        return {
            "SubjectUserSid": self._sid, "SubjectUserName": self._user.split("\\")[1], "SubjectDomainName": "BENCH",
            "SubjectLogonId": "0x3e7a1",
        }  # fmt: skip

    def _created_by_audit(self) -> dict[str, str]:
        process, parent = self._start()
        return {
            **self._subject(), "NewProcessId": f"{process.pid:#x}", "NewProcessName": process.image,
            "TokenElevationType": "%%1936", "ProcessId": f"{parent.pid:#x}", "CommandLine": process.command_line,
            "TargetUserSid": "S-1-0-0", "TargetUserName": "-", "TargetDomainName": "-", "TargetLogonId": "0x0",
            "ParentProcessName": parent.image, "MandatoryLabel": "S-1-16-8192",
        }  # fmt: skip

    def _logged_on(self) -> dict[str, str]:
        return {
            **self._subject(), "TargetUserSid": self._sid, "TargetUserName": self._user.split("\\")[1],
            "TargetDomainName": "BENCH", "TargetLogonId": f"{self._rng.getrandbits(24):#x}",
            "LogonType": self._rng.choice(("2", "3", "5")), "LogonProcessName": "Kerberos",
            "AuthenticationPackageName": "Kerberos", "WorkstationName": "-",
            "LogonGuid": str(uuid.UUID(int=self._rng.getrandbits(128), version=4)), "KeyLength": "0",
            "ProcessId": "0x0", "ProcessName": "-", "IpAddress": self._address, "IpPort": "50122",
            "ElevatedToken": "%%1842",
        }  # fmt: skip

    def _touched(self) -> dict[str, str]:
        process = self._rng.choice(self._alive)
        return {
            **self._subject(), "ObjectServer": "Security", "ObjectType": "File", "ObjectName": self._file(),
            "HandleId": f"{self._rng.getrandbits(12):#x}", "AccessList": "%%4416\n\t\t\t\t", "AccessMask": "0x1",
            "ProcessId": f"{process.pid:#x}", "ProcessName": process.image, "ResourceAttributes": "S:AI",
        }  # fmt: skip

    def _was_let_through(self) -> dict[str, str]:
        process = self._rng.choice(self._alive)
        return {
            "ProcessID": str(process.pid), "Application": process.image, "Direction": "%%14593",
            "SourceAddress": self._address, "SourcePort": str(self._rng.randrange(49152, 65535)),
            "DestAddress": f"198.51.100.{self._rng.randrange(1, 250)}", "DestPort": "443", "Protocol": "6",
            "FilterRTID": "70012", "LayerName": "%%14611", "LayerRTID": "48", "RemoteUserID": "S-1-0-0",
            "RemoteMachineID": "S-1-0-0",
        }  # fmt: skip

    def _ran_script(self) -> dict[str, str]:
        lines = [f"$item{number} = Get-Item -Path '{self._file()}'" for number in range(self._rng.randrange(2, 30))]
        return {
            "MessageNumber": "1", "MessageTotal": "1", "ScriptBlockText": "\n".join(lines),
            "ScriptBlockId": str(uuid.UUID(int=self._rng.getrandbits(128), version=4)), "Path": "",
        }  # fmt: skip


def _hashes(path: str) -> str:
    text = path.encode()
    md5, sha256 = hashlib.md5(text, usedforsecurity=False).hexdigest(), hashlib.sha256(text).hexdigest()
    return f"MD5={md5},SHA256={sha256},IMPHASH={md5}".upper()
