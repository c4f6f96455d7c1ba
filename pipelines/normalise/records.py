"""From lines to events: recognise, parse, and turn into rows of ``events`` or ``quarantine``, by whatever format.

The ledger that must always balance: each row of ``raw`` is named by exactly one event's ``record_ids`` or has exactly
one row in ``quarantine``. What an event means stands in ``windows`` and ``auditd``; filling process keys is
``process_keys``.
"""

from collections.abc import Callable
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipelines.formats.registry import ENVELOPE, formats_by_priority
from pipelines.lake import conform
from pipelines.normalise.auditd import auditd_events
from pipelines.normalise.windows import mapped_events
from pipelines.schemas.tables import table_named
from pipelines.schemas.telemetry import RAW

__all__ = ["PARSER_VERSION", "events_of", "parse_records", "quarantine_of", "recognise_records"]

PARSER_VERSION = "1"
"""Raised with every change of what a record becomes."""

_AUTO, _UNKNOWN, _AUDITD = "auto", "unknown", "auditd"


def recognise_records(lines: DataFrame) -> DataFrame:
    """Set ``source`` by content where it is ``auto``; ``unknown`` where no format recognises the record."""
    record = F.col("record")
    recognised: Column = F.lit(_UNKNOWN)
    for one in reversed(formats_by_priority()):
        recognised = F.when(one.recognises(record), one.name).otherwise(recognised)
    return lines.withColumn("source", F.when(F.col("source") == _AUTO, recognised).otherwise(F.col("source")))


def parse_records(raw: DataFrame) -> DataFrame:
    """Bring records into the envelope, one row out for each row in.

    Args:
        raw: columns of `RAW`; ``source_problem``, where it is not null, becomes the reason without any parsing.

    Returns:
        The columns of `RAW` and of `ENVELOPE`.
    """
    rows = raw.select(*RAW.names)
    readable, source = F.col("source_problem").isNull(), F.col("source")

    by_parser: dict[Callable[[DataFrame], DataFrame], list[str]] = {}
    for one in formats_by_priority():
        by_parser.setdefault(one.parse, []).append(one.name)
    known = [name for names in by_parser.values() for name in names]

    parts = [
        parse(rows.where(readable & source.isin(*names))) for parse, names in by_parser.items()
    ]
    refusal = (
        F.when(~readable, F.col("source_problem"))
        .when(F.trim(F.col("record")) == "", "empty line")
        .when(source == _UNKNOWN, "no format recognises the record")
        .otherwise(F.concat(F.lit("there is no format "), source))
    )
    refused = rows.where(~readable | ~source.isin(*known)).select(
        *RAW.names,
        *[(refusal if name == "reason" else F.lit(None).cast(kind)).alias(name) for name, kind in ENVELOPE.items()],
    )
    columns = [*RAW.names, *ENVELOPE]
    return reduce(DataFrame.unionByName, [part.select(*columns) for part in [*parts, refused]])


def quarantine_of(parsed: DataFrame) -> DataFrame:
    """Rows of `QUARANTINE`: what could not be read, with the reason."""
    refused = parsed.where(F.col("reason").isNotNull()).withColumn("parser_version", F.lit(PARSER_VERSION))
    return conform(refused, table_named("quarantine"))


def events_of(parsed: DataFrame, *, watch: Callable[[DataFrame], DataFrame] | None = None) -> DataFrame:
    """Rows of `EVENTS`: one an event, of all its records given; a function of the set of records.

    Args:
        parsed: output of `parse_records`.
        watch: applied to each part of ``parsed``, so that every row passes through it exactly once, e.g. to observe
            counts. (Observing ``parsed`` itself would make Spark parse it once a part.)
    """
    watch = watch or (lambda part: part)
    of_auditd = F.col("source") == _AUDITD
    rows = _one_a_group(mapped_events(watch(parsed.where(~of_auditd))))
    events = table_named("events")
    return conform(rows, events).unionByName(conform(auditd_events(watch(parsed.where(of_auditd))), events))


def _one_a_group(mapped: DataFrame) -> DataFrame:
    """Keep one row an event: equal records count once, numbered parts are joined in their order."""
    grouped = F.col("group_key").isNotNull()
    part = F.struct("part_number", "record_id", "script_text")
    keyed = mapped.withColumn(
        "event_id",
        F.when(grouped, F.sha2(F.concat_ws("\u0000", F.lit("parts"), "tenant", "group_key"), 256)).otherwise(
            F.col("record_id")
        ),
    ).withColumn("_part", F.when(grouped, part))
    # refused rows go along and are dropped at the end: a filter on `reason` here would be pushed below and make Spark
    # parse every record twice
    event = Window.partitionBy("event_id").orderBy("reason", "part_number", "record_id", "received_at")
    whole = event.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    first = keyed.select(
        *[name for name in keyed.columns if name not in ("ts", "_part", "received_at")],
        F.row_number().over(event).alias("_number"),
        F.min("ts").over(whole).alias("ts"),
        F.min("received_at").over(whole).alias("ingested_at"),
        F.array_sort(F.collect_list("_part").over(whole)).alias("_parts"),
    ).where((F.col("_number") == 1) & F.col("reason").isNull())
    parts = F.col("_parts")
    once = F.filter(parts, lambda one, at: (at == 0) | ~one["part_number"].eqNullSafe(
        F.get(parts, at - 1)["part_number"]))  # fmt: skip
    text = F.array_join(F.transform(once, lambda one: one["script_text"]), "")
    record_ids = F.when(grouped, F.array_sort(F.array_distinct(F.transform(parts, lambda one: one["record_id"]))))
    return (
        first.withColumn("record_ids", F.coalesce(record_ids, F.array("record_id")))
        .withColumn("record_id", F.element_at("record_ids", 1))
        .withColumn("script_text", F.when(grouped, text).otherwise(F.col("script_text")))
        .withColumn("parser_version", F.lit(PARSER_VERSION))
    )
