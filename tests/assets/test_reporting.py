"""The listener that tells Dagster what the stream has written, to an instance of its own on disk."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from structlog.testing import capture_logs

from assets.reporting import StreamReporter, create_instance, prepared_dagster_home
from pipelines.detection import DetectionCounts
from pipelines.ingestion import BatchCounts

pytestmark = pytest.mark.slow

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def home(settings) -> Path:
    return prepared_dagster_home(settings)


@pytest.fixture
def instance(home) -> Iterator[dg.DagsterInstance]:
    with create_instance(home) as instance:
        yield instance


def latest(instance: dg.DagsterInstance, name: str) -> dg.AssetMaterialization | None:
    event = instance.get_latest_materialization_event(dg.AssetKey(name))
    return event.asset_materialization if event else None


def test_home_lies_beside_the_lake_and_keeps_an_operators_configuration(settings, home):
    assert home == Path(settings.lake).parent / "dagster_home"
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    assert prepared_dagster_home(settings) == home
    assert (home / "dagster.yaml").read_text() == "telemetry:\n  enabled: false\n"


def test_a_new_instance_has_all_its_databases_made(home):
    with create_instance(home) as instance:
        assert instance.telemetry_enabled is False
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1
    for file, table in (("runs.db", "runs"), ("runs/index.db", "event_logs"), ("schedules/schedules.db", "jobs")):
        path = next(home.rglob(file))
        with sqlite3.connect(path) as database:
            tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
            assert {table, "alembic_version"} <= tables
            assert database.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
        database.close()


def test_batches_and_rounds_become_materialisations(settings, instance, write, score):
    write("window_scores", score(0, 0.1, scored_at=NOON), score(65, 0.99, scored_at=NOON))
    reporter = StreamReporter(settings, instance)
    reporter.ingested(7, BatchCounts(n_records=5, n_events=0, n_quarantined=2, received_at=NOON), at=NOON)
    reporter.detected(DetectionCounts(n_panes=1, n_windows=2), at=NOON)
    reporter.close()
    assert latest(instance, "raw").metadata["new_rows"].value == 5
    assert latest(instance, "raw").metadata["micro_batch"].value == 7
    assert latest(instance, "quarantine").metadata["new_rows"].value == 2
    assert latest(instance, "events") is None
    for name in ("window_graphs", "window_scores", "alerts"):
        assert instance.get_materialized_partitions(dg.AssetKey(name)) == {"2026-03-01-12:00", "2026-03-01-13:00"}
    assert latest(instance, "window_scores").metadata["highest_attack_prob"].value == 0.99


def test_what_goes_wrong_is_logged_and_the_next_report_is_made(settings, instance):
    log = Path(settings.lake) / "window_scores" / "_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text("not a log")
    reporter = StreamReporter(settings, instance)
    with capture_logs() as logs:
        reporter.detected(DetectionCounts(n_panes=1, n_windows=1), at=NOON)
        reporter.ingested(1, BatchCounts(n_records=1, n_events=0, n_quarantined=0, received_at=NOON), at=NOON)
        reporter.close()
    assert [(each["event"], each["log_level"]) for each in logs] == [("could not report to Dagster", "warning")]
    assert latest(instance, "raw").metadata["micro_batch"].value == 1
    assert latest(instance, "window_scores") is None
