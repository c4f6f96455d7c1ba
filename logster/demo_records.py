"""Records of Windows event logs in the shape of Winlogbeat 7, as JSON lines in the order of time.

What the records tell is `logster.demo_host`'s.
"""

import hashlib
import heapq
import json
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = ["POWERSHELL", "SECURITY", "SYSMON", "SYSTEM_LOG", "Account", "EventLog", "file_hashes", "sysmon_time"]

SYSMON = ("Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon", "{5770385f-c22a-43e0-bf4c-06f5698ffbd9}")
SECURITY = ("Security", "Microsoft-Windows-Security-Auditing", "{54849625-5478-4994-a5ba-3e3b0328c30d}")
SYSTEM_LOG = ("System", "Service Control Manager", "{555908d1-a6d7-4695-8e1e-26931d2012f4}")
POWERSHELL = (
    "Microsoft-Windows-PowerShell/Operational", "Microsoft-Windows-PowerShell", "{a0c1853b-5c40-4b15-8766-3cf1c58f985a}"
)  # fmt: skip
_TITLES = {
    1: ("Process Create", "Process Create (rule: ProcessCreate)"),
    3: ("Network connection detected", "Network connection detected (rule: NetworkConnect)"),
    5: ("Process terminated", "Process terminated (rule: ProcessTerminate)"),
    7: ("Image loaded", "Image loaded (rule: ImageLoad)"),
    10: ("Process accessed", "Process accessed (rule: ProcessAccess)"),
    11: ("File created", "File created (rule: FileCreate)"),
    12: ("Registry object added or deleted", "Registry object added or deleted (rule: RegistryEvent)"),
    13: ("Registry value set", "Registry value set (rule: RegistryEvent)"),
    22: ("Dns query", "Dns query (rule: DnsQuery)"),
    4624: ("An account was successfully logged on.", "Logon"),
    4634: ("An account was logged off.", "Logoff"),
    4648: ("A logon was attempted using explicit credentials.", "Logon"),
    4672: ("Special privileges assigned to new logon.", "Special Logon"),
    4688: ("A new process has been created.", "Process Creation"),
    4698: ("A scheduled task was created.", "Other Object Access Events"),
    4104: ("Creating Scriptblock text (1 of 1):", "Execute a Remote Command"),
    5145: (
        "A network share object was checked to see whether client can be granted desired access.",
        "Detailed File Share",
    ),
    7045: ("A service was installed in the system.", "None"),
}  # fmt: skip
# records a second that numbering leaves room for, so that a later run of the same endpoint numbers on above an earlier
_NUMBERS_A_SECOND = 50


@dataclass(frozen=True)
class Account:
    """Who acts: a logon session of an account."""

    domain: str
    name: str
    sid: str
    logon_id: int

    @property
    def user(self) -> str:
        """Domain and name, as Sysmon writes them."""
        return f"{self.domain}\\{self.name}"


class EventLog:
    """What one computer logs: noted in any order, handed out by time.

    Args:
        computer: full name of the computer.
        age: seconds that it has been running; numbers of records grow with it.
    """

    def __init__(self, computer: str, *, age: int) -> None:
        self.computer, self.name = computer, computer.split(".")[0]
        fixed = random.Random(f"log of {computer}")
        self._agent_id = str(uuid.UUID(int=fixed.getrandbits(128), version=4))
        self._noted = 0
        self._pending: list[tuple[datetime, int, dict[str, Any]]] = []
        self._numbers = {
            log[0]: age * _NUMBERS_A_SECOND + fixed.randrange(10**6)
            for log in (SYSMON, SECURITY, SYSTEM_LOG, POWERSHELL)
        }

    def note(
        self, at: datetime, log: tuple[str, str, str], code: int, data: Mapping[str, str], *, text: str,
        user: Account | None = None, pid: int | None = None,
    ) -> None:  # fmt: skip
        """Note a record; ``text`` follows the title in its message, ``pid`` is the process that logs."""
        title, task = _TITLES[code]
        winlog: dict[str, Any] = {
            "api": "wineventlog",
            "channel": log[0],
            "computer_name": self.computer,
            "event_data": dict(data),
            "event_id": code,
            "opcode": "Info",
            "process": {"pid": pid or (4 if log is SECURITY else 2860), "thread": {"id": 3712}},
            "provider_guid": log[2],
            "provider_name": log[1],
            "task": task,
        }
        if log is SECURITY:
            winlog["keywords"] = ["Audit Success"]
        if user is not None:
            winlog["user"] = {"identifier": user.sid, "name": user.name, "domain": user.domain, "type": "User"}
        event = {
            "@timestamp": _iso(at),
            "@metadata": {"beat": "winlogbeat", "type": "_doc", "version": "7.9.3"},
            "event": {
                "kind": "event", "code": code, "action": task, "provider": log[1],
                "created": _iso(at + timedelta(milliseconds=900 + self._noted % 700)),
            },
            "log": {"level": "verbose" if code == 4104 else "information"},
            "message": f"{title}{text}",
            "winlog": winlog,
            "host": {"name": self.computer},
            "agent": {"type": "winlogbeat", "version": "7.9.3", "hostname": self.name, "id": self._agent_id},
            "ecs": {"version": "1.5.0"},
        }  # fmt: skip
        heapq.heappush(self._pending, (at, self._noted, event))
        self._noted += 1

    def lines_until(self, end: datetime) -> list[str]:
        """Hand out and forget what was noted before ``end``, by time, numbered, as JSON lines without line ends."""
        lines = []
        while self._pending and self._pending[0][0] < end:
            event = heapq.heappop(self._pending)[2]
            channel = event["winlog"]["channel"]
            self._numbers[channel] += 1
            event["winlog"]["record_id"] = self._numbers[channel]
            lines.append(json.dumps(event, ensure_ascii=False, separators=(",", ":")))
        return lines


def file_hashes(path: str) -> str:
    """A file has the same hashes on every endpoint; they are those of its path, as there is no file."""
    text = path.lower().encode()
    md5, sha256 = hashlib.md5(text, usedforsecurity=False).hexdigest(), hashlib.sha256(text).hexdigest()
    imphash = hashlib.md5(b"imports" + text, usedforsecurity=False).hexdigest()
    return f"MD5={md5},SHA256={sha256},IMPHASH={imphash}".upper()


def sysmon_time(at: datetime) -> str:
    """A time as Sysmon writes it, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
