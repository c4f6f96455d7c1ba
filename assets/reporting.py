"""Dagster's view of the stream: its home, its databases, and a listener that reports what the stream has written.

Reporting is a courtesy to those who look: it runs in a thread of its own, and what goes wrong there is logged.
"""

import queue
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import dagster as dg
import structlog

from assets.materialisations import of_batch, of_detection
from pipelines.detection import DetectionCounts
from pipelines.ingestion import BatchCounts
from pipelines.settings import Settings

__all__ = ["StreamReporter", "create_instance", "prepared_dagster_home", "reporting"]

_LOG = structlog.get_logger("logster.dagster")
_CONFIG = Path(__file__).resolve().parent.parent / "dagster_home" / "dagster.yaml"
# reports that wait; past that the stream is far faster than Dagster's database, and the oldest no longer matter
_MOST_WAITING = 1_000
_SECONDS_TO_FINISH = 30.0

_Report = Callable[[], Iterable[dg.AssetMaterialization]]


def prepared_dagster_home(settings: Settings) -> Path:
    """Folder of Dagster's state beside the lake, with Logster's configuration in it; an operator's own is left alone."""
    parent = Path.cwd() if "://" in settings.lake else Path(settings.lake).resolve().parent
    home = parent / "dagster_home"
    home.mkdir(parents=True, exist_ok=True)
    if not (home / _CONFIG.name).exists():
        shutil.copyfile(_CONFIG, home / _CONFIG.name)
    return home


def create_instance(home: Path) -> dg.DagsterInstance:
    """Open a Dagster home, and make its databases where they are not there yet.

    Call it once before anything else that uses the home is started: webserver and daemon, started on an empty one at
    the same time, get into each other's way while they make the tables.

    Args:
        home: folder with a ``dagster.yaml``.
    """
    instance = dg.DagsterInstance.from_config(str(home.resolve()))
    # each storage migrates its database when it is first asked for something
    instance.get_runs_count()
    instance.event_log_storage.get_maximum_record_id()
    instance.all_instigator_state()
    instance.get_daemon_heartbeats()
    return instance


class StreamReporter:
    """A listener of the stream (`pipelines.stream.StreamListener`) that reports to a Dagster instance.

    Args:
        settings: of the lake that the stream writes.
        instance: where to report to.
    """

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self._settings = settings
        self._instance = instance
        self._waiting: queue.Queue[_Report | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._work, name="logster-dagster", daemon=True)
        self._thread.start()

    def ingested(self, number: int, counts: BatchCounts, *, at: datetime) -> None:
        """Report a micro-batch."""
        if counts.n_records:
            self._put(lambda: of_batch(self._settings, number, counts, at=at))

    def detected(self, counts: DetectionCounts, *, at: datetime) -> None:
        """Report a round of detection."""
        if counts.n_windows:
            self._put(lambda: of_detection(self._settings, at=at))

    def close(self) -> None:
        """Report what waits, for half a minute at most."""
        try:
            self._waiting.put(None, timeout=_SECONDS_TO_FINISH)
        except queue.Full:
            pass
        self._thread.join(_SECONDS_TO_FINISH)
        if self._thread.is_alive():
            _LOG.warning("Dagster was not told everything", waiting=self._waiting.qsize())

    def _put(self, report: _Report) -> None:
        try:
            self._waiting.put_nowait(report)
        except queue.Full:
            _LOG.warning("Dagster is too slow, a report was left out", waiting=_MOST_WAITING)

    def _work(self) -> None:
        while (report := self._waiting.get()) is not None:
            try:
                for materialisation in report():
                    self._instance.report_runless_asset_event(materialisation)
            except Exception as error:  # whatever it is, it must not stop the stream
                _LOG.warning("could not report to Dagster", error=str(error), kind=type(error).__name__)


@contextmanager
def reporting(settings: Settings) -> Iterator[StreamReporter]:
    """A reporter to the Dagster home beside the lake; on leaving, what waits is reported."""
    with create_instance(prepared_dagster_home(settings)) as instance:
        reporter = StreamReporter(settings, instance)
        try:
            yield reporter
        finally:
            reporter.close()
