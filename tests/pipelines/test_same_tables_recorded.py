"""Recorded telemetry gives the same tables, however it is cut into micro-batches, ordered, or sent twice."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from models.champions import champion_scorer
from pipelines.detection import Scorer, detect_due
from pipelines.ingestion import ingest_batch
from pipelines.lake import Lake
from pipelines.settings import Settings
from pipelines.sources.files import SOURCE_LINES
from tests.pipelines.tables import RESULTS, tables
from tests.pipelines.telemetry import cut, recorded_lines

pytestmark = pytest.mark.slow

NOW = datetime(2026, 12, 1, tzinfo=UTC)
N_BATCHES = 2
EXAMPLES = int(os.environ.get("LOGSTER_TEST_EXAMPLES", "1"))
Tables = dict[str, list[str]]


def made(spark: SparkSession, folder: Path, batches: list[list[str]]) -> Tables:
    lake = Lake(spark, Settings(lake=str(folder / "lake"), _env_file=None))
    lake.create_tables()
    score: Scorer = champion_scorer(lake.settings)
    for number, lines in enumerate(batches):
        found = [
            {"tenant": "t", "source": "auto", "origin": f"{number}#{place}", "record": line}
            for place, line in enumerate(lines)
        ]
        frame = spark.createDataFrame(pa.Table.from_pylist(found, schema=SOURCE_LINES))
        ingest_batch(lake, frame, stream_id="s", number=number, received_at=NOW)
        # all that is there is scored, so that what comes later opens it again
        detect_due(lake, score, now=NOW, close_all=True)
    return tables(lake.settings)


@pytest.fixture(scope="module")
def whole(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """The tables of everything in one batch."""
    return made(spark, tmp_path_factory.mktemp("whole"), [recorded_lines()])


@given(seed=st.integers(0, 2**32))
@examples(
    max_examples=EXAMPLES, derandomize=True, deadline=None, phases=[Phase.generate], database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
def test_any_cut_order_and_repetition_gives_the_same_tables(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, whole: Tables, seed: int
) -> None:
    found = made(spark, tmp_path_factory.mktemp("cut"), cut(recorded_lines(), seed, N_BATCHES))
    for name in RESULTS:
        assert len(whole[name]) > 1, name
        lacks, has = sorted(set(whole[name]) - set(found[name])), sorted(set(found[name]) - set(whole[name]))
        assert found[name] == whole[name], f"{name} (seed {seed})\nlacks {lacks}\nhas {has}"
