"""The demo's files and stream as a whole; its Windows events and Linux recordings have tests of their own."""

import gzip
import json
import re
import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from logster.demo import DEMO_LENGTH, DemoFile, DemoStream, stream_demo, write_demo

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
AUDIT_STAMP = re.compile(r"msg=audit\((\d+\.\d{3}):\d+\): ")


def lines_of(file: DemoFile) -> list[str]:
    data = file.path.read_bytes()
    text = (gzip.decompress(data) if file.path.suffix == ".gz" else data).decode()
    return text.removesuffix("\n").split("\n")  # str.splitlines would cut at the 0x1D of an ENRICHED record


def time_of(line: str) -> datetime:
    if line.startswith("{"):
        return datetime.fromisoformat(json.loads(line)["@timestamp"])
    stamp = AUDIT_STAMP.search(line)
    assert stamp, line
    return datetime.fromtimestamp(float(stamp[1]), UTC)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[DemoFile]:
    return write_demo(tmp_path_factory.mktemp("demo"), start=START)


def test_two_tenants_have_windows_and_linux_endpoints(files):
    endpoints = defaultdict(set)
    for file in files:
        endpoints[file.tenant, file.path.suffix].add(file.endpoint)
    assert {key: len(names) for key, names in endpoints.items()} == {
        ("acme-retail", ".jsonl"): 3, ("acme-retail", ".gz"): 2,
        ("globex-bank", ".jsonl"): 1, ("globex-bank", ".gz"): 3,
    }  # fmt: skip
    assert len({file.endpoint for file in files}) == len(files)


def test_every_line_has_a_time_within_the_demo_and_names_the_files_endpoint(files):
    for file in files:
        lines = lines_of(file)
        assert lines
        for line in lines:
            assert START <= time_of(line) < START + DEMO_LENGTH
            name = (
                json.loads(line)["winlog"]["computer_name"] if line.startswith("{") else line.split()[0][len("node=") :]
            )
            assert name.lower() == file.endpoint


def test_same_seed_and_start_give_the_same_bytes_and_another_seed_others(files, tmp_path):
    again = write_demo(tmp_path / "again", start=START)
    other = write_demo(tmp_path / "other", start=START, seed=8)
    for first, second, third in zip(files, again, other, strict=True):
        assert first.path.read_bytes() == second.path.read_bytes()
        if first.path.suffix == ".jsonl":
            assert first.path.read_bytes() != third.path.read_bytes()


def test_without_a_start_the_demo_has_just_ended(tmp_path):
    before = datetime.now(UTC)
    times = [time_of(line) for line in lines_of(write_demo(tmp_path)[0])]
    assert before - DEMO_LENGTH - timedelta(minutes=1) <= min(times)
    assert max(times) <= datetime.now(UTC)


def whole(stream: DemoStream, ends: list[datetime]) -> dict[str, list[str]]:
    told = defaultdict(list)
    for end in ends:
        for _, endpoint, lines in stream.lines_until(end):
            told[endpoint] += lines
    return {endpoint: sorted(lines) for endpoint, lines in told.items()}


def test_stream_is_the_same_however_it_is_cut():
    end = START + timedelta(minutes=13)
    at_once = whole(DemoStream(START), [end])
    cuts = [START + timedelta(seconds=73 * step) for step in range(1, 11)]
    assert whole(DemoStream(START), [*cuts, end]) == at_once


def test_stream_attacks_another_endpoint_every_six_minutes():
    told = whole(DemoStream(START), [START + timedelta(minutes=24)])
    signs = {
        "WS-02.acme.example": '"event_id":7045', "web-01": "mkfifo", "pay-01": 'a0="systemctl"', "app-02": 'a0="zip"',
    }  # fmt: skip
    turns = {
        endpoint: {(time_of(line) - START) // timedelta(minutes=6) for line in told[endpoint] if sign in line}
        for endpoint, sign in signs.items()
    }
    assert turns == {"WS-02.acme.example": {0}, "web-01": {1}, "pay-01": {2}, "app-02": {3}}


def test_stream_delivers_each_moment_once_until_stopped():
    clock = iter(START + timedelta(seconds=20 * step) for step in range(1000))
    stop, now, seen = threading.Event(), [START, START], defaultdict(list)

    def tick() -> datetime:
        now[:] = [now[1], next(clock)]
        return now[1]

    def deliver(file: DemoFile) -> None:
        assert file.path.is_file()
        for line in lines_of(file):
            assert now[0] <= time_of(line) < now[1]
        seen[file.endpoint].append(file.path)
        if now[1] >= START + timedelta(minutes=3):
            stop.set()

    stream_demo(deliver, stop=stop, every=timedelta(milliseconds=1), now=tick)
    assert len(seen["ws-01.acme.example"]) == 9
    paths: list[Path] = [path for told in seen.values() for path in told]
    assert len(set(paths)) == len(paths)
    assert not any(path.exists() for path in paths)
