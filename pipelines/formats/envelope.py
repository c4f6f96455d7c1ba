"""The common envelope of a record: its time, endpoint and fields checked the same way whatever the format.

What a format's fields are called is left to the format; what the fields mean to ``pipelines.normalise``.
"""

from collections.abc import Collection
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.formats.registry import ENVELOPE

__all__ = ["JSON_OPTIONS", "Pieces", "glued_objects", "in_envelope", "looks_like_json", "told"]

# a NUL or tab that a shipper left unescaped inside a string does not spoil the record
JSON_OPTIONS = {"allowUnquotedControlChars": "true"}

_FIRST_YEAR, _LAST_YEAR = 1970, 2200  # times in [1970, 2200) are believed
_DATE_FIRST = r"^\d{4}-\d\d-\d\d[ T]\d"  # Spark would read a bare "10:15" as a time of today
_EMPTY = ("", "-")


@dataclass(frozen=True)
class Pieces:
    """What a format found in a record, as columns of the frame at hand; any of them may be null in a row.

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


def looks_like_json(record: Column) -> Column:
    """Say whether a record begins like a JSON object."""
    return F.startswith(record, F.lit("{"))


def glued_objects(record: Column) -> Column:
    """Say whether something follows the record's JSON object; the JSON reader would drop it without a word."""
    # `}{` is rare inside one object (only within a string), so the slow test hardly ever runs
    suspicious = F.contains(record, F.lit('}{"')) | F.contains(record, F.lit('} {"'))
    as_list = F.from_json(F.concat(F.lit("["), record, F.lit("]")), "array<map<string,string>>", JSON_OPTIONS)
    return ~F.endswith(F.rtrim(record, F.lit(" \r\n\t\u0000")), F.lit("}")) | (suspicious & as_list.isNull())


def told(fields: Column, *, without: Collection[str] = ()) -> Column:
    """Keep the entries of a map that say something: no null, empty or ``-`` value, and none of the keys given."""
    hidden = list(without)

    def says_something(key: Column, value: Column) -> Column:
        kept = value.isNotNull() & ~value.isin(*_EMPTY)
        return kept & ~key.isin(*hidden) if hidden else kept

    return F.map_filter(fields, says_something)


def in_envelope(rows: DataFrame, pieces: Pieces, *, platform: str, without: Collection[str] = ()) -> DataFrame:
    """Add the columns of `ENVELOPE`.

    Args:
        rows: rows of ``raw``, with the columns that ``pieces`` refers to beside them.
        pieces: what the format found.
        platform: ``windows`` or ``linux``.
        without: fields that are the shipper's, not the provider's.

    Returns:
        The columns of ``raw`` and of `ENVELOPE`; the format's own columns are gone.
    """
    own = [name for name in rows.columns if not name.startswith("_")]
    found = rows.select(
        *own,
        pieces.problem.alias("_problem"),
        pieces.time.alias("_time"),
        _timestamp(pieces.time).alias("_ts"),
        F.trim(pieces.code).alias("event_code"),
        _lower_name(pieces.endpoint).alias("_endpoint"),
        _nonempty(pieces.provider).alias("_provider"),
        _nonempty(pieces.channel).alias("channel"),
        _nonempty(pieces.message).alias("message"),
        told(pieces.fields, without=without).alias("_told"),
        told(pieces.header).alias("header"),
    )
    # a second step, so that what is used more than once is computed once (Spark does not inline it then)
    settled = found.select(
        *own, "channel", "message", "header", "event_code",
        F.coalesce("_problem", _time_problem(), _code_problem()).alias("reason"),
        F.coalesce("_endpoint", _lower_name(F.col("endpoint_hint")), F.lit("unknown")).alias("endpoint"),
        F.lit(platform).alias("platform"),
        _corrected("_ts").alias("ts"),
        F.coalesce("_provider", "channel", F.lit("unknown")).alias("provider"),
        _with_single_keys("_told").alias("data"),
    )  # fmt: skip
    group = _script_block().alias("group_key")
    return settled.select(*own, *[group if name == "group_key" else name for name in ENVELOPE])


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
        ~F.rlike(code, F.lit(r"^\d{1,10}$")), "event id is not a number"
    )


def _with_single_keys(name: str) -> Column:
    """A map without second occurrences of a key; the JSON reader keeps them, and then writers and readers fail."""
    fields, keys = F.col(name), F.map_keys(name)
    first_only = F.map_from_entries(
        F.filter(F.map_entries(fields), lambda entry, at: F.array_position(keys, entry["key"]) == at + 1)
    )
    return F.when(F.size(F.array_distinct(keys)) == F.size(keys), fields).otherwise(first_only)
