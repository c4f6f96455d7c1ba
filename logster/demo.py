"""Sample telemetry for `logster up --demo`: two tenants, nine endpoints, ordinary work, intrusions on five of them.

`write_demo` writes sixteen minutes that have passed, `stream_demo` keeps up with the clock from then on. Windows events
are made up (`logster.demo_work`, `logster.demo_attack`), Linux ones recorded (`logster.demo_linux`).
"""

import gzip
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from logster.demo_attack import Intrusion, intrude
from logster.demo_host import WindowsHost
from logster.demo_linux import RECORDINGS, replay
from logster.demo_work import work

__all__ = ["DEMO_LENGTH", "DemoFile", "DemoStream", "stream_demo", "write_demo"]

DEMO_LENGTH = timedelta(minutes=16)
# far enough from the intrusion on web-01, of the same tenant, that the two have no window in common
_INTRUSION_AFTER = timedelta(minutes=9, seconds=10)
# between one intrusion in the stream and the next; every recording of an intrusion is shorter
_CYCLE = timedelta(minutes=6)
_STREAM_INTRUSION_AFTER = timedelta(minutes=1, seconds=30)


@dataclass(frozen=True)
class DemoFile:
    """A file of sample telemetry.

    Attributes:
        path: where it lies.
        tenant: whose it is.
        format: hint for ``logster ingest``; its records are recognised by their content.
        endpoint: the one endpoint that it tells of, as its records name it, in lower case.
    """

    path: Path
    tenant: str
    format: str
    endpoint: str


@dataclass(frozen=True)
class _Windows:
    tenant: str
    name: str
    domain: str
    user: str
    address: str
    is_admin: bool = False


@dataclass(frozen=True)
class _Linux:
    tenant: str
    name: str
    recording: str
    after: timedelta


_WINDOWS = (
    _Windows("acme-retail", "WS-01", "acme.example", "j.lindqvist", "10.20.4.31"),
    _Windows("acme-retail", "WS-02", "acme.example", "m.okafor", "10.20.4.32"),
    _Windows("acme-retail", "WS-03", "acme.example", "it.haas", "10.20.4.40", is_admin=True),
    _Windows("globex-bank", "FIN-01", "globex.example", "s.tanaka", "10.60.2.17"),
)
_LINUX = (
    _Linux("acme-retail", "web-01", "web-lateral", timedelta(0)),
    _Linux("acme-retail", "ops-01", "oncall", timedelta(0)),
    _Linux("globex-bank", "pay-01", "root-persistence", timedelta(minutes=1)),
    _Linux("globex-bank", "app-02", "cron-connect-back", timedelta(minutes=9)),
    _Linux("globex-bank", "db-02", "admin", timedelta(minutes=2)),
)
# whose turn it is in the stream, one a cycle; None is the Windows intrusion
_TURNS = (None, "web-01", "pay-01", "app-02")


def write_demo(folder: Path, *, start: datetime | None = None, seed: int = 7) -> list[DemoFile]:
    """Write sample telemetry of `DEMO_LENGTH`, one file an endpoint.

    ``acme-retail``'s WS-01 is broken into ten minutes in, and WS-02 from there some 40 s later; web-01, pay-01 and
    app-02 are attacked at times of their own; WS-03, FIN-01, ops-01 and db-02 only work.

    Args:
        folder: where to; made where it is not there.
        start: first time in the telemetry (UTC, aware); by default so that it ends with the last full minute.
        seed: same seed and start, same bytes.

    Returns:
        The files, Windows first.
    """
    if start is None:
        start = datetime.now(UTC).replace(second=0, microsecond=0) - DEMO_LENGTH
    start = start.astimezone(UTC)
    end = start + DEMO_LENGTH
    hosts = _windows_hosts(start, seed)
    for endpoint in _WINDOWS:
        work(hosts[endpoint.name], start, end, is_admin=endpoint.is_admin, logs_on=True)
    plan = Intrusion.drawn(f"{seed}")
    intrude(hosts["WS-01"], hosts["WS-02"], start + _INTRUSION_AFTER, plan)
    files = [_write(folder, w.tenant, hosts[w.name].computer, hosts[w.name].lines_until(end)) for w in _WINDOWS]
    for linux in _LINUX:
        lines = replay(RECORDINGS[linux.recording], linux.name, start + linux.after)
        files.append(_write(folder, linux.tenant, linux.name, lines, suffix=".log.gz"))
    return files


class DemoStream:
    """Telemetry of the same endpoints that goes on for as long as it is asked for.

    Every six minutes an intrusion: on WS-01 and WS-02, web-01, pay-01 and app-02 in turn.

    Args:
        start: first time in it (UTC, aware).
        seed: same seed and start, same telemetry, however it is cut.
    """

    def __init__(self, start: datetime, *, seed: int = 7) -> None:
        self._start = self._told = start.astimezone(UTC)
        self._seed = seed
        self._hosts = _windows_hosts(self._start, seed)
        self._n_cycles = 0

    def lines_until(self, end: datetime) -> list[tuple[str, str, list[str]]]:
        """Tenant, endpoint and lines of what happened since the last call and before ``end``."""
        since, self._told = self._told, max(end, self._told)
        while self._start + self._n_cycles * _CYCLE < end:
            self._begin_cycle(self._n_cycles)
            self._n_cycles += 1
        told = [
            (endpoint.tenant, self._hosts[endpoint.name].computer, self._hosts[endpoint.name].lines_until(end))
            for endpoint in _WINDOWS
        ]
        told += [(endpoint.tenant, endpoint.name, self._replayed(endpoint, since, end)) for endpoint in _LINUX]
        return [row for row in told if row[2]]

    def _begin_cycle(self, number: int) -> None:
        start = self._start + number * _CYCLE
        for endpoint in _WINDOWS:
            work(self._hosts[endpoint.name], start, start + _CYCLE, is_admin=endpoint.is_admin)
        if _TURNS[number % len(_TURNS)] is None:
            plan = Intrusion.drawn(f"{self._seed}/{number}")
            intrude(self._hosts["WS-01"], self._hosts["WS-02"], start + _STREAM_INTRUSION_AFTER, plan)

    def _replayed(self, endpoint: _Linux, since: datetime, end: datetime) -> list[str]:
        """An endpoint's recording again and again; before its turn, only what comes before the intrusion."""
        recording = RECORDINGS[endpoint.recording]
        attack_start = recording.attack_start
        every = recording.length if attack_start is None else _CYCLE
        lines: list[str] = []
        number = (since - self._start) // every
        while (begins := self._start + number * every) < end:
            is_turn = _TURNS[number % len(_TURNS)] == endpoint.name
            length = recording.length if attack_start is None or is_turn else attack_start
            until = min(end, begins + length)
            lines += replay(recording, endpoint.name, begins, since=max(since, begins), until=until)
            number += 1
        return lines


def stream_demo(
    deliver: Callable[[DemoFile], None], *, stop: threading.Event, seed: int = 7,
    every: timedelta = timedelta(seconds=20), now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:  # fmt: skip
    """Keep delivering what the demo's endpoints did since the last time, until told to stop.

    Args:
        deliver: takes a file in; it is deleted when the call returns.
        stop: ends the loop, at once while it waits.
        seed: of what happens.
        every: time between deliveries.
        now: the clock (UTC, aware).
    """
    stream = DemoStream(now(), seed=seed)
    with tempfile.TemporaryDirectory(prefix="logster-demo-") as folder:
        while not stop.wait(every.total_seconds()):
            until = now()
            for tenant, endpoint, lines in stream.lines_until(until):
                if stop.is_set():
                    return
                file = _write(Path(folder), tenant, endpoint, lines, suffix=f"-{until:%Y%m%dT%H%M%S}.log")
                deliver(file)
                file.path.unlink(missing_ok=True)


def _windows_hosts(began: datetime, seed: int) -> dict[str, WindowsHost]:
    return {
        w.name: WindowsHost(w.name, w.domain, user=w.user, address=w.address, began=began, seed=seed) for w in _WINDOWS
    }


def _write(folder: Path, tenant: str, endpoint: str, lines: list[str], *, suffix: str = ".jsonl") -> DemoFile:
    path = folder / tenant / f"{endpoint.lower()}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(f"{line}\n" for line in lines).encode("utf-8", errors="surrogateescape")
    path.write_bytes(gzip.compress(data, compresslevel=6, mtime=0) if suffix.endswith(".gz") else data)
    return DemoFile(path, tenant, "auto", endpoint.lower())
