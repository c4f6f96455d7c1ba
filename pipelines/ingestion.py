"""One micro-batch of lines into ``raw``, ``events``, ``quarantine`` and the work list, safe to repeat.

Every step reads what the step before it wrote, so that a batch that was interrupted and comes again with the same
lines ends in the same tables: ``raw`` first, everything else from ``raw``.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.lake import Lake
from pipelines.lineage import released_after, settled
from pipelines.normalise.auditd import AUDIT
from pipelines.normalise.identity import content_id
from pipelines.normalise.process_keys import names_pids, process_marks, stale_ids, unnamed_pids, with_process_keys
from pipelines.normalise.records import (
    by_kind,
    events_of,
    formats_in,
    known_format,
    normalise_records,
    quarantine_of,
    recognise_records,
    repeated_ids,
)
from pipelines.windows.times import covering_windows, micros, with_pane_start

__all__ = ["BatchCounts", "distinct_events", "ingest_batch", "pending_work", "raw_rows", "write_events"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# an event made of several records has all of them within moments; a group is looked for this far around its part
_GROUP_REACH = 10 * 60 * 1_000_000  # microseconds
# a start tells about events up to this long before it (`pipelines.normalise.process_keys`)
_MARK_REACH = 60 * 1_000_000
# events whose pids are looked up: what is found for so many is some 60 MB, which driver and executors can hold
_FEW = 200_000
_ENDPOINT = ("tenant", "endpoint", "platform")
_DERIVED = (
    "process_key", "parent_key", "target_key",
    "command_line", "parent_name", "parent_path", "parent_command_line",
)  # fmt: skip


@dataclass(frozen=True)
class BatchCounts:
    """What one micro-batch did.

    Attributes:
        n_records: rows in ``raw``.
        n_events: events that its readable records make up.
        n_quarantined: rows in ``quarantine``.
        received_at: time (UTC) that its rows carry, which is the first reading's where the batch came again.
    """

    n_records: int
    n_events: int
    n_quarantined: int
    received_at: datetime


def raw_rows(lines: DataFrame, *, batch_id: str, received_at: datetime) -> DataFrame:
    """Turn a source's lines into ``raw`` rows with a ``source_problem`` beside them."""
    identity = (
        "tenant",
        F.coalesce("endpoint_hint", F.lit("")),
        F.coalesce(F.col("clock_offset_seconds"), F.lit(0)).cast("string"),
        "record",
        # what a source could not read has no text of its own to be told apart by
        F.when(F.col("source_problem").isNotNull(), F.col("origin")),
    )
    return (
        recognise_records(lines)
        .withColumn("received_at", F.lit(received_at).cast("timestamp"))
        .withColumn("batch_id", F.lit(batch_id))
        .withColumn("record_id", content_id(*identity))
    )


@released_after()
def ingest_batch(lake: Lake, lines: DataFrame, *, stream_id: str, number: int, received_at: datetime) -> BatchCounts:
    """Write one micro-batch; the same call again changes nothing.

    Args:
        lake: where to.
        lines: a source's lines (`pipelines.sources.files.lines_of_files`).
        stream_id: names the stream for good; with ``number`` it makes writes idempotent.
        number: the micro-batch's number in the stream, from 0.
        received_at: time of reading (UTC); a repeated batch keeps the first one's.
    """
    batch_id = f"{stream_id}/{number}"
    lake.append("raw", raw_rows(lines, batch_id=batch_id, received_at=received_at), app_id=stream_id, version=number)
    raw = lake.read("raw").where(F.col("batch_id") == batch_id)

    n_records, found, micros = raw.agg(
        F.count(F.lit(1)), F.collect_set(known_format()), F.max(F.unix_micros("received_at"))
    ).collect()[0]
    if not n_records:
        return BatchCounts(0, 0, 0, received_at)
    stored_at, formats = _EPOCH + timedelta(microseconds=micros), frozenset(found)

    # the text of a record that was read is in its fields; carrying it along would double what the next steps hold
    text = F.when(F.col("reason").isNotNull(), F.col("record")).otherwise("")
    normalised = settled(normalise_records(raw, formats).withColumn("record", text))
    n_quarantined = normalised.where(F.col("reason").isNotNull()).count()
    if n_quarantined:
        lake.append("quarantine", quarantine_of(normalised), app_id=stream_id, version=number)
    if n_quarantined == n_records:
        return BatchCounts(n_records, 0, n_quarantined, stored_at)
    n_events = write_events(lake, distinct_events(normalised, formats), stream_id=stream_id, number=number)
    return BatchCounts(n_records, n_events, n_quarantined, stored_at)


def distinct_events(normalised: DataFrame, formats: frozenset[str]) -> DataFrame:
    """`events_of` records that were read and settled, at the price of those that are there twice.

    Args:
        normalised: settled output of `normalise_records`.
        formats: what it was called with.
    """
    audit, mapped = by_kind(normalised, formats)
    of_numbered = formats.difference(AUDIT)
    parts = []
    if audit is not None:
        parts.append(settled(events_of(audit, formats.intersection(AUDIT))))
    if mapped is not None:
        repeated = settled(repeated_ids(mapped))
        if not repeated.isEmpty():
            parts.append(settled(events_of(mapped.join(F.broadcast(repeated), "event_id", "left_semi"), of_numbered)))
            mapped = mapped.join(F.broadcast(repeated), "event_id", "left_anti")
        # row by row from what is settled: another copy would cost more than doing it again
        parts.append(events_of(mapped, of_numbered, are_single=True))
    return reduce(DataFrame.unionByName, parts)


def write_events(lake: Lake, events: DataFrame, *, stream_id: str, number: int) -> int:
    """Add events to the lake, or their records to events that are there; the same call again changes nothing.

    Args:
        lake: where to; the records that the events were made of are in its ``raw``.
        events: `events_of` what was read, settled or little more than that, since they are used many times.
        stream_id: as in `ingest_batch`.
        number: as in `ingest_batch`.

    Returns:
        Number of events given.
    """
    n_events, n_unnamed, first, last = _bounds(events)
    if not n_events:
        return 0
    batch_id = f"{stream_id}/{number}"
    near = _since("ts", first - _GROUP_REACH) & ~_since("ts", last + _GROUP_REACH)
    existing = lake.read("events").where(near)
    # by their ids first: most batches bring no event that is there, and all columns of all that is near is much to read
    known = settled(existing.select("event_id").join(F.broadcast(events.select("event_id")), "event_id", "left_semi"))
    unseen, whole, grown = events, events, None
    if not known.isEmpty():
        there = settled(existing.join(F.broadcast(known), "event_id", "left_semi"))
        grown = _grown_events(lake, there, events)
        unseen = settled(events.join(known, "event_id", "left_anti"))
    if grown is not None:
        whole = events.join(grown.select("event_id"), "event_id", "left_anti").unionByName(grown)

    # events that were there have left their marks
    marks = settled(process_marks(whole))
    lake.append("process_marks", marks if unseen is events else process_marks(unseen), app_id=stream_id, version=number)
    if grown is not None:
        marks = settled(marks.unionByName(_replace_marks(lake, grown)))

    # the work list comes before what changes events in place: after a crash in between, nothing tells what changed
    touched = whole
    if grown is not None:
        before = there.join(grown.select("event_id"), "event_id", "left_semi").select(*events.columns)
        touched = whole.unionByName(before)
    lake.append("pending", pending_work(touched, lake, batch_id=batch_id), app_id=stream_id, version=number)

    # looked for before this batch's own events are among them
    stale = _stale_events(lake, marks, grown, first - _MARK_REACH)
    lake.append("events", _keyed(lake, unseen, are_few=n_unnamed <= _FEW), app_id=stream_id, version=number)
    if grown is not None:
        prune = f"t.ts >= timestamp_micros({first - _GROUP_REACH})"
        lake.merge("events", settled(_keyed(lake, grown)), prune=prune)
    if stale is not None:
        _rekey(lake, stale, first - _MARK_REACH, batch_id)
    return n_events


def _keyed(lake: Lake, events: DataFrame, *, are_few: bool = False) -> DataFrame:
    """Events with the keys of processes that the lake's marks give them."""
    asked = unnamed_pids(events)  # no more than a batch has, however many marks an endpoint has left in its life
    marks = lake.read("process_marks").join(F.broadcast(asked), asked.columns, "left_semi")
    return with_process_keys(events, marks, are_few=are_few)


def _replace_marks(lake: Lake, grown: DataFrame) -> DataFrame:
    """Bring the marks of grown events up to date, and give those that stood there before."""
    ids = grown.select("event_id")
    before = settled(lake.read("process_marks").join(ids, "event_id", "left_semi"))
    now = settled(ids.join(process_marks(grown), "event_id", "left"))
    lake.merge("process_marks", now, delete_when="s.mark IS NULL")
    return before


def _grown_events(lake: Lake, there: DataFrame, events: DataFrame) -> DataFrame | None:
    """Events that are there already and of which this batch brought further records, made anew from all of them."""
    known = there.select("event_id", F.col("record_ids").alias("had"))
    partly = settled(
        events.join(known, "event_id")
        # fewer than are there: a batch that was cut off after the merge and comes again, or records sent again alone
        .where((F.size(F.array_except("record_ids", "had")) > 0) | (F.size("had") > F.size("record_ids")))
        .select(F.explode(F.array_union("record_ids", "had")).alias("record_id"))
        .distinct()
    )
    if partly.isEmpty():  # the common case must not cost a scan of raw
        return None
    records = settled(lake.read("raw").join(F.broadcast(partly), "record_id", "left_semi"))
    formats = formats_in(records)
    return distinct_events(settled(normalise_records(records, formats)), formats)


def _stale_events(lake: Lake, marks: DataFrame, grown: DataFrame | None, since: int) -> DataFrame | None:
    """Events that came in an earlier batch than what a batch tells of their processes' starts and ends."""
    if marks.isEmpty():
        return None
    earlier = lake.read("events").where(_since("ts", since))
    if grown is not None:  # is keyed anyway
        earlier = earlier.join(grown.select("event_id"), "event_id", "left_anti")
    ids = settled(stale_ids(earlier, marks))
    return None if ids.isEmpty() else settled(earlier.join(ids, "event_id", "left_semi"))


def _rekey(lake: Lake, stale: DataFrame, since: int, batch_id: str) -> None:
    """Give events the keys that they would have had, had they come after the marks that are known by now."""
    again = _keyed(lake, stale)
    before = stale.select("event_id", *[F.col(name).alias(f"_{name}") for name in _DERIVED])
    differs = reduce(or_, [~F.col(name).eqNullSafe(F.col(f"_{name}")) for name in _DERIVED])
    changed = settled(again.join(before, "event_id").where(differs).select(*again.columns))
    if not changed.isEmpty():
        lake.append("pending", pending_work(changed, lake, batch_id=batch_id))
        lake.merge("events", changed, prune=f"t.ts >= timestamp_micros({since})")


def pending_work(events: DataFrame, lake: Lake, *, batch_id: str) -> DataFrame:
    """The panes and windows that events fall into, each once, as rows of ``pending``."""
    slide, width = lake.settings.window_slide, lake.settings.window_width
    endpoints = (
        with_pane_start(events, slide)
        .groupBy(*_ENDPOINT)
        .agg(F.collect_set(F.unix_micros("pane_start")).alias("panes"), F.max("ingested_at").alias("ingested_at"))
    )
    windows = covering_windows(F.col("panes"), width=width, slide=slide)
    work = F.explode(F.concat(_work("pane", F.col("panes"), slide), _work("window", windows, width))).alias("work")
    return endpoints.select(*_ENDPOINT, work, "ingested_at").select(
        *_ENDPOINT, "work.*", "ingested_at", F.lit(batch_id).alias("batch_id")
    )


def _work(kind: str, starts: Column, length: timedelta) -> Column:
    """What begins at these microseconds, as an array of struct(kind, start, end)."""
    return F.transform(
        starts,
        lambda start: F.struct(
            F.lit(kind).alias("kind"),
            F.timestamp_micros(start).alias("start"),
            F.timestamp_micros(start + micros(length)).alias("end"),
        ),
    )


def _bounds(events: DataFrame) -> tuple[int, int, int, int]:
    """Number of events, of those with unnamed pids, and the first and last time in microseconds since 1970."""
    at = F.unix_micros("ts")
    row = events.agg(F.count(F.lit(1)), F.count_if(names_pids()), F.min(at), F.max(at)).first()
    return (row[0], row[1], row[2], row[3]) if row is not None and row[0] else (0, 0, 0, 0)


def _since(column: str, micros: int) -> Column:
    # a plain comparison with a literal, so that Delta skips files by their statistics
    return F.col(column) >= F.timestamp_micros(F.lit(micros))
