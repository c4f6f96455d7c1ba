"""The streaming driver: a Structured Streaming query a source, and rounds of detection beside them; one writes at a time.

One process at a time writes a lake: a lock beside the checkpoints says so. Whose checkpoints they are is
``pipelines.checkpoints``, what becomes of a query that ends is ``pipelines.source_query``.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from pyspark.sql import DataFrame

from pipelines.checkpoints import Checkpoints
from pipelines.detection import DetectionCounts, Scorer, detect_due
from pipelines.errors import LakeError, LogsterError
from pipelines.ingestion import BatchCounts, ingest_batch
from pipelines.lake import Lake
from pipelines.lake_reader import delta_table
from pipelines.locks import detecting, owning
from pipelines.maintenance import compact, remove_unreferenced
from pipelines.sinks.outbox import Outbox
from pipelines.source_query import SourceQuery
from pipelines.sources.streams import sources_of
from pipelines.ttp.ruleset import rules_in_use

__all__ = ["Progress", "StreamDriver", "StreamListener"]

_LOG = structlog.get_logger("logster.stream")
_VACUUM_EVERY = timedelta(days=1)


@dataclass
class Progress:
    """Totals since the process began, for displays and metrics."""

    n_batches: int = 0
    n_records: int = 0
    n_events: int = 0
    n_quarantined: int = 0
    n_windows: int = 0
    doing: str = "starting"
    listeners: list[Callable[["Progress"], None]] = field(default_factory=list)

    def now_doing(self, what: str) -> None:
        """Tell listeners what goes on."""
        self.doing = what
        for listener in self.listeners:
            listener(self)


class StreamListener(Protocol):
    """Is told of every step that was written; must not raise.

    ``at`` is the time (UTC) that the step's rows carry: `ingested_at` of events, `scored_at` of scores. A batch that
    comes again after a crash keeps the first one's.
    """

    def ingested(self, number: int, counts: BatchCounts, *, at: datetime) -> None:
        """A micro-batch is in the tables."""

    def detected(self, counts: DetectionCounts, *, at: datetime) -> None:
        """A round of detection that had something to do is in the tables."""


class _Stopping(Exception):
    """A batch came after the stop; it is repeated at the next start."""


class StreamDriver:
    """Runs ingestion and detection on one lake.

    Args:
        lake: the tables.
        score: the scorer.
        clock: wall clock (UTC), to be replaced in tests.
        new_checkpoint: forget what was read and read every source from the start.
        listeners: told of every step that was written.
    """

    def __init__(
        self,
        lake: Lake,
        score: Scorer,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_checkpoint: bool = False,
        listeners: Sequence[StreamListener] = (),
    ) -> None:
        self.lake = lake
        self.progress = Progress()
        self._score = score
        self._clock = clock
        self._new_checkpoint = new_checkpoint
        self._listeners = listeners
        self._is_stopping = False
        self._writing = threading.Lock()
        self._arrived = threading.Event()
        self._outbox = Outbox(lake.settings)
        self._outbox_trouble = ""
        self._compacted_at = self._vacuumed_at = time.monotonic()

    def run_once(self, *, close_all: bool = True) -> None:
        """Handle everything that has arrived, and return.

        Args:
            close_all: score every window, also those that more events may still fall into.

        Raises:
            LogsterError: a source cannot be read, a batch failed, or the outbox cannot be kept.
        """
        with self._owned() as queries:
            for query in queries:
                query.start(once=True)
                query.finish()
            self._detect(close_all=close_all)
            self._outbox.tell(now=self._clock())
            self._maintain(lambda: False)
            self.progress.now_doing("done")

    def run(self, stop: threading.Event) -> None:
        """Handle what arrives until ``stop`` is set; windows are scored as they close.

        A batch or round in flight at the stop is finished first.

        Raises:
            LogsterError: a source cannot be read, or a batch failed, be it the one in flight at the stop.
        """
        with self._owned() as queries:
            try:
                for query in queries:
                    query.start()
                    # a batch that a crash cut off is repeated first: its work list must be whole before it is worked off
                    while not stop.is_set() and query.is_starting:
                        stop.wait(0.5)
                while not stop.is_set():
                    for query in queries:
                        query.look_after()
                    self._detect(close_all=False)
                    self._tell()
                    if time.monotonic() - self._compacted_at >= self.lake.settings.compact_every.total_seconds():
                        self._maintain(stop.is_set)
                    self._wait(stop)
            finally:
                self._stop(queries)
            for query in queries:
                if query.failure and (told := query.failed_at_stop()):
                    raise LogsterError(f"the batch in flight at the stop failed: {told}") from query.failure

    def _stop(self, queries: Sequence[SourceQuery]) -> None:
        # an interrupt in the middle of a batch ends in a trace of Java's; one that comes now is turned away in Python
        self._is_stopping = True
        self.progress.now_doing("finishing the batch in flight")
        with self._writing:
            pass
        for query in queries:
            query.stop()

    def _wait(self, stop: threading.Event) -> None:
        deadline = time.monotonic() + self.lake.settings.trigger.total_seconds()
        while time.monotonic() < deadline and not stop.is_set() and not self._arrived.wait(0.25):
            pass
        self._arrived.clear()

    def _ingest(self, query: SourceQuery, batch: DataFrame, number: int) -> None:
        with self._writing:
            if self._is_stopping:
                raise _Stopping(f"batch {number} waits for the next start")
            try:
                self._write(query, batch, number)
            except Exception as error:
                query.failure = error
                raise
        self._arrived.set()

    def _write(self, query: SourceQuery, batch: DataFrame, number: int) -> None:
        source = query.source
        self.progress.now_doing(f"reading batch {number} of {source.name}")
        query.mark_started()
        lines = source.lines(batch, self.lake.settings)
        started = time.monotonic()
        counts = ingest_batch(self.lake, lines, stream_id=query.stream_id, number=number, received_at=self._clock())
        self._count(source.name, number, counts, time.monotonic() - started)
        for listener in self._listeners:
            listener.ingested(number, counts, at=counts.received_at)

    def _count(self, source: str, number: int, counts: BatchCounts, seconds: float) -> None:
        progress = self.progress
        progress.n_batches += 1
        progress.n_records += counts.n_records
        progress.n_events += counts.n_events
        progress.n_quarantined += counts.n_quarantined
        progress.now_doing(f"read batch {number} of {source}")
        _LOG.info(
            "batch written", source=source, number=number, records=counts.n_records, events=counts.n_events,
            quarantined=counts.n_quarantined, seconds=round(seconds, 1),
        )  # fmt: skip

    def _detect(self, *, close_all: bool) -> DetectionCounts:
        # a backfill may hold the lock for long: reading goes on then, and what is due waits for a later round
        with self._writing, detecting(self.lake.settings, wait=close_all) as is_ours:
            if not is_ours:
                return DetectionCounts(0, 0)
            if close_all:
                self.progress.now_doing("building and scoring windows")
            started, now = time.monotonic(), self._clock()
            counts = detect_due(self.lake, self._score, now=now, close_all=close_all)
            if counts.n_windows:
                self.progress.n_windows += counts.n_windows
                self.progress.now_doing("scored windows")
                seconds = round(time.monotonic() - started, 1)
                _LOG.info("windows scored", panes=counts.n_panes, windows=counts.n_windows, seconds=seconds)
                for listener in self._listeners:
                    listener.detected(counts, at=now)
            return counts

    def _tell(self) -> None:
        """Add to the outbox what has become of alerts, by whomever; what cannot be done now is found the next time."""
        try:
            self._outbox.tell(now=self._clock())
            self._outbox_trouble = ""
        except LakeError as error:
            if str(error) != self._outbox_trouble:  # each trouble once, not every few seconds
                _LOG.warning("outbox not kept; tried again", reason=str(error))
            self._outbox_trouble = str(error)

    def _maintain(self, is_over: Callable[[], bool]) -> None:
        """Put small files together between two batches, since it must not meet a change of rows; unless it is off."""
        settings = self.lake.settings
        if not settings.compact_every:
            return
        with self._writing, detecting(settings, wait=False) as is_ours:
            if not is_ours:  # a backfill changes rows; the next round asks again
                return
            self.progress.now_doing("putting small files together")
            compact(self.lake, is_over=is_over)
            is_due = time.monotonic() - self._vacuumed_at >= _VACUUM_EVERY.total_seconds()
            if settings.vacuum_after and is_due and not is_over():
                remove_unreferenced(self.lake, after=settings.vacuum_after)
                self._vacuumed_at = time.monotonic()
        self._compacted_at = time.monotonic()

    @contextmanager
    def _owned(self) -> Iterator[list[SourceQuery]]:
        """Hold the lake's lock and give a query a source, none of them started; one that was cut off comes first.

        Raises:
            SourceError: a source cannot be reached.
            CheckpointError: another process writes this lake, or the checkpoints are not this lake's.
            RuleError: a rule of our own, or a folder of others, cannot be used.
        """
        lake = self.lake
        rules_in_use(lake.settings)  # so that what is wrong with them is said now, and not with the first alert
        found = [(source, source.ready(lake.spark, lake.settings)) for source in sources_of(lake.settings)]
        with owning(lake.settings, lake.spark):
            lake.create_tables()
            checkpoints = Checkpoints(
                lake.settings,
                str(lake.delta("raw").detail().select("id").first()[0]),
                lake_is_empty=lake.read("raw").isEmpty(),
                newest_batch=lambda stream_id: _newest_batch(lake, stream_id),
                anew=self._new_checkpoint,
            )
            named = [(source, checkpoints.identity(source.name, cluster)) for source, cluster in found]
            # what other sources bring must not come between the steps of a batch that a crash cut off
            named.sort(key=lambda one: not checkpoints.is_cut_off(one[0].name))
            yield [SourceQuery(lake, source, checkpoints, stream_id, self._ingest) for source, stream_id in named]


def _newest_batch(lake: Lake, stream_id: str) -> int | None:
    """Highest number of a stream's batches in ``raw``, as Delta's log has it."""
    raw = delta_table(lake.settings, "raw")
    return raw.transaction_version(f"{stream_id}/raw") if raw is not None else None
