"""Real captures against an independent reading of them in plain Python: every process creation is there, as recorded.

Runs over some captures of every layout; over all of them (a million records, some minutes) with LOGSTER_TEST_CAPTURES=1.
"""

import csv
import gzip
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines.ingestion import raw_rows
from pipelines.lineage import settled
from pipelines.normalise.records import events_of, normalise_records
from pipelines.settings import Settings
from pipelines.sources.files import landing_folder, lines_of_files

pytestmark = pytest.mark.slow

_ALL = bool(os.environ.get("LOGSTER_TEST_CAPTURES"))
_LAYOUTS = (
    "winlogbeat6 json", "winlogbeat7 json", "nxlog-flattened json", "winevent-flattened json", "auditd raw text",
    "sentinel-syslog(sysmon-for-linux xml)",
)  # fmt: skip
_FEW, _SMALL = 3, 1_200  # of each folder and layout: so many of the smallest, and at least one
_MOST_IN_QUARANTINE = 0.005
_NOBODY = "S-1-0-0"
_EMPTY = (None, "", "-")

Creation = tuple[str, str | None, str | None, str | None, str | None]


def _captures(data: Path) -> list[tuple[str, Path]]:
    """Layout and path of the captures of supported formats that are to be read."""
    with (data / "MANIFEST.tsv").open(newline="") as file:
        rows = [
            row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if row["format"] in _LAYOUTS
        ]

    def group(row: dict[str, str]) -> tuple[str, str]:
        return row["path"].rpartition("/")[0], row["format"]

    chosen = []
    for _, members in groupby(sorted(rows, key=lambda row: (group(row), int(row["n_events"]))), key=group):
        for number, row in enumerate(members):
            if _ALL or number == 0 or (number < _FEW and int(row["n_events"]) < _SMALL):
                chosen.append((row["format"], data / row["path"]))
    if _ALL:
        smallest = sorted((data / "linux/lab").glob("*.audit.log.gz"), key=lambda path: path.stat().st_size)[:3]
        chosen += [("auditd raw text", path) for path in smallest]
    return chosen


def _records(path: Path) -> list[str]:
    """The lines of a capture, each once."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        return list(dict.fromkeys(line.rstrip("\r\n") for line in file if line.strip()))


def _told(record: dict[str, Any]) -> tuple[str, str, str, dict[str, Any]]:
    """Endpoint, provider, number and fields of a Windows record, wherever its layout has them."""
    if "winlog" in record:
        log = record["winlog"]
        return log["computer_name"], log["provider_name"], str(log["event_id"]), log.get("event_data", {})
    if "event_id" in record:
        return record["computer_name"], record["source_name"], str(record["event_id"]), record.get("event_data", {})
    return record["Hostname"], record.get("SourceName", ""), str(record["EventID"]), record


def _windows_creations(records: list[str]) -> Iterator[Creation]:
    for line in records:
        endpoint, provider, number, fields = _told(json.loads(line))
        if provider == "Microsoft-Windows-Sysmon" and number == "1":
            told = [fields.get(name) for name in ("Image", "ParentImage", "CommandLine", "User")]
        elif provider == "Microsoft-Windows-Security-Auditing" and number == "4688":
            runs_as = (
                "Target"
                if fields.get("TargetUserName") not in _EMPTY and fields.get("TargetUserSid") != _NOBODY
                else "Subject"
            )
            domain, name = fields.get(f"{runs_as}DomainName"), fields.get(f"{runs_as}UserName")
            user = name if domain in _EMPTY or name in _EMPTY else f"{domain}\\{name}"
            told = [fields.get(name) for name in ("NewProcessName", "ParentProcessName", "CommandLine")] + [user]
        else:
            continue
        yield (endpoint.lower(), *(None if one in _EMPTY else one for one in told))  # type: ignore[misc]


def _sysmon_linux_creations(records: list[str]) -> Iterator[Creation]:
    for line in records:
        xml = json.loads(line)["SyslogMessage"]
        data = dict(re.findall(r'<Data Name="(\w+)">(.*?)(?:</Data>|$)', xml))  # syslog cuts long lines
        if "<EventID>1</EventID>" in xml:
            told = (data.get(name) for name in ("Image", "ParentImage", "CommandLine", "User"))
            endpoint = re.findall("<Computer>(.*?)</Computer>", xml)[0].lower()
            yield (endpoint, *(None if one in _EMPTY else one for one in told))  # type: ignore[misc]


def _word(value: str) -> str:
    if value.startswith('"'):
        return value.strip('"')
    return (
        bytes.fromhex(value).decode(errors="replace").replace("\0", " ")
        if re.fullmatch("([0-9A-F]{2})+", value)
        else value
    )


def _quoted(word: str) -> str:
    return word if word and not re.search(r"[\s'\"]", word) else "'" + word.replace("'", "'\\''") + "'"


def _audit_creations(records: list[str]) -> Iterator[tuple[str, str | None]]:
    """Executable and command line of each successful execve."""
    calls: dict[str, str] = {}
    words: dict[str, dict[int, str]] = {}
    for line in records:
        stamp = re.search(r"(node=\S+ )?.*msg=audit\(([\d.:]+)\)", line)
        if stamp is None:
            continue
        if "type=SYSCALL" in line and re.search(r"arch=(c000003e syscall=59|x86_64 syscall=execve) success=yes", line):
            calls[stamp[2]] = line
        if "type=EXECVE" in line:
            pairs = re.findall(r' a(\d+)=("[^"]*"|\S+)', line)
            words.setdefault(stamp[2], {}).update({int(number): _word(value) for number, value in pairs})
    for stamp_text, line in calls.items():
        executable = _word(re.findall(r' exe=("[^"]*"|\S+)', line)[0])
        told = words.get(stamp_text)
        yield executable, " ".join(_quoted(told[number]) for number in sorted(told)) if told else None


@pytest.fixture(scope="module")
def captures(shared_data: Path) -> list[tuple[str, Path]]:
    return _captures(shared_data)


@pytest.fixture(scope="module")
def read(spark: SparkSession, captures, tmp_path_factory) -> dict[str, dict[str, Any]]:
    """Through Spark, all in one frame: a capture's name -> its process creations, and how many records were refused."""
    root = tmp_path_factory.mktemp("landing")
    settings = Settings(lake=str(root), landing=str(root), _env_file=None)
    files = []
    for _, path in captures:
        landed = root / landing_folder(path.name, "auto", "here", None) / path.name
        landed.parent.mkdir(parents=True)
        landed.symlink_to(path)
        files.append((landed.as_uri(), path.stat().st_size))
    lines = lines_of_files(spark.createDataFrame(files, "path string, length long"), settings, n_tasks=8)
    raw = raw_rows(lines, batch_id="test/0", received_at=datetime(2026, 1, 2, tzinfo=UTC))
    parsed = settled(normalise_records(raw).withColumn("record", F.lit("")))
    created = events_of(parsed).where(F.col("action") == "process_created")
    rows = created.select(
        "tenant", "source", "endpoint", "process_path", "parent_path", "command_line", "user", "outcome"
    ).collect()
    found: dict[str, dict[str, Any]] = {path.name: {"created": [], "n": 0, "refused": 0} for _, path in captures}
    for row in rows:
        found[row["tenant"]]["created"].append(row)
    for row in parsed.groupBy("tenant").agg(F.count(F.lit(1)).alias("n"), F.count("reason").alias("refused")).collect():
        found[row["tenant"]] |= {"n": row["n"], "refused": row["refused"]}
    return found


def test_every_process_creation_is_an_event_with_its_parent_command_line_and_user(captures, read) -> None:
    wrong = {}
    n_creations = 0
    for layout, path in captures:
        if layout == "auditd raw text":
            continue
        reading = _sysmon_linux_creations if layout.startswith("sentinel") else _windows_creations
        expected = Counter(reading(_records(path)))
        got = Counter(
            (row["endpoint"], row["process_path"], row["parent_path"], row["command_line"], row["user"])
            for row in read[path.name]["created"]
        )
        n_creations += expected.total()
        if got != expected:
            wrong[path.name] = (list((expected - got).items())[:3], list((got - expected).items())[:3])
    assert not wrong
    assert n_creations > 100


def test_every_execve_is_an_event_with_its_command_line(captures, read) -> None:
    wrong = {}
    n_creations = 0
    for layout, path in captures:
        if layout != "auditd raw text":
            continue
        expected = Counter(_audit_creations(_records(path)))
        got = Counter(
            (row["process_path"], row["command_line"])
            for row in read[path.name]["created"]
            if row["outcome"] == "success"
        )
        n_creations += expected.total()
        # an execve without its EXECVE record takes its words from PROCTITLE
        if Counter({one: times for one, times in expected.items() if one[1]}) - got or got.total() != expected.total():
            wrong[path.name] = (list((expected - got).items())[:3], list((got - expected).items())[:3])
    assert not wrong
    assert n_creations > 50


def _without_stamp(layout: str, path: Path) -> int:
    """Audit records that the source itself broke (``type=UNKNOWN[1329] msg=g``): they tell no time."""
    if layout != "auditd raw text":
        return 0
    with gzip.open(path, "rt") as file:
        return sum(1 for line in file if line.strip() and "msg=audit(" not in line)


def test_hardly_a_record_of_a_capture_is_refused(captures, read) -> None:
    refused = {}
    for layout, path in captures:
        n_refused = read[path.name]["refused"] - _without_stamp(layout, path)
        assert read[path.name]["n"] > 0
        if n_refused > _MOST_IN_QUARANTINE * read[path.name]["n"]:
            refused[path.name] = (n_refused, read[path.name]["n"])
    assert not refused


@pytest.mark.skipif(not _ALL, reason="reads over a million records; set LOGSTER_TEST_CAPTURES=1")
def test_all_captures_were_read(captures) -> None:
    assert len(captures) > 140
