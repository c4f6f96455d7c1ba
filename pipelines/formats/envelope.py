"""Formats of numbered events, and the common envelope of their records: time, endpoint and fields checked the same way.

All of them are read in one pass, for a plan of one branch a format takes Spark seconds to compile for every micro-batch;
and only those that a batch has are in its plan, for the same reason.
What a format's fields are called is left to the format; what the fields mean to ``pipelines.normalise``.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields
from functools import cache, reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.arrays import unpacked
from pipelines.formats.registry import ENVELOPE, Format, Parse, formats_by_priority

__all__ = [
    "JSON_OPTIONS", "NumberedFormat", "Pieces", "has_more", "looks_like_json", "parse_numbered", "read_flat_json",
    "without",
]  # fmt: skip

# a NUL or tab that a shipper left unescaped inside a string does not spoil the record
JSON_OPTIONS = {"allowUnquotedControlChars": "true"}

_FIRST_YEAR, _LAST_YEAR = 1970, 2200  # times in [1970, 2200) are believed
_DATE_FIRST = r"^\d{4}-\d\d-\d\d[ T]\d"  # Spark would read a bare "10:15" as a time of today
_EMPTY = ("", "-")
_MAP = "map<string,string>"


@dataclass(frozen=True)
class Pieces:
    """What a format found in a record; any of them may be null.

    Attributes:
        problem: why the record cannot be read, null where it can.
        time: the record's own time as text, with zone or in UTC.
        code: the provider's event number as text.
        endpoint: the machine's name.
        provider: who logged it.
        channel: where it was logged.
        message: the rendered text.
        fields: what the provider told, not yet cleaned.
        header: what else the record says of itself.
        platform: where each record says its own; by default the format's.
    """

    problem: Column
    time: Column
    code: Column
    endpoint: Column
    provider: Column
    channel: Column
    message: Column
    fields: Column
    header: Column
    platform: Column | None = None


_PIECES = tuple(one.name for one in fields(Pieces) if one.name != "platform")


def parse_numbered(rows: DataFrame, names: tuple[str, ...]) -> DataFrame:
    """Add the columns of `ENVELOPE`; the ``parse`` of every `NumberedFormat`.

    Args:
        rows: rows of ``raw``.
        names: the numbered formats that are among them; rows of others are not read.
    """
    own = rows.columns
    # each step is one of its own, so that what the next uses more than once is computed once
    steps = (_read_columns(names), _found_columns(names), _opened_columns(), _checked_columns(), _envelope_columns())
    for columns in steps:
        rows = rows.select(*own, *columns)
    return rows


@dataclass(frozen=True, kw_only=True)
class NumberedFormat(Format):
    """A format whose records each are one event with a provider, a number and named fields.

    Attributes:
        read: takes a record's text apart, once; the same function in two formats is run once for both.
        pieces: from the record and what ``read`` made of it.
        has_numbers: whether its events' codes are numbers; else they are names that the format gives.
    """

    read: Callable[[Column], Column]
    pieces: Callable[[Column, Column], Pieces]
    has_numbers: bool = True
    parse: Parse = field(default=parse_numbered)


def looks_like_json(record: Column) -> Column:
    """Say whether a record begins like a JSON object."""
    return F.startswith(record, F.lit("{"))


def read_flat_json(record: Column) -> Column:
    """Read an object whose members are all fields; what is nested becomes text."""
    return F.from_json(record, _MAP, JSON_OPTIONS)


def has_more(record: Column) -> Column:
    """Say whether something follows the record's JSON object; the JSON reader would drop it without a word."""
    # `}{` is rare inside one object (only within a string), so the slow test hardly ever runs
    suspicious = F.contains(record, F.lit('}{"')) | F.contains(record, F.lit('} {"'))
    as_list = F.from_json(F.concat(F.lit("["), record, F.lit("]")), f"array<{_MAP}>", JSON_OPTIONS)
    # trimming counts the characters of the whole record, so only where there is something to trim
    is_closed = F.endswith(record, F.lit("}")) | F.endswith(F.rtrim(record, F.lit(" \r\n\t\u0000")), F.lit("}"))
    return ~is_closed | (suspicious & as_list.isNull())


def without(entries: Column, hidden: Collection[str]) -> Column:
    """A map without the keys given: what is the shipper's, not the provider's."""
    return F.map_filter(entries, lambda key, _: ~key.isin(*hidden))


def _told(entries: Column) -> Column:
    """The entries of a map that say something."""
    return F.map_filter(unpacked(entries), lambda _, value: value.isNotNull() & ~value.isin(*_EMPTY))


def _told_header(header: Column) -> Column:
    """The same, but for nulls, which stay: a header is small and mostly whole, and a lambda costs more than looking."""
    values = F.map_values(header)
    says_nothing = reduce(or_, [F.coalesce(F.array_contains(values, empty), F.lit(False)) for empty in _EMPTY])
    return F.when(says_nothing, _told(header)).otherwise(header)


# The columns of a step are the same for all rows and made once a process and set of formats: each is dozens of calls
# into Java.


@cache
def _formats() -> tuple[NumberedFormat, ...]:
    return tuple(one for one in formats_by_priority() if isinstance(one, NumberedFormat))


@cache
def _named() -> tuple[str, ...]:
    return tuple(one.name for one in _formats() if not one.has_numbers)


@cache
def _readers() -> dict[Callable[[Column], Column], str]:
    """The column that holds what each reader made of a record."""
    return {read: f"_read_{number}" for number, read in enumerate(dict.fromkeys(one.read for one in _formats()))}


@cache
def _read_columns(names: tuple[str, ...]) -> tuple[Column | str, ...]:
    is_readable = F.col("source_problem").isNull()
    columns = []
    for read, column in _readers().items():
        sources = [one.name for one in _formats() if one.read is read and one.name in names]
        if sources:
            columns.append(F.when(is_readable & F.col("source").isin(*sources), read(F.col("record"))).alias(column))
    return tuple(columns)


@cache
def _found_columns(names: tuple[str, ...]) -> tuple[Column | str, ...]:
    record, found = F.col("record"), F.lit(None).cast(_pieces_type())
    for one in reversed(_formats()):
        if one.name in names:
            pieces = one.pieces(record, F.col(_readers()[one.read]))
            found = F.when(F.col("source") == one.name, _as_struct(pieces, one.platform)).otherwise(found)
    more = F.when(looks_like_json(record) & has_more(record), "text after the JSON object")
    return found.alias("_found"), more.alias("_more")


def _pieces_type() -> str:
    return f"struct<{', '.join(f'{name}: {_piece_type(name)}' for name in (*_PIECES, 'platform'))}>"


def _piece_type(name: str) -> str:
    return _MAP if name in ("fields", "header") else "string"


def _as_struct(pieces: Pieces, platform: str) -> Column:
    told = [getattr(pieces, name).cast(_piece_type(name)).alias(name) for name in _PIECES]
    own = F.lit(platform) if pieces.platform is None else pieces.platform
    return F.struct(*told, own.alias("platform"))


@cache
def _opened_columns() -> tuple[Column | str, ...]:
    piece = F.col("_found")
    return (
        "_more",
        piece["problem"].alias("_problem"),
        piece["time"].alias("_time"),
        _timestamp(piece["time"]).alias("_ts"),
        F.trim(piece["code"]).alias("event_code"),
        _lower_name(piece["endpoint"]).alias("_endpoint"),
        _nonempty(piece["provider"]).alias("_provider"),
        _nonempty(piece["channel"]).alias("channel"),
        _nonempty(piece["message"]).alias("message"),
        piece["platform"].alias("platform"),
        _told(piece["fields"]).alias("_told"),
        _told_header(piece["header"]).alias("header"),
    )


@cache
def _checked_columns() -> tuple[Column | str, ...]:
    return (
        "channel", "message", "header", "event_code", "platform",
        F.coalesce("_problem", "_more", _time_problem(), _code_problem()).alias("reason"),
        F.coalesce("_endpoint", _lower_name(F.col("endpoint_hint")), F.lit("unknown")).alias("endpoint"),
        _corrected("_ts").alias("ts"),
        F.coalesce("_provider", "channel", F.lit("unknown")).alias("provider"),
        F.col("_told").alias("data"),
    )  # fmt: skip


@cache
def _envelope_columns() -> tuple[Column | str, ...]:
    return tuple(_script_block().alias(name) if name == "group_key" else name for name in ENVELOPE)


def _script_block() -> Column:
    """Group key of the numbered parts that PowerShell cuts a long script block into (4104); null for all else."""
    data, total = F.col("data"), F.col("data")["MessageTotal"]
    is_part = (F.col("event_code") == "4104") & (F.expr("try_cast(data['MessageTotal'] AS int)") > 1)
    key = F.concat_ws("|", F.lower(data["ScriptBlockId"]), total, "endpoint")
    return F.when(is_part & data["ScriptBlockId"].isNotNull(), key)


def _nonempty(text: Column) -> Column:
    return F.when(F.length(text) > 0, text)


def _lower_name(name: Column) -> Column:
    return _nonempty(F.lower(F.trim(name)))


def _timestamp(text: Column) -> Column:
    return F.when(F.rlike(text, F.lit(_DATE_FIRST)), F.try_to_timestamp(text))


def _corrected(ts: str) -> Column:
    """A time with the source's clock correction, null where it leaves the years that are believed."""
    moved = F.expr(f"try_add(unix_micros({ts}), try_multiply(coalesce(clock_offset_seconds, 0L), 1000000L))")
    first, last = _micros_of_year(_FIRST_YEAR), _micros_of_year(_LAST_YEAR)
    return F.when((moved >= first) & (moved < last), F.timestamp_micros(moved))


def _micros_of_year(year: int) -> int:
    days = 365 * (year - 1970) + (year - 1969) // 4 - (year - 1901) // 100 + (year - 1601) // 400
    return days * 86_400_000_000


def _time_problem() -> Column:
    return (
        F.when(F.col("_time").isNull() | (F.length("_time") == 0), "no time")
        .when(F.col("_ts").isNull(), "time cannot be read")
        .when(_corrected("_ts").isNull(), f"time outside {_FIRST_YEAR} to {_LAST_YEAR}")
    )


def _code_problem() -> Column:
    code = F.col("event_code")
    return F.when(code.isNull() | (F.length(code) == 0), "no event id").when(
        ~F.rlike(code, F.lit(r"^\d{1,10}$")) & ~F.col("source").isin(*_named()), "event id is not a number"
    )
