"""Micro-batches that lack a kind of record: Spark prunes what it knows to be empty, and the counts must still be right."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from pipelines.ingestion import BatchCounts, ingest_batch
from pipelines.lake import Lake
from pipelines.ledger import read_ledger
from pipelines.settings import Settings
from pipelines.sources.files import lines_of_files

pytestmark = pytest.mark.slow

_AT = datetime(2026, 1, 2, tzinfo=UTC)
_WINDOWS = [
    json.dumps({"@timestamp": f"2024-03-05T08:15:3{number}Z", "winlog": {
        "computer_name": "ws-01", "provider_name": "Microsoft-Windows-Sysmon", "event_id": "5", "channel": "Sysmon",
        "event_data": {"ProcessId": str(number), "Image": "C:\\a.exe"}}})
    for number in range(3)
]  # fmt: skip
_AUDITD = [
    "node=web-01 type=SYSCALL msg=audit(1709626530.000:1): arch=c000003e syscall=59 success=yes pid=7 ppid=1 uid=0 exe=\"/bin/ls\"",
    "node=web-01 type=EXECVE msg=audit(1709626530.000:1): argc=1 a0=\"ls\"",
    "node=web-01 type=CWD msg=audit(1709626531.000:2): cwd=\"/\"",
]  # fmt: skip
_REFUSED = ["neither this", '{"nor": "that"}', "type=SYSCALL msg=audit(soon): pid=1"]
# what a batch's file holds, and records, events and refused rows that come of it
_BATCHES = [
    ("windows", _WINDOWS, (3, 3, 0)),
    ("auditd", _AUDITD, (3, 2, 0)),
    ("refused", _REFUSED, (3, 0, 3)),
    ("blank", [" ", "", "\t"], (0, 0, 0)),
    ("all", [*_WINDOWS[:1], *_AUDITD[:1], *_REFUSED[:1]], (3, 2, 1)),
]


@pytest.fixture(scope="module")
def adaptive(spark: SparkSession) -> Iterator[SparkSession]:
    """The session as it is in operation: with adaptive execution, which drops what turns out to be empty."""
    before = spark.conf.get("spark.sql.adaptive.enabled")
    spark.conf.set("spark.sql.adaptive.enabled", "true")
    yield spark
    spark.conf.set("spark.sql.adaptive.enabled", before)


def test_counts_are_right_whatever_a_batch_lacks(adaptive: SparkSession, tmp_path: Path) -> None:
    settings = Settings(lake=str(tmp_path / "lake"), _env_file=None)
    lake = Lake(adaptive, settings)
    lake.create_tables()
    got, expected = {}, {}
    for number, (name, records, counts) in enumerate(_BATCHES):
        landed = Path(settings.landing_path) / f"tenant={name}" / "format=auto" / "input.log"
        landed.parent.mkdir(parents=True)
        landed.write_text("\n".join(records) + "\n")
        files = adaptive.createDataFrame([(landed.as_uri(), landed.stat().st_size)], "path string, length long")
        lines = lines_of_files(files, settings, n_tasks=1)
        got[name] = ingest_batch(lake, lines, stream_id="files", number=number, received_at=_AT)
        expected[name] = BatchCounts(*counts, received_at=_AT)
    assert got == expected

    ledger = read_ledger(lake)
    assert ledger.balances
    # the five batches are of five tenants, so that none of their records are the same
    assert (ledger.n_raw, ledger.n_in_events, ledger.n_in_quarantine, ledger.n_events) == (12, 8, 4, 7)
