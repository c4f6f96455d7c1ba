"""The shipped weights on the sample telemetry's Linux recordings, which `make up` shows."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from logster.demo import write_demo
from models.registry import shipped_weights
from models.scoring import double_precision, score_graphs
from models.tensors import graphs_of_batch
from models.weights import load_model
from pipelines.ingestion import raw_rows
from pipelines.normalise.process_keys import process_marks, with_process_keys
from pipelines.normalise.records import events_of, normalise_records
from pipelines.settings import Settings
from pipelines.sources.files import lines_of_files, list_files
from pipelines.sources.ingest import ingest_file
from pipelines.windows.panes import build_panes
from pipelines.windows.window_graphs import build_window_graphs

pytestmark = pytest.mark.slow

_ATTACKED = {"web-01", "pay-01", "app-02"}
_AT_WORK = {"ops-01", "db-02"}


def test_intrusions_of_the_sample_are_flagged_and_its_ordinary_work_is_not(
    spark: SparkSession, settings: Settings, tmp_path: Path
) -> None:
    for file in write_demo(tmp_path):
        if file.endpoint in _ATTACKED | _AT_WORK:
            ingest_file(file.path, settings, tenant=file.tenant, record_format=file.format)
    lines = lines_of_files(list_files(spark, settings), settings, n_tasks=2)
    raw = raw_rows(lines, batch_id="test/0", received_at=datetime.now(UTC))
    events = events_of(normalise_records(raw)).localCheckpoint()
    panes = build_panes(with_process_keys(events, process_marks(events)), slide=settings.window_slide)
    graphs = build_window_graphs(panes, width=settings.window_width, slide=settings.window_slide)
    model = double_precision(load_model(shipped_weights("linux")))
    highest: dict[str, float] = {}
    for batch in graphs.toArrow().to_batches():
        windows = list(graphs_of_batch(batch))
        for window, score in zip(windows, score_graphs(model, windows), strict=True):
            highest[window.endpoint] = max(score.attack_prob, highest.get(window.endpoint, 0.0))
    flagged = {endpoint for endpoint, p in highest.items() if p >= model.calibration.threshold}
    assert set(highest) == _ATTACKED | _AT_WORK
    assert flagged == _ATTACKED
