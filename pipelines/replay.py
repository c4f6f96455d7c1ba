"""Reading quarantined records again, once a parser was mended or a format added.

Exact and safe to repeat: a record leaves ``quarantine`` only when it is part of an event, and what was cut off in between
is brought to its end by the next replay. Windows that the events fall into go on the work list, so that the next round of
detection scores them anew.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.ingestion import distinct_events, write_events
from pipelines.lake import Lake
from pipelines.lineage import released_after, settled
from pipelines.normalise.records import PARSER_VERSION, formats_in, normalise_records, recognise_records
from pipelines.sources.files import AUTO_FORMAT

__all__ = ["ReplayCounts", "Selection", "replay_quarantine"]

_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Selection:
    """Which rows of ``quarantine``; what is None does not restrict.

    Attributes:
        tenant: whose.
        source: format that the record was taken for.
        reason: text that the reason contains.
        first: earliest `received_at` (UTC).
        last: end of `received_at` (UTC), not in it.
    """

    tenant: str | None = None
    source: str | None = None
    reason: str | None = None
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True)
class ReplayCounts:
    """What a replay did, in rows of ``quarantine``.

    Attributes:
        n_selected: rows that were asked for.
        n_torn: of these, rows whose text the source could not read whole, so that there is nothing to read again.
        n_read: rows that are part of an event now, and gone from ``quarantine``.
        n_events: events that they are part of.
    """

    n_selected: int
    n_torn: int
    n_read: int
    n_events: int


@released_after()
def replay_quarantine(lake: Lake, selection: Selection, *, record_format: str | None = None) -> ReplayCounts:
    """Read quarantined records again by the parsers of this version.

    What is refused again stays, with the reason and version of now. The caller holds the lake (`pipelines.locks.owning`).

    Args:
        lake: the tables.
        selection: which records.
        record_format: read them as this format, ``auto``: as whatever their text looks like now. By default as before,
            and those that no format recognised as what their text looks like now.
    """
    chosen = settled(lake.read("quarantine").where(_is_selected(selection)))
    whole = chosen.where(F.col("source_problem").isNull())
    records = settled(recognise_records(_to_be_read(whole, record_format)))
    formats = formats_in(records)
    parsed = settled(normalise_records(records, formats))
    n_selected, n_torn = chosen.agg(F.count(F.lit(1)), F.count("source_problem")).collect()[0]
    n_read = parsed.where(F.col("reason").isNull()).count()
    n_events = 0
    if n_selected > n_torn:
        # before the events: should one of them grow later on, its records must be found in raw under their format
        _tell_format(lake, parsed)
    if n_read:
        n_events = write_events(
            lake, distinct_events(parsed, formats), stream_id=f"replay-{uuid.uuid4().hex[:12]}", number=0
        )
        read = parsed.where(F.col("reason").isNull()).select("record_id").distinct()
        # equal records that were not asked for as well: the event accounts for all of them
        merge = lake.delta("quarantine").alias("t").merge(read.alias("s"), "t.record_id = s.record_id")
        merge.whenMatchedDelete().execute()
    if n_selected > n_torn + n_read:
        _tell_reason(lake, parsed.where(F.col("reason").isNotNull()))
    return ReplayCounts(n_selected, n_torn, n_read, n_events)


def _is_selected(selection: Selection) -> Column:
    received_at, given = F.col("received_at"), [F.lit(True)]
    if selection.tenant is not None:
        given.append(F.col("tenant") == selection.tenant)
    if selection.source is not None:
        given.append(F.col("source") == selection.source)
    if selection.reason is not None:
        given.append(F.contains("reason", F.lit(selection.reason)))
    if selection.first is not None:
        given.append(received_at >= F.lit(selection.first))
    if selection.last is not None:
        given.append(received_at < F.lit(selection.last))
    return reduce(and_, given)


def _to_be_read(rows: DataFrame, record_format: str | None) -> DataFrame:
    if record_format is not None:
        return rows.withColumn("source", F.lit(record_format))
    return rows.withColumn("source", F.when(F.col("source") == _UNKNOWN, AUTO_FORMAT).otherwise(F.col("source")))


def _tell_format(lake: Lake, parsed: DataFrame) -> None:
    """Note in ``raw`` what the records were taken for."""
    first, last = parsed.agg(F.min(F.unix_micros("received_at")), F.max(F.unix_micros("received_at"))).collect()[0]
    prune = f"t.received_at BETWEEN timestamp_micros({first}) AND timestamp_micros({last})"
    formats = parsed.select("record_id", "origin", "source")
    match = f"{prune} AND t.record_id = s.record_id AND t.origin = s.origin"
    merge = lake.delta("raw").alias("t").merge(formats.alias("s"), match)
    merge.whenMatchedUpdate("t.source <> s.source", {"source": "s.source"}).execute()


def _tell_reason(lake: Lake, refused: DataFrame) -> None:
    """Note in ``quarantine`` by which parsers the records were refused again, and why."""
    match = "t.record_id = s.record_id AND t.origin = s.origin"
    now = refused.select("record_id", "origin", "source", "reason")
    merge = lake.delta("quarantine").alias("t").merge(now.alias("s"), match)
    changed = {"source": "s.source", "reason": "s.reason", "parser_version": f"'{PARSER_VERSION}'"}
    merge.whenMatchedUpdate(f"t.reason <> s.reason OR t.parser_version <> '{PARSER_VERSION}'", changed).execute()
