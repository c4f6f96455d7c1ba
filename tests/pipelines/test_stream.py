"""The driver around the steps: a stop in the middle of a batch, and a batch that comes again."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.errors import LogsterError
from pipelines.lake import Lake
from pipelines.settings import Settings
from pipelines.sources.ingest import ingest_file
from pipelines.stream import StreamDriver
from tests.pipelines.sinks.alert_tables import alert, append, change
from tests.pipelines.tables import rows

pytestmark = pytest.mark.slow

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Told:
    """A listener that notes the times that it is told."""

    def __init__(self) -> None:
        self.ingested_at: list[datetime] = []

    def ingested(self, number, counts, *, at):
        self.ingested_at.append(at)

    def detected(self, counts, *, at):
        raise AssertionError("there are no windows in this")


def never(graphs, now):
    raise AssertionError("there are no windows to score")


@pytest.fixture
def lake(spark, settings: Settings, tmp_path: Path) -> Lake:
    """A lake with a file in its landing zone that goes to quarantine."""
    file = tmp_path / "any.log"
    file.write_text("neither this\nnor that\n")
    ingest_file(file, settings)
    return Lake(spark, settings)


def test_a_batch_that_fails_after_the_stop_is_an_error(lake):
    stop = threading.Event()

    def full_disk() -> datetime:
        stop.set()
        while driver.progress.doing != "finishing the batch in flight":
            time.sleep(0.05)
        raise OSError("no space left on device")

    driver = StreamDriver(lake, never, clock=full_disk)
    with pytest.raises(LogsterError, match="batch in flight at the stop failed: OSError: no space left on device"):
        driver.run(stop)


def test_a_batch_that_comes_again_is_told_with_the_time_of_its_rows(lake):
    first, again = Told(), Told()
    StreamDriver(lake, never, clock=lambda: NOON, listeners=[first]).run_once()
    commit = Path(lake.settings.checkpoint_path) / "files" / "commits" / "0"
    commit.unlink()  # as after a crash between the batch's last write and this one
    commit.with_name(".0.crc").unlink(missing_ok=True)
    StreamDriver(lake, never, clock=lambda: NOON + timedelta(hours=1), listeners=[again]).run_once()
    assert (first.ingested_at, again.ingested_at) == ([NOON], [NOON])
    assert {row["received_at"] for row in rows(lake.settings, "raw")} == {NOON}


def test_what_became_of_alerts_is_in_the_outbox_whoever_did_it(lake):
    lake.create_tables()
    append(lake.settings, "alerts", alert(1))
    StreamDriver(lake, never, clock=lambda: NOON).run_once()
    append(lake.settings, "alert_changes", change("c1", 1))
    StreamDriver(lake, never, clock=lambda: NOON).run_once()
    StreamDriver(lake, never, clock=lambda: NOON).run_once()
    found = sorted(rows(lake.settings, "outbox"), key=lambda row: row["sequence"])
    assert [(row["sequence"], row["kind"]) for row in found] == [(1, "created"), (2, "transition")]
