"""A batch, and a round of detection, cut off before its writes and done again: the tables of an undisturbed run.

Before every other write; before each of them with LOGSTER_TEST_CUTS=1.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from models.champions import champion_scorer
from pipelines.detection import Scorer, detect_due
from pipelines.ingestion import ingest_batch
from pipelines.settings import Settings
from pipelines.sinks.outbox import Outbox
from pipelines.sources.files import SOURCE_LINES
from tests.pipelines.mortal_lake import Killed, MortalLake
from tests.pipelines.tables import RESULTS, comparable, rows
from tests.pipelines.telemetry import START, audit_lines

pytestmark = pytest.mark.slow

EVERY = 1 if os.environ.get("LOGSTER_TEST_CUTS") else 2
WINDOW = ["tenant", "endpoint", "platform", "window_start"]
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TABLES = ("raw", "quarantine", "process_marks", "panes", *RESULTS)


def lines_of(spark: SparkSession, records: list[str]) -> DataFrame:
    found = [
        {"tenant": "t", "source": "auto", "origin": f"file#{number}", "record": record}
        for number, record in enumerate(records)
    ]
    return spark.createDataFrame(pa.Table.from_pylist(found, schema=SOURCE_LINES))


def batches() -> list[list[str]]:
    """Two batches; the second brings what a command was called with, and starts that the first one's events are of."""
    lines = audit_lines()
    late = [line for line in lines if "type=EXECVE" in line or ":101)" in line]
    return [[line for line in lines if line not in late] + ["what is this"], [*late, "and this"]]


def steps(lake: MortalLake, score: Scorer) -> list[Callable[[], Any]]:
    def ingest(number: int) -> Callable[[], Any]:
        frame = lines_of(lake.spark, batches()[number])
        return lambda: ingest_batch(lake, frame, stream_id="s", number=number, received_at=NOW)

    def detect(minute: int) -> Callable[[], Any]:
        return lambda: detect_due(lake, score, now=NOW + timedelta(minutes=minute), close_all=True)

    return [ingest(0), detect(0), ingest(1), detect(1)]


def doubting(champion: Scorer) -> Scorer:
    """The champion, but for its word: a window is accused as long as nobody knows what came before its second second.

    So the second batch clears windows of an alert that the first one raised, whatever weights are shipped.
    """
    told_later = START + timedelta(seconds=2)

    def score(graphs: DataFrame, at: datetime) -> DataFrame:
        first = F.array_min(F.transform("edges", lambda edge: edge["ts"]))
        word = F.when(first < F.lit(told_later), 0.01).otherwise(0.99)
        words = graphs.select(*WINDOW, word.alias("attack_prob"))
        scores = champion(graphs, at)
        return scores.drop("attack_prob").join(words, WINDOW).select(*scores.columns)

    return score


def test_cut_off_before_a_write_it_comes_to_the_same_tables(spark: SparkSession, tmp_path: Path) -> None:
    calm, torn = (MortalLake(spark, Settings(lake=str(tmp_path / name / "lake"), _env_file=None)) for name in "ab")
    score = doubting(champion_scorer(calm.settings))
    for lake in (calm, torn):
        lake.create_tables()
    undisturbed = []
    for step in steps(calm, score):
        calm.writes.clear()
        step()
        Outbox(calm.settings).tell(now=NOW)
        undisturbed.append(list(calm.writes))
    # what is hard to repeat is in it: events that grow, and events that get another key after the fact
    assert undisturbed[2].count("append pending") == 2, undisturbed[2]
    assert undisturbed[2].count("change events") == 2, undisturbed[2]

    for number, (step, writes) in enumerate(zip(steps(torn, score), undisturbed, strict=True)):
        # what the first batch and round write, the second do as well
        for ends_before in range(2, len(writes) + 1, EVERY) if number > 1 else ():
            torn.ends_before = ends_before
            torn.writes.clear()
            with pytest.raises(Killed):
                step()
            Outbox(torn.settings).tell(now=NOW)
        torn.ends_before = None
        step()
        Outbox(torn.settings).tell(now=NOW)

    for name in TABLES:
        found, expected = comparable(rows(torn.settings, name)), comparable(rows(calm.settings, name))
        assert expected, name
        assert found == expected, name
    changes = [sorted(row["change_id"] for row in rows(lake.settings, "outbox")) for lake in (torn, calm)]
    assert changes[0] == changes[1]
    assert {row["kind"] for row in rows(calm.settings, "outbox")} == {"created", "withdrawn"}
