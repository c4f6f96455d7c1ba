"""Keys of processes that only their pid names: the same however Spark looks them up, and looked up again where they must be."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.ingestion import raw_rows
from pipelines.normalise.process_keys import names_pids, process_marks, stale_ids, unnamed_pids, with_process_keys
from pipelines.normalise.records import events_of, normalise_records
from pipelines.sources.files import SOURCE_LINES
from tests.pipelines.telemetry import START, audit_lines, windows_lines

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def events(spark: SparkSession) -> DataFrame:
    """Events of both platforms; of the Windows ones some name their processes by pid alone."""
    found = [
        {"tenant": "t", "source": "auto", "origin": f"file#{number}", "record": record}
        for number, record in enumerate(audit_lines() + windows_lines())
    ]
    lines = spark.createDataFrame(pa.Table.from_pylist(found, schema=SOURCE_LINES))
    raw = raw_rows(lines, batch_id="s/0", received_at=datetime(2026, 3, 2, 12, tzinfo=UTC))
    return events_of(normalise_records(raw)).localCheckpoint()


def keys_of(keyed: DataFrame) -> list[tuple[str, ...]]:
    names = (
        "event_id",
        "process_key",
        "parent_key",
        "target_key",
        "command_line",
        "parent_path",
        "parent_command_line",
    )
    return sorted(tuple(str(row[name]) for name in names) for row in keyed.select(*names).collect())


def plan_of(frame: DataFrame) -> str:
    return frame._jdf.queryExecution().executedPlan().toString()  # type: ignore[attr-defined]


def test_few_look_ups_go_to_the_events_and_give_the_same_keys(spark: SparkSession, events: DataFrame) -> None:
    marks = process_marks(events)
    spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")  # as when Spark takes the marks for many
    try:
        moved, kept = (with_process_keys(events, marks, are_few=are_few) for are_few in (False, True))
        assert "BroadcastHashJoin" in plan_of(kept)
        assert "BroadcastHashJoin" not in plan_of(moved)
        assert keys_of(kept) == keys_of(moved)
    finally:
        spark.conf.unset("spark.sql.autoBroadcastJoinThreshold")
    assert any(key != "None" for _, key, *_ in keys_of(kept))


def test_events_that_name_pids_are_those_with_something_to_look_up(events: DataFrame) -> None:
    for one in events.withColumn("names_pids", names_pids()).collect():
        told = [one[f"{role}_pid"] for role in ("process", "parent", "target") if one[f"{role}_guid"] is None]
        assert one["names_pids"] == any(pid is not None for pid in told)
    assert {row[0] for row in events.select(names_pids()).distinct().collect()} == {True, False}
    asked = unnamed_pids(events.where(~names_pids()))
    assert asked.isEmpty()


def test_a_late_mark_makes_stale_what_names_its_pid_up_to_a_minute_before(events: DataFrame) -> None:
    pid, at = 501, START.replace(tzinfo=UTC).timestamp() + 130
    mark = process_marks(events).where(
        (F.col("pid") == pid) & (F.col("mark") == "start") & (F.col("ts") > F.lit(START))
    )
    late = mark.where(F.unix_micros("ts") == int(at * 1_000_000))
    assert late.count() == 1
    named = [
        row
        for row in events.where(F.col("endpoint") == "web-01").withColumn("at", F.unix_micros("ts")).collect()
        if pid in {row["process_pid"], row["parent_pid"], row["target_pid"]}
    ]
    expected = {row["event_id"] for row in named if row["at"] >= int((at - 60) * 1_000_000)}
    found = [row["event_id"] for row in stale_ids(events, late).collect()]
    assert sorted(found) == sorted(expected)
    assert 0 < len(expected) < len(named)
