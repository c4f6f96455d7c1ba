"""From lines to events: recognise, parse, and turn into rows of ``events`` or ``quarantine``, by whatever format.

The ledger that must always balance: each row of ``raw`` is named by exactly one event's ``record_ids`` or has exactly
one row in ``quarantine``. What an event means stands in ``windows`` and ``auditd``; filling process keys is
``process_keys``.
"""

from functools import cache, partial, reduce
from operator import or_

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipelines.formats import hec_envelope
from pipelines.formats.device_tables import DEVICE_TABLES
from pipelines.formats.envelope import parse_numbered
from pipelines.formats.registry import ENVELOPE, Parse, formats_by_priority
from pipelines.formats.table_row import TABLE_ROW
from pipelines.lake import conform
from pipelines.normalise.auditd import AUDIT, auditd_events
from pipelines.normalise.identity import content_id
from pipelines.normalise.table_rows import table_row_events
from pipelines.normalise.windows import mapped_events
from pipelines.schemas.tables import table_named
from pipelines.schemas.telemetry import RAW

__all__ = [
    "PARSER_VERSION", "by_kind", "events_of", "formats_in", "known_format", "normalise_records", "parse_records",
    "quarantine_of", "recognise_records", "repeated_ids",
]  # fmt: skip

PARSER_VERSION = "1"
"""Of what a record becomes; each row of ``events`` and ``quarantine`` carries that of the parsers that made it.

Raise it in the commit that gives an event, field or reason of quarantine another value than before, once per release:
rows of one version are all made alike, and history of an earlier one can be found and read again. It is 1 until the first
release. A format that is new raises it as well, since its records were quarantined before; what only makes parsing
faster does not. A training lake of another version is refused.
"""

_AUTO, _UNKNOWN = "auto", "unknown"
_KNOWN = tuple(one.name for one in formats_by_priority())
_ALL = frozenset([*_KNOWN, _UNKNOWN])
_MAPPED_ROWS = frozenset([TABLE_ROW, DEVICE_TABLES])
_OPENED = ("record", "endpoint_hint")  # what an envelope around a record changes


def recognise_records(lines: DataFrame) -> DataFrame:
    """Set ``source`` by content where it is ``auto``; ``unknown`` where no format recognises the record.

    Of a record in an envelope of Splunk's HTTP Event Collector it is the event that counts.
    """
    # a column of its own, so that it is opened once
    return lines.withColumn("_event", _envelope()["record"]).withColumn("source", _recognised()).drop("_event")


# Expressions that are the same for all rows are made once a process: each is dozens of calls into Java.


@cache
def _envelope() -> Column:
    return hec_envelope.opened(F.col("record"))


@cache
def _recognised() -> Column:
    record, recognised = F.coalesce("_event", "record"), F.lit(_UNKNOWN)
    for one in reversed(formats_by_priority()):
        recognised = F.when(one.recognises(record), one.name).otherwise(recognised)
    return F.when(F.col("source") == _AUTO, recognised).otherwise(F.col("source"))


def known_format() -> Column:
    """A row's ``source`` if it is a format's name, ``unknown`` otherwise: few values, whatever the rows are."""
    return F.when(F.col("source").isin(*_KNOWN), F.col("source")).otherwise(_UNKNOWN)


def formats_in(rows: DataFrame) -> frozenset[str]:
    """All values of `known_format` among rows; a pass over one column."""
    return frozenset(rows.agg(F.collect_set(known_format())).collect()[0][0])


def parse_records(raw: DataFrame, formats: frozenset[str] | None = None) -> DataFrame:
    """Bring records into the envelope, one row out for each row in.

    Args:
        raw: columns of `RAW`; ``source_problem``, where it is not null, becomes the reason without any parsing.
        formats: `formats_in` the rows, or a superset; of any others the plan has nothing, which is most of what a small
            batch costs. All by default.

    Returns:
        The columns of `RAW` and of `ENVELOPE`.
    """
    parts = [_parsed(rows, parse, names) for parse, names, rows in _by_parse(raw, formats)]
    return reduce(DataFrame.unionByName, parts)


def normalise_records(raw: DataFrame, formats: frozenset[str] | None = None) -> DataFrame:
    """Parse records and map those that are events by themselves, one row out for each row in.

    Args:
        raw: as in `parse_records`.
        formats: as in `parse_records`.

    Returns:
        The columns of `RAW` and of `ENVELOPE`; of records that were mapped ``data``, ``message`` and ``header`` are null,
        and there are the columns of `mapped_events` and event_id beside them. To be settled before it is used twice.
    """
    parts = []
    for parse, names, rows in _by_parse(raw, formats):
        part = _parsed(rows, parse, names)
        of_audit = [name for name in names if name in AUDIT]
        if not names or len(of_audit) < len(names):
            is_mapped = not _MAPPED_ROWS.isdisjoint(names)
            mapped = table_row_events(part) if is_mapped else mapped_events(part)
            part = mapped.withColumns({"event_id": _event_id(), **_used_up(of_audit)})
        parts.append(part)
    return reduce(partial(DataFrame.unionByName, allowMissingColumns=True), parts)


def _by_parse(raw: DataFrame, formats: frozenset[str] | None) -> list[tuple[Parse, tuple[str, ...], DataFrame]]:
    """Parsers, the formats that each takes in one pass, and the rows of these."""
    given, rows = formats if formats is not None else _ALL, raw.select(*RAW.names)
    by_parse: dict[Parse, list[str]] = {parse_numbered: []} if _UNKNOWN in given or not given else {}
    for one in formats_by_priority():
        if one.name in given:
            by_parse.setdefault(one.parse, []).append(one.name)
    if len(by_parse) == 1:
        return [(parse, tuple(names), rows) for parse, names in by_parse.items()]
    # what no format takes goes with the many, so that it costs no pass of its own
    apart = {parse: _is_any(names) for parse, names in by_parse.items() if parse is not parse_numbered}
    rest = ~reduce(or_, apart.values())
    return [(parse, tuple(names), rows.where(apart.get(parse, rest))) for parse, names in by_parse.items()]


def _parsed(rows: DataFrame, parse: Parse, names: tuple[str, ...]) -> DataFrame:
    received = F.col("_received")
    refusal = (
        F.when(F.col("source_problem").isNotNull(), F.col("source_problem"))
        .when(received["problem"].isNotNull(), received["problem"])
        .when(F.trim(F.col("record")) == "", "empty line")
        .when((F.col("source") == _UNKNOWN) & received.isNotNull(), "no format recognises the event in the envelope")
        .when(F.col("source") == _UNKNOWN, "no format recognises the record")
        .when(~F.col("source").isin(*_KNOWN), F.concat(F.lit("there is no format "), "source"))
    )
    settled = {
        "reason": F.coalesce(refusal, "reason"),
        # a record that is refused is part of no event
        "group_key": F.when(refusal.isNull() & F.col("reason").isNull(), F.col("group_key")),
        # as they came
        **{name: F.when(received.isNull(), F.col(name)).otherwise(received[name]) for name in _OPENED},
    }
    columns = [settled[name].alias(name) if name in settled else name for name in [*RAW.names, *ENVELOPE]]
    return parse(_opened(rows), names).select(*columns)


def _opened(rows: DataFrame) -> DataFrame:
    """Records without their HEC envelopes, for the formats to read; what had one is in ``_received`` as it came."""
    found, columns = _opened_columns()
    return rows.withColumn("_found", found).select(*columns)  # two steps, so that it is opened once


@cache
def _opened_columns() -> tuple[Column, tuple[Column | str, ...]]:
    found = F.col("_found")
    received = F.struct(*_OPENED, found["problem"].alias("problem"))
    columns: tuple[Column | str, ...] = (
        *[name for name in RAW.names if name not in _OPENED],
        F.coalesce(found["record"], "record").alias("record"),
        F.coalesce(found["host"], "endpoint_hint").alias("endpoint_hint"),
        F.when(found.isNotNull(), received).alias("_received"),
    )
    return F.when(F.col("source_problem").isNull(), _envelope()), columns


def _used_up(of_audit: list[str]) -> dict[str, Column]:
    """What mapped records need no more; those of audit are still to be put together from it."""
    kept = F.col("source").isin(*of_audit) if of_audit else F.lit(False)
    return {name: F.when(kept, F.col(name)) for name in ("data", "message", "header")}


def _is_any(names: list[str]) -> Column:
    # never null, so that a condition and its negation together take every row, and Spark sees that they exclude each other
    return reduce(or_, [F.col("source").eqNullSafe(F.lit(name)) for name in names])


def quarantine_of(parsed: DataFrame) -> DataFrame:
    """Rows of `QUARANTINE`: what could not be read, with the reason."""
    refused = parsed.where(F.col("reason").isNotNull()).withColumn("parser_version", F.lit(PARSER_VERSION))
    return conform(refused, table_named("quarantine"))


def repeated_ids(normalised: DataFrame) -> DataFrame:
    """Column event_id: those of mapped records that more than one row has, each once."""
    mapped = normalised.where(F.col("reason").isNull() & F.col("event_id").isNotNull())
    return mapped.groupBy("event_id").agg(F.count(F.lit(1)).alias("n")).where(F.col("n") > 1).select("event_id")


def events_of(normalised: DataFrame, formats: frozenset[str] | None = None, *, are_single: bool = False) -> DataFrame:
    """Rows of `EVENTS`: one an event, of all its records given; a function of the set of records.

    Args:
        normalised: output of `normalise_records`; best settled, since it is read several times.
        formats: as in `parse_records`.
        are_single: whether it is known that there are no `repeated_ids`, so that nothing has to be put together.
    """
    events, (audit, mapped) = table_named("events"), by_kind(normalised, formats)
    parts = []
    if audit is not None:
        of_audit = (_ALL if formats is None else formats).intersection(AUDIT)
        parts.append(auditd_events(audit.select(*RAW.names, *ENVELOPE), of_audit))
    if mapped is not None:
        parts.append(_single(mapped) if are_single else _one_a_group(mapped))
    return reduce(DataFrame.unionByName, [conform(part, events) for part in parts])


def by_kind(normalised: DataFrame, formats: frozenset[str] | None = None) -> tuple[DataFrame | None, DataFrame | None]:
    """Rows of audit records, still to be put together, and rows that were mapped; None where no format is of that kind.

    Args:
        normalised: output of `normalise_records`.
        formats: as in `parse_records`.
    """
    given = formats if formats is not None else _ALL
    if given.isdisjoint(AUDIT):
        return None, normalised
    if given.issubset(AUDIT):
        return normalised, None
    is_audit = _is_any(list(AUDIT))
    return normalised.where(is_audit), normalised.where(~is_audit)


def _event_id() -> Column:
    of_parts = content_id(F.lit("parts"), "tenant", "group_key")
    return F.when(F.col("group_key").isNotNull(), of_parts).otherwise(F.col("record_id"))


def _single(mapped: DataFrame) -> DataFrame:
    """Events of rows that each are the only one of theirs."""
    columns = {
        "ingested_at": F.col("received_at"),
        "record_ids": F.array("record_id"),
        "parser_version": F.lit(PARSER_VERSION),
    }
    return mapped.where(F.col("reason").isNull()).withColumns(columns)


def _one_a_group(mapped: DataFrame) -> DataFrame:
    """Keep one row an event: equal records count once, numbered parts are joined in their order."""
    part = F.when(F.col("group_key").isNotNull(), F.struct("part_number", "record_id", "script_text"))
    keyed = mapped.withColumn("_part", part)
    # refused rows go along and are dropped at the end: a filter on `reason` here would be pushed below and make Spark
    # parse every record twice
    first = keyed.select(
        *[name for name in keyed.columns if name not in ("ts", "_part", "received_at")], *_first_columns()
    ).where((F.col("_number") == 1) & F.col("reason").isNull())
    return first.withColumns(_joined_columns()).withColumn("record_id", F.element_at("record_ids", 1))


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
