"""The streaming driver: a Structured Streaming query over the landing zone, and rounds of detection beside it.

One process at a time writes a lake: a lock beside the checkpoint says so. A checkpoint belongs to one lake and a lake to
one checkpoint; a mismatch is refused, since going on would drop or double records without a word.
"""

import json
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import structlog
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from pipelines.detection import DetectionCounts, Scorer, detect_due
from pipelines.errors import CheckpointError, LogsterError
from pipelines.ingestion import BatchCounts, ingest_batch
from pipelines.lake import Lake
from pipelines.locks import detecting, owning
from pipelines.sources.files import lines_of_files, stream_files

__all__ = ["Progress", "StreamDriver", "StreamListener"]

_LOG = structlog.get_logger("logster.stream")
_IDENTITY = "logster.json"


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
        new_checkpoint: forget what was read and read the landing zone from the start.
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
        self._failure: Exception | None = None
        self._writing = threading.Lock()
        self._arrived = threading.Event()

    def run_once(self, *, close_all: bool = True) -> None:
        """Handle everything that has landed, and return.

        Args:
            close_all: score every window, also those that more events may still fall into.
        """
        with self._owned() as stream_id:
            query = self._start(stream_id, once=True)
            query.awaitTermination()
            self._raise_failure(query)
            self._detect(close_all=close_all)
            self.progress.now_doing("done")

    def run(self, stop: threading.Event) -> None:
        """Handle what lands until ``stop`` is set; windows are scored as they close.

        A batch or round in flight at the stop is finished first.

        Raises:
            LogsterError: a batch failed, be it the one in flight at the stop.
        """
        with self._owned() as stream_id:
            query = self._start(stream_id, once=False)
            try:
                # a batch that a crash cut off is repeated first: its work list must be whole before it is worked off
                while not stop.is_set() and query.isActive and query.lastProgress is None:
                    stop.wait(0.5)
                while not stop.is_set() and query.isActive:
                    self._detect(close_all=False)
                    self._wait(stop)
                self._raise_failure(query)
            finally:
                self._stop(query)
            if self._failure:  # of the batch that was in flight; the query, stopped, may not tell of it
                first_line = next(iter(str(self._failure).strip().splitlines()), "")
                told = f"{type(self._failure).__name__}: {first_line}"
                raise LogsterError(f"the batch in flight at the stop failed: {told}") from self._failure

    def _stop(self, query: StreamingQuery) -> None:
        # an interrupt in the middle of a batch ends in a trace of Java's; one that comes now is turned away in Python
        self._is_stopping = True
        self.progress.now_doing("finishing the batch in flight")
        with self._writing:
            pass
        query.stop()

    def _wait(self, stop: threading.Event) -> None:
        deadline = time.monotonic() + self.lake.settings.trigger.total_seconds()
        while time.monotonic() < deadline and not stop.is_set() and not self._arrived.wait(0.25):
            pass
        self._arrived.clear()

    def _start(self, stream_id: str, *, once: bool) -> StreamingQuery:
        settings = self.lake.settings
        if "://" not in settings.landing_path:
            Path(settings.landing_path).mkdir(parents=True, exist_ok=True)
        writer = (
            stream_files(self.lake.spark, settings)
            .writeStream.queryName(f"logster-files-{uuid.uuid4().hex[:6]}")
            .option("checkpointLocation", f"{settings.checkpoint_path}/files")
            .foreachBatch(lambda files, number: self._ingest(files, number, stream_id))
        )
        if once:
            return writer.trigger(availableNow=True).start()
        return writer.trigger(processingTime=f"{settings.trigger.total_seconds()} seconds").start()

    def _ingest(self, files: DataFrame, number: int, stream_id: str) -> None:
        with self._writing:
            if self._is_stopping:
                raise _Stopping(f"batch {number} waits for the next start")
            try:
                self._write(files, number, stream_id)
            except Exception as error:
                self._failure = error
                raise
        self._arrived.set()

    def _write(self, files: DataFrame, number: int, stream_id: str) -> None:
        self.progress.now_doing(f"reading batch {number}")
        self._mark_started()
        lines = lines_of_files(files, self.lake.settings, n_tasks=files.sparkSession.sparkContext.defaultParallelism)
        started = time.monotonic()
        counts = ingest_batch(self.lake, lines, stream_id=stream_id, number=number, received_at=self._clock())
        self._count(number, counts, time.monotonic() - started)
        for listener in self._listeners:
            listener.ingested(number, counts, at=counts.received_at)

    def _count(self, number: int, counts: BatchCounts, seconds: float) -> None:
        progress = self.progress
        progress.n_batches += 1
        progress.n_records += counts.n_records
        progress.n_events += counts.n_events
        progress.n_quarantined += counts.n_quarantined
        progress.now_doing(f"read batch {number}")
        _LOG.info(
            "batch written", number=number, records=counts.n_records, events=counts.n_events,
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

    @staticmethod
    def _raise_failure(query: StreamingQuery) -> None:
        error = query.exception()
        if error is not None:
            raise LogsterError(f"the stream stopped: {error}") from error

    @contextmanager
    def _owned(self) -> Iterator[str]:
        """Hold the lake's lock and give the stream's identity.

        Raises:
            CheckpointError: another process writes this lake, or the checkpoint is not this lake's.
        """
        root = self.lake.settings.checkpoint_path
        with owning(self.lake.settings, self.lake.spark):
            yield self._identity(None if "://" in root else Path(root))

    def _identity(self, folder: Path | None) -> str:
        """Check that checkpoint and lake belong together; a new pair is wed here."""
        self.lake.create_tables()
        lake_id = str(self.lake.delta("raw").detail().select("id").first()[0])
        if folder is None:
            return f"files-{lake_id}"
        file, offsets = folder / _IDENTITY, folder / "files" / "offsets"
        again = "or run `logster run --new-checkpoint` to read the landing zone again from the start"
        if self._new_checkpoint:
            file.unlink(missing_ok=True)
            shutil.rmtree(folder / "files", ignore_errors=True)
        elif file.exists():
            known = json.loads(file.read_text())
            if known["lake_id"] != lake_id:
                raise CheckpointError(
                    f"checkpoint {folder} belongs to another lake than {self.lake.settings.lake}; "
                    "set LOGSTER_CHECKPOINTS to this lake's own, or move the checkpoint away"
                )
            if known["has_started"] and not offsets.is_dir():
                raise CheckpointError(f"checkpoint {folder / 'files'} is lost: restore it, {again}")
            return str(known["stream_id"])
        elif offsets.is_dir() or not self.lake.read("raw").isEmpty():
            raise CheckpointError(
                f"lake {self.lake.settings.lake} was written with a checkpoint that is not in {folder}: restore it, {again}"
            )
        stream_id = f"files-{uuid.uuid4().hex[:12]}"
        file.write_text(json.dumps({"lake_id": lake_id, "stream_id": stream_id, "has_started": False}))
        return stream_id

    def _mark_started(self) -> None:
        """Note that the checkpoint holds offsets from now on, so that its loss is seen."""
        root = self.lake.settings.checkpoint_path
        if self.progress.n_batches or "://" in root:
            return
        file = Path(root) / _IDENTITY
        known = json.loads(file.read_text())
        if not known["has_started"]:
            changed = file.with_suffix(".new")
            changed.write_text(json.dumps({**known, "has_started": True}))
            changed.replace(file)
