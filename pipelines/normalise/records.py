"""From lines to events: recognise, parse, and turn into rows of ``events`` or ``quarantine``, by whatever format.

The ledger that must always balance: each row of ``raw`` is named by exactly one event's ``record_ids`` or has exactly
one row in ``quarantine``. What an event means stands in ``windows`` and ``auditd``; filling process keys is
``process_keys``.
"""

from collections.abc import Callable
from functools import cache, reduce
from operator import or_

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipelines.formats.envelope import parse_numbered
from pipelines.formats.registry import ENVELOPE, formats_by_priority
from pipelines.lake import conform
from pipelines.normalise.auditd import AUDIT, auditd_events
from pipelines.normalise.windows import mapped_events
from pipelines.schemas.tables import table_named
from pipelines.schemas.telemetry import RAW

__all__ = ["PARSER_VERSION", "events_of", "parse_records", "quarantine_of", "recognise_records"]

PARSER_VERSION = "1"
"""Of what a record becomes; each row of ``events`` and ``quarantine`` carries that of the parsers that made it.

Raise it in the commit that gives an event, field or reason of quarantine another value than before, once per release:
rows of one version are all made alike, and history of an earlier one can be found and read again. It is 1 until the first
release. A format that is new raises it as well, since its records were quarantined before; what only makes parsing
faster does not. A training lake of another version is refused.
"""

_AUTO, _UNKNOWN = "auto", "unknown"


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
    by_parser: dict[Callable[[DataFrame], DataFrame], list[str]] = {parse_numbered: []}
    for one in formats_by_priority():
        by_parser.setdefault(one.parse, []).append(one.name)
    apart = {parse: _is_any(names) for parse, names in by_parser.items() if parse is not parse_numbered}
    # what no format takes goes with the many, so that it costs no pass of its own
    rest = ~reduce(or_, apart.values()) if apart else F.lit(True)
    parts = [parse_numbered(rows.where(rest)), *[parse(rows.where(cond)) for parse, cond in apart.items()]]

    known = [name for names in by_parser.values() for name in names]
    refusal = (
        F.when(F.col("source_problem").isNotNull(), F.col("source_problem"))
        .when(F.trim(F.col("record")) == "", "empty line")
        .when(F.col("source") == _UNKNOWN, "no format recognises the record")
        .when(~F.col("source").isin(*known), F.concat(F.lit("there is no format "), "source"))
    )
    settled = {
        "reason": F.coalesce(refusal, "reason"),
        # a record that is refused is part of no event
        "group_key": F.when(refusal.isNull() & F.col("reason").isNull(), F.col("group_key")),
    }
    columns = [settled[name].alias(name) if name in settled else name for name in [*RAW.names, *ENVELOPE]]
    return reduce(DataFrame.unionByName, [part.select(*columns) for part in parts])


def _is_any(names: list[str]) -> Column:
    # never null, so that a condition and its negation together take every row, and Spark sees that they exclude each other
    return reduce(or_, [F.col("source").eqNullSafe(F.lit(name)) for name in names])


def quarantine_of(parsed: DataFrame) -> DataFrame:
    """Rows of `QUARANTINE`: what could not be read, with the reason."""
    refused = parsed.where(F.col("reason").isNotNull()).withColumn("parser_version", F.lit(PARSER_VERSION))
    return conform(refused, table_named("quarantine"))


def events_of(parsed: DataFrame) -> DataFrame:
    """Rows of `EVENTS`: one an event, of all its records given; a function of the set of records.

    Args:
        parsed: output of `parse_records`; best settled, since it is read twice.
    """
    of_auditd = _is_any(list(AUDIT))
    events = table_named("events")
    single = conform(_one_a_group(mapped_events(parsed.where(~of_auditd))), events)
    return single.unionByName(conform(auditd_events(parsed.where(of_auditd)), events))


def _one_a_group(mapped: DataFrame) -> DataFrame:
    """Keep one row an event: equal records count once, numbered parts are joined in their order."""
    keyed = mapped.withColumns(_group_columns())
    # refused rows go along and are dropped at the end: a filter on `reason` here would be pushed below and make Spark
    # parse every record twice
    first = keyed.select(
        *[name for name in keyed.columns if name not in ("ts", "_part", "received_at")], *_first_columns()
    ).where((F.col("_number") == 1) & F.col("reason").isNull())
    return first.withColumns(_joined_columns()).withColumn("record_id", F.element_at("record_ids", 1))


@cache
def _group_columns() -> dict[str, Column]:
    grouped = F.col("group_key").isNotNull()
    of_parts = F.sha2(F.concat_ws("\u0000", F.lit("parts"), "tenant", "group_key"), 256)
    return {
        "event_id": F.when(grouped, of_parts).otherwise(F.col("record_id")),
        "_part": F.when(grouped, F.struct("part_number", "record_id", "script_text")),
    }


@cache
def _first_columns() -> tuple[Column, ...]:
    event = Window.partitionBy("event_id").orderBy("reason", "part_number", "record_id", "received_at")
    whole = event.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    return (
        F.row_number().over(event).alias("_number"),
        F.min("ts").over(whole).alias("ts"),
        F.min("received_at").over(whole).alias("ingested_at"),
        F.array_sort(F.collect_list("_part").over(whole)).alias("_parts"),
    )


@cache
def _joined_columns() -> dict[str, Column]:
    grouped, parts = F.col("group_key").isNotNull(), F.col("_parts")
    once = F.filter(
        parts, lambda one, at: (at == 0) | ~one["part_number"].eqNullSafe(F.get(parts, at - 1)["part_number"])
    )
    text = F.array_join(F.transform(once, lambda one: one["script_text"]), "")
    record_ids = F.when(grouped, F.array_sort(F.array_distinct(F.transform(parts, lambda one: one["record_id"]))))
    return {
        "record_ids": F.coalesce(record_ids, F.array("record_id")),
        "script_text": F.when(grouped, text).otherwise(F.col("script_text")),
        "parser_version": F.lit(PARSER_VERSION),
    }
