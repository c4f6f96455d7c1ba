"""Logster's own steps over one set of telemetry: lines to ``events``, to window graphs, to scores, in a fresh lake.

They are the functions that stream and backfill call, with everything that they write.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pyspark.sql import SparkSession

from benchmarks.telemetry import Telemetry
from benchmarks.usage import Usage, measured
from pipelines.detection import Scorer, rebuild_graphs
from pipelines.ingestion import ingest_batch
from pipelines.lake import Lake
from pipelines.settings import Settings
from pipelines.sources.files import lines_of_files, list_files

__all__ = ["Steps", "run_steps"]


@dataclass(frozen=True)
class Steps:
    """What one run over the telemetry took.

    Attributes:
        ingestion: files to ``raw``, ``events`` and the work list (`ingest_batch`).
        graphs: ``events`` to ``panes`` and ``window_graphs`` (`rebuild_graphs`).
        scoring: ``window_graphs`` to scores, not written (`score_windows`).
        n_events: rows of ``events``.
        n_windows: rows of ``window_graphs``.
        n_edges: edges in them.
    """

    ingestion: Usage
    graphs: Usage
    scoring: Usage
    n_events: int
    n_windows: int
    n_edges: int


def run_steps(spark: SparkSession, telemetry: Telemetry, score: Scorer, folder: Path) -> Steps:
    """Run the steps once.

    Args:
        spark: the session.
        telemetry: files, already in a landing zone.
        score: the scorer.
        folder: an empty one for the lake.

    Raises:
        RuntimeError: something of the telemetry went to quarantine, so that less was done than is said.
    """
    settings = Settings(lake=str(folder), landing=str(telemetry.landing), _env_file=None)
    lake = Lake(spark, settings)
    lake.create_tables()
    now = datetime.now(UTC)
    with measured() as ingestion:
        n_tasks = spark.sparkContext.defaultParallelism
        lines = lines_of_files(list_files(spark, settings), settings, n_tasks=n_tasks)
        counts = ingest_batch(lake, lines, stream_id="bench", number=0, received_at=now)
    if counts.n_records != telemetry.n_records or counts.n_quarantined:
        raise RuntimeError(f"of {telemetry.n_records} records {counts} were read")
    slack = timedelta(minutes=5)
    with measured() as graphs:
        n_windows = rebuild_graphs(lake, first=telemetry.start - slack, last=telemetry.end + slack)
    with measured() as scoring:
        score(lake.read("window_graphs"), now).write.format("noop").mode("overwrite").save()
    n_edges = lake.read("window_graphs").selectExpr("sum(size(edges))").collect()[0][0]
    return Steps(ingestion, graphs, scoring, counts.n_events, n_windows, n_edges)
