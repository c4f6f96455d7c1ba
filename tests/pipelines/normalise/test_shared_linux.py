"""Recorded telemetry of Linux shippers, read once more in plain Python: nothing that this can read may be refused or differ."""

import gzip
import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

_STAMP = re.compile(r"audit\((\d+)\.(\d{3}):(\d+)\)")
_COLUMNS = (
    "event_code",
    "category",
    "action",
    "outcome",
    "process_pid",
    "parent_pid",
    "process_path",
    "syscall",
    "src_ip",
)


def _text(path: Path) -> str:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return file.read()


def _beats(folder: Path) -> list[tuple[str, list[str], list[dict[str, Any]]]]:
    """Name, raw lines, and Auditbeat's documents for them; these came without time and host, which are put back."""
    found = []
    for path in sorted((folder / "linux" / "elastic-beats-auditd").glob("*-expected.json.gz")):
        raw = _text(Path(str(path).replace(".log-expected.json.gz", ".log.gz"))).splitlines()
        documents = json.loads(_text(path))
        for document in documents:
            stamp = _STAMP.search(document["event"]["original"][0])
            assert stamp
            at = datetime.fromtimestamp(int(stamp[1]), UTC).strftime(f"%Y-%m-%dT%H:%M:%S.{stamp[2]}Z")
            document |= {"@timestamp": at, "host": {"name": "web-01"}}
        found.append((path.name, raw, documents))
    return found


def test_auditbeats_documents_are_the_events_of_the_raw_log_beside_them(normalise, make_line, shared_data) -> None:
    files = _beats(shared_data)
    if not files:
        pytest.skip("needs linux/elastic-beats-auditd in ../shared/data")
    lines = []
    for name, raw, documents in files:
        lines += [make_line(line, tenant=f"raw {name}", endpoint_hint="web-01") for line in raw if line.strip()]
        lines += [make_line(json.dumps(document), tenant=f"beat {name}") for document in documents]
    found = normalise(lines)
    assert not found.quarantine

    def told(kind: str, name: str) -> Counter[tuple[Any, ...]]:
        return Counter(
            tuple(event.get(column) for column in ("ts", *_COLUMNS))
            for event in found.events
            if event["tenant"] == f"{kind} {name}"
        )

    for name, _, documents in files:
        beat = told("beat", name)
        assert beat.total() == len(documents), name
        assert not beat - told("raw", name), name  # Auditbeat's tests have no documents for some of the lines


def test_azures_audit_records_are_events_with_what_they_tell(normalise, make_line, shared_data) -> None:
    paths = sorted((shared_data / "linux" / "otrf-log4shell").glob("syslog_auoms_*"))
    if not paths:
        pytest.skip("needs linux/otrf-log4shell in ../shared/data")
    records = _text(paths[0]).splitlines()
    found = normalise([make_line(record, origin=str(number)) for number, record in enumerate(records)])
    assert not found.quarantine
    expected: Counter[tuple[Any, ...]] = Counter()
    for record in set(records):
        told = json.loads(record)
        pairs = dict(re.findall(r'(\w+)=("[^"]*"|\S*)', told["SyslogMessage"]))
        line = pairs["cmdline"].strip('"') if "cmdline" in pairs and pairs["success"] == "yes" else None
        expected[told["Computer"].lower(), int(pairs["pid"]), pairs["exe"].strip('"'), pairs["user"], line] += 1
    got = Counter(
        (event["endpoint"], event["process_pid"], event["process_path"], event["user"],
         event.get("command_line") if event["action"] == "process_created" else None)
        for event in found.events
    )  # fmt: skip
    assert got == expected
