"""The demo's Linux endpoints: recordings of real auditd, moved to another time and given other names.

Where the recordings come from is in ``demo_data/README.md``; nothing else in a record is changed.
"""

import gzip
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

__all__ = ["RECORDINGS", "Recording", "replay"]

_FOLDER = Path(__file__).parent / "demo_data"
_STAMP = re.compile(r"(?<=msg=audit\()(\d+)\.(\d{3})(?=:\d+\))")


@dataclass(frozen=True)
class Recording:
    """A piece of one host's audit log.

    Attributes:
        file: name of its file.
        node: the host's name in it.
        began: what counts as its start (milliseconds since 1970).
        length: how long it lasts.
        attack_start: from its start to the first step of the intrusion; None where there is none.
        attack_end: likewise to the end of the last step.
    """

    file: str
    node: str
    began: int
    length: timedelta
    attack_start: timedelta | None = None
    attack_end: timedelta | None = None


def _seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


RECORDINGS = {
    "web-lateral": Recording(
        "host27-web-lateral.audit.log.gz", "host27", 1795413955399, _seconds(318),
        _seconds(81.273), _seconds(258.165)
    ),
    "root-persistence": Recording(
        "host16-root-persistence.audit.log.gz", "host16", 1795413692287, _seconds(252),
        _seconds(86.678), _seconds(216.222)
    ),
    "cron-connect-back": Recording(
        "host33-cron-connect-back.audit.log.gz", "host33", 1795414027055, _seconds(336),
        _seconds(77.216), _seconds(285.048)
    ),
    "admin": Recording("host35-benign-admin.audit.log.gz", "host35", 1795412884411, _seconds(630)),
    "oncall": Recording("host106-benign-oncall.audit.log.gz", "host106", 1795415910743, _seconds(960)),
}  # fmt: skip


@lru_cache(maxsize=len(RECORDINGS))
def _records(recording: Recording) -> tuple[tuple[int, str], ...]:
    """The records with their milliseconds from the recording's start, in the order in which they were written."""
    with gzip.open(_FOLDER / recording.file, "rt", encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
        return tuple((_milliseconds(line) - recording.began, line.rstrip("\n")) for line in lines)


def _milliseconds(line: str) -> int:
    stamp = _STAMP.search(line)
    if stamp is None:
        raise ValueError(f"no time in the audit record {line[:80]!r}")
    return int(stamp[1]) * 1000 + int(stamp[2])


def replay(
    recording: Recording, node: str, begins: datetime, *, since: datetime | None = None, until: datetime | None = None
) -> list[str]:
    """Records of a recording as if it had begun at another time on another host.

    Args:
        recording: which.
        node: name of the endpoint.
        begins: when the recording's start is to be (UTC, aware).
        since: leave out what comes before.
        until: leave out what comes at this time or later.

    Returns:
        Lines without line ends. All records of an event have one time, so they are all in or all left out.
    """
    shift = round(begins.timestamp() * 1000)
    low = _between(begins, since) if since else 0
    high = _between(begins, until) if until else round(recording.length.total_seconds() * 1000)
    hexed = recording.node.encode().hex().upper()
    name, in_hex = re.compile(rf"\b{recording.node}\b"), re.compile(rf"(?<==)((?:[0-9A-F]{{2}})*?){hexed}")
    lines = []
    for offset, line in _records(recording):
        if low <= offset < high:
            stamp = f"{(shift + offset) // 1000}.{(shift + offset) % 1000:03}"
            line = name.sub(node, _STAMP.sub(stamp, line, count=1))
            if hexed in line:
                line = in_hex.sub(rf"\g<1>{node.encode().hex().upper()}", line)
            lines.append(line)
    return lines


def _between(start: datetime, end: datetime) -> int:
    return round((end - start).total_seconds() * 1000)
