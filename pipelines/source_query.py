"""One source's streaming query: started, looked after, and started again where what it reads from was away."""

import time
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from pipelines.checkpoints import Checkpoints
from pipelines.errors import LogsterError, SourceError
from pipelines.java_errors import JavaCause, first_line, java_causes
from pipelines.lake import Lake
from pipelines.sources.streams import StreamSource

__all__ = ["SourceQuery"]

_LOG = structlog.get_logger("logster.stream")
_PAUSE_SECONDS = 5.0
_AWAY = (
    # what passes when brokers come back; UnknownTopicOrPartition, a topic that is gone, is left out below
    "org.apache.kafka.common.errors.RetriableException",
    "java.util.concurrent.TimeoutException",
)
_GONE = "org.apache.kafka.common.errors.UnknownTopicOrPartitionException"
_SCHEMA_CHANGED = "[DELTA_SCHEMA_CHANGED"
_ROWS_CHANGED = ("[DELTA_SOURCE_TABLE_IGNORE_CHANGES]", "[DELTA_SOURCE_IGNORE_DELETE]")
_LOST = "org.apache.spark.sql.kafka010.KafkaIllegalStateException"


class SourceQuery:
    """Runs one source.

    Args:
        lake: whose session and settings it runs with.
        source: what is read.
        checkpoints: where its offsets are kept.
        stream_id: names its stream for good.
        write: takes this query, a micro-batch and its number, in a thread of Spark's.

    Attributes:
        source: what is read.
        stream_id: names its stream for good.
        failure: why the last batch could not be written; set by ``write``.
    """

    def __init__(
        self,
        lake: Lake,
        source: StreamSource,
        checkpoints: Checkpoints,
        stream_id: str,
        write: Callable[["SourceQuery", DataFrame, int], None],
    ) -> None:
        self.source, self.stream_id = source, stream_id
        self.failure: Exception | None = None
        self._lake, self._checkpoints, self._write = lake, checkpoints, write
        self._query: StreamingQuery | None = None
        self._try_again_at: float | None = None

    def start(self, *, once: bool = False) -> None:
        """Start; with ``once`` it ends when all is read that is there now."""
        self.failure, self._try_again_at = None, None
        writer = (
            self.source.stream(self._lake.spark, self._lake.settings)
            .writeStream.queryName(f"logster-{self.source.name}-{uuid.uuid4().hex[:6]}")
            .option("checkpointLocation", self._checkpoints.folder(self.source.name))
            .foreachBatch(lambda batch, number: self._write(self, batch, number))
        )
        if once:
            self._query = writer.trigger(availableNow=True).start()
        else:
            seconds = self._lake.settings.trigger.total_seconds()
            self._query = writer.trigger(processingTime=f"{seconds} seconds").start()

    def mark_started(self) -> None:
        """Note that it has offsets from now on."""
        self._checkpoints.mark_started(self.source.name)

    @property
    def is_starting(self) -> bool:
        """Whether it is still at its first step, which repeats a batch that a crash cut off."""
        return self._query is not None and self._query.isActive and self._query.lastProgress is None

    def finish(self) -> None:
        """Wait for the end of one that was started ``once``.

        Raises:
            LogsterError: it failed.
        """
        assert self._query is not None
        try:
            self._query.awaitTermination()
        except Exception as error:
            if self._query.exception() is None:
                raise LogsterError(f"the stream stopped: {first_line(error)}") from error
        if failed := self._failed():
            raise failed

    def look_after(self) -> None:
        """See to it that it runs: start it again where what it reads from was away.

        Raises:
            LogsterError: it failed, or ended.
        """
        if self._query is None or self._query.isActive:
            return
        if self._try_again_at is None:
            failed = self._failed()
            if failed is None:
                raise LogsterError(f"the stream of {self.source.name} has ended, and nobody asked it to; start again")
            if not (self.source.may_be_away and _is_away(self._causes())):
                raise failed
            _LOG.warning("source is away, trying again", source=self.source.name, error=str(failed))
            self._try_again_at = time.monotonic() + _PAUSE_SECONDS
        elif time.monotonic() >= self._try_again_at:
            self.start()

    def stop(self) -> None:
        """End it; a batch that is being written must have ended."""
        if self._query is not None:
            self._query.stop()

    def failed_at_stop(self) -> str | None:
        """Why the batch in flight at the stop was not written; None where it was, or where the next start repeats it."""
        if self.failure is None or (self.source.may_be_away and _is_away(java_causes(self.failure))):
            return None
        return f"{type(self.failure).__name__}: {first_line(self.failure)}"

    def _failed(self) -> LogsterError | None:
        error = self.failure or (self._query.exception() if self._query is not None else None)
        if error is None:
            return None
        causes = self._causes()
        wrapped: LogsterError
        if lost := next((cause for cause in causes if cause.is_a(_LOST)), None):
            wrapped = SourceError(
                "records that were not read yet are gone from Kafka (its retention, or a deleted topic): "
                f"{lost.message.split('Reason:', 1)[-1].strip()}; LOGSTER_KAFKA_ON_DATA_LOSS=continue goes on after them"
            )
        elif any(cause.message.startswith(_SCHEMA_CHANGED) for cause in causes):
            wrapped = SourceError(
                f"the table of {self.source.name} has other columns than when its stream began: see that its mapping still "
                "says what is meant, and start again, which takes the new columns"
            )
        elif any(cause.message.startswith(_ROWS_CHANGED) for cause in causes):
            wrapped = SourceError(
                f"rows of the table of {self.source.name} were deleted or updated, and only what is appended is read: "
                "on_change = 'skip' in its mapping file passes over such commits, 'feed' reads what rows were updated to"
            )
        elif causes:
            wrapped = LogsterError(f"the stream stopped: {self.source.name}: {causes[-1].text}")
        else:
            wrapped = LogsterError(
                f"the stream stopped: {self.source.name}: {type(error).__name__}: {first_line(error)}"
            )
        wrapped.__cause__ = error
        return wrapped

    def _causes(self) -> list[JavaCause]:
        if self.failure is not None:
            return java_causes(self.failure)
        query: Any = self._query
        thrown = query._jsq.exception() if hasattr(query, "_jsq") else None
        return java_causes(thrown.get()) if thrown is not None and thrown.isDefined() else []


def _is_away(causes: list[JavaCause]) -> bool:
    return any(cause.is_a(name) for cause in causes for name in _AWAY) and not any(
        cause.is_a(_GONE) for cause in causes
    )
