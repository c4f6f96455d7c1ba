"""Any number of mutated records of every format: no batch fails, and each record is in an event or in quarantine, never both.

A hundred of each format by default; a million of each, some hours of one core:

    LOGSTER_TEST_MUTATIONS=1000000 .venv/bin/python -m pytest -m "" tests/pipelines/normalise/test_mutated_records.py

LOGSTER_TEST_MUTATIONS_FROM is the first one's number, to go on where a run was stopped: a number gives the same record in
every run, as long as formats and cases are the same. LOGSTER_TEST_MUTATIONS_OF names formats, separated by commas.
"""

import json
import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from pipelines.formats.registry import formats_by_priority
from pipelines.ingestion import raw_rows
from pipelines.lineage import settled
from pipelines.normalise.records import events_of, normalise_records, quarantine_of
from pipelines.schemas.telemetry import EVENT_CATEGORIES, EVENTS, PLATFORMS
from pipelines.sources.files import SOURCE_LINES
from tests.pipelines.normalise.damages import damaged

pytestmark = pytest.mark.slow

_N = int(os.environ.get("LOGSTER_TEST_MUTATIONS", "100"))
_FIRST = int(os.environ.get("LOGSTER_TEST_MUTATIONS_FROM", "0"))
_KNOWN = tuple(one.name for one in formats_by_priority())
_FORMATS = tuple(filter(None, os.environ.get("LOGSTER_TEST_MUTATIONS_OF", "").split(","))) or _KNOWN
_BATCH = 120_000
_N_TENANTS = 64  # so that the few stamps of audit events are not one event of thousands of records
_OFFSETS = (None, None, None, None, 0, -3600, 10**12, 2**63 - 1, -(2**63))


def _whole_records(case_records: Callable[[Path], list[str]]) -> dict[str, list[str]]:
    """Of each format the records of the cases that are read."""
    found: dict[str, list[str]] = {name: [] for name in _KNOWN}
    for path in sorted((Path(__file__).parent / "cases").glob("*/input.*")):
        records = case_records(path)
        for event in json.loads(path.with_name("expected.json").read_text())["events"]:
            found[event["source"]] += [records[number - 1] for number in event["lines"]]
    return found


def _line(number: int, whole: dict[str, list[str]]) -> dict[str, Any]:
    rng = random.Random(number)
    name = _FORMATS[number % len(_FORMATS)]
    # by content, or by the parser of a format that was asked for, whatever the record has become
    source = rng.choice(("auto", "auto", name))
    return {
        "tenant": f"{source}-{rng.randrange(_N_TENANTS)}",  # a record's id says nothing of the format asked for
        "source": source,
        "origin": f"{name}#{number}",
        "endpoint_hint": rng.choice((None, "Hint", "")),
        "clock_offset_seconds": rng.choice(_OFFSETS),
        "record": damaged(rng.choice(whole[name]), rng),
        "source_problem": None,
    }


def _lines(spark: SparkSession, first: int, end: int, whole: dict[str, list[str]]) -> DataFrame:
    def made(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            numbers = batch.column("id").to_pylist()
            for at in range(0, len(numbers), 1_000):
                rows = [_line(number, whole) for number in numbers[at : at + 1_000]]
                yield pa.RecordBatch.from_pylist(rows, schema=SOURCE_LINES)

    return spark.range(first, end, numPartitions=2).mapInArrow(made, from_arrow_schema(SOURCE_LINES))


def _wrong(raw: DataFrame, events: DataFrame, quarantine: DataFrame) -> DataFrame:
    """Records that are not in exactly one event, or as often in quarantine as they came."""
    named = [
        raw.select("record_id", F.lit("raw").alias("kind")),
        events.select(F.explode("record_ids").alias("record_id"), F.lit("event").alias("kind")),
        quarantine.select("record_id", F.lit("refused").alias("kind")),
    ]
    counted = [F.count_if(F.col("kind") == kind).alias(kind) for kind in ("raw", "event", "refused")]
    per_record = named[0].unionAll(named[1]).unionAll(named[2]).groupBy("record_id").agg(*counted)
    is_event = (F.col("event") == 1) & (F.col("refused") == 0) & (F.col("raw") > 0)
    is_refused = (F.col("event") == 0) & (F.col("refused") == F.col("raw"))
    return per_record.where(~(is_event | is_refused))


def _against_schema(events: DataFrame) -> DataFrame:
    required = [field.name for field in EVENTS if not field.nullable]
    is_wrong = (
        ~F.col("category").isin(*EVENT_CATEGORIES)
        | ~F.col("platform").isin(*PLATFORMS)
        | ~F.year("ts").between(1970, 2199)
        | F.greatest(*[F.col(name).isNull() for name in required])
    )
    return events.where(is_wrong).select(*required)


def test_mutated_records_of_every_format_fail_no_batch(spark: SparkSession, case_records) -> None:
    whole = _whole_records(case_records)
    assert all(whole.values())
    n_events = dict.fromkeys(_KNOWN, 0)
    n_refused = dict.fromkeys((*_KNOWN, "unknown"), 0)
    end = _FIRST + _N * len(_FORMATS)
    for first in range(_FIRST, end, _BATCH):
        lines = settled(_lines(spark, first, min(first + _BATCH, end), whole))
        raw = raw_rows(lines, batch_id="test/0", received_at=datetime(2026, 1, 2, tzinfo=UTC))
        normalised = settled(normalise_records(raw))
        events, quarantine = settled(events_of(normalised)), settled(quarantine_of(normalised))
        assert _wrong(raw, events, quarantine).head(5) == [], first
        assert _against_schema(events).head(5) == [], first
        assert quarantine.where(F.coalesce(F.length("reason"), F.lit(0)) == 0).head(5) == [], first
        for counts, rows in ((n_events, events), (n_refused, quarantine)):
            for row in rows.groupBy("source").count().collect():
                counts[row["source"]] += row["count"]
    assert {name for name in _FORMATS if not n_events[name]} == set()
    assert {name for name in _FORMATS if not n_refused[name]} == set()
