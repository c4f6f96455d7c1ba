"""Linux audit records as auditd writes them: one ``type=… msg=audit(time:serial): key=value …`` a line.

Plain and ENRICHED (names of ids after a 0x1D byte), with ``node=`` and behind a syslog header or without. Records of one
event share its stamp; putting them together is ``pipelines.normalise.auditd``.
"""

from functools import cache

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.arrays import with_single_keys
from pipelines.formats.registry import ENVELOPE, Format

__all__ = ["FORMAT"]

_STAMP = "msg=audit("
_STAMP_FORM = r"^\d{1,11}\.\d{3}:\d{1,20}$"
_LAST_SECOND = 7_258_118_400  # 2200-01-01: times are believed below
_ENRICHED = "\u001d"
# value in double quotes, in braces (SADDR), or up to the next space; a name that is not followed by = is not tried again
# from each of its letters, a brace not closed is not looked for beyond the next
_PAIR = r"""(?<![\w\[\]-])([A-Za-z_][\w\[\]-]*+)=("[^"]*"|\{[^{}]*\}|[^\s"']*)"""
_ENCODABLE = (
    "acct", "cmd", "comm", "cwd", "data", "exe", "grp", "key", "name", "new-disk", "old-disk", "ocomm", "op", "path",
    "proctitle", "vm", "watch",
)  # fmt: skip
_UNSET = ("4294967295", "(null)", "(none)", "?", "")


def _recognises(record: Column) -> Column:
    return F.contains(record, F.lit("type=")) & F.contains(record, F.lit(_STAMP)) & ~F.startswith(record, F.lit("{"))


def _parse(rows: DataFrame) -> DataFrame:
    own = rows.columns
    # each step is one of its own, so that what the next uses more than once is computed once
    for step in (_cut_columns, _pair_columns, _checked_columns, _envelope_columns):
        rows = rows.select(*own, *step())
    return rows


# The columns of a step are the same for all rows and made once a process: each is dozens of calls into Java.


@cache
def _cut_columns() -> tuple[Column, ...]:
    record = F.col("record")
    head = F.substring_index(record, _STAMP, 1)
    rest = F.substring(record, F.length(head) + F.lit(1 + len(_STAMP)), F.length(record))
    node = F.substring_index(F.substring_index(head, "node=", -1), " ", 1)
    body = F.substring(rest, F.instr(rest, ")") + F.lit(1), F.length(rest))
    # the quotes of msg='…' in user records only hide the pairs inside
    for quote, plain in (("msg='", ""), (f"'{_ENRICHED}", " "), (_ENRICHED, " ")):
        body = F.replace(body, F.lit(quote), F.lit(plain))
    return (
        F.substring_index(F.trim(head), "type=", -1).alias("_type"),
        F.when(F.contains(head, F.lit("node=")), node).alias("_node"),
        F.substring_index(rest, ")", 1).alias("_stamp"),
        F.rtrim(body, F.lit("' ")).alias("_body"),
    )


@cache
def _pair_columns() -> tuple[Column | str, ...]:
    return (
        "_type", "_node", "_stamp",
        _told(F.regexp_extract_all("_body", F.lit(_PAIR), 0)).alias("_told"),
        F.rlike(F.col("_stamp"), F.lit(_STAMP_FORM)).alias("_is_stamp"),
    )  # fmt: skip


@cache
def _checked_columns() -> tuple[Column, ...]:
    seconds = F.expr("try_cast(split_part(_stamp, '.', 1) AS BIGINT)")
    millis = F.expr("try_cast(split_part(split_part(_stamp, ':', 1), '.', 2) AS BIGINT)")
    moved = F.try_add(seconds, F.coalesce("clock_offset_seconds", F.lit(0)))
    is_believed = (moved >= 0) & (moved < _LAST_SECOND)
    reason = (
        F.when(
            ~F.col("_is_stamp") | seconds.isNull(),
            "no readable audit stamp: expected audit(seconds.milliseconds:serial)",
        )
        .when(~F.coalesce(is_believed, F.lit(False)), "time outside 1970 to 2200")
        .when(~F.rlike(F.col("_type"), F.lit(r"^[A-Z0-9_\[\]]+$")), "no readable audit record type")
    )
    endpoint = F.coalesce(
        F.lower(F.nullif("_node", F.lit(""))), F.lower(F.nullif("endpoint_hint", F.lit(""))), F.lit("unknown")
    )
    return (
        reason.alias("reason"),
        F.concat_ws("|", "_stamp", endpoint).alias("_group"),
        endpoint.alias("endpoint"),
        F.when(is_believed, F.timestamp_micros(moved * 1_000_000 + millis * 1_000)).alias("_ts"),
        F.col("_type").alias("event_code"),
        _last_of_each("_told").alias("data"),
    )


@cache
def _envelope_columns() -> tuple[Column, ...]:
    readable = F.col("reason").isNull()
    columns = {
        "reason": F.col("reason"),
        "group_key": F.when(readable, F.col("_group")),
        "endpoint": F.col("endpoint"),
        "platform": F.lit("linux"),
        "ts": F.when(readable, F.col("_ts")),
        "provider": F.lit("auditd"),
        "event_code": F.col("event_code"),
        "data": F.col("data"),
    }
    return tuple(columns.get(name, F.lit(None)).cast(kind).alias(name) for name, kind in ENVELOPE.items())


def _told(pairs: Column) -> Column:
    """The pairs as an array of key and value, quotes off and hex text decoded; unset values are left out."""
    is_execve = F.col("_type") == "EXECVE"

    def decoded(key: Column, value: Column) -> Column:
        may_be_hex = key.isin(*_ENCODABLE) | (is_execve & F.rlike(key, F.lit(r"^a\d+(\[\d+\])?$")))
        is_hex = F.rlike(value, F.lit("^([0-9A-F]{2})+$"))
        text = F.translate(F.make_valid_utf8(F.unhex(value).cast("string")), "\u0000\u0001", "  ")
        plain = F.when(F.startswith(value, F.lit('"')), F.substring(value, F.lit(2), F.length(value) - 2)).otherwise(
            F.when(may_be_hex & is_hex, text).otherwise(value)
        )
        return F.struct(key.alias("key"), plain.alias("value"))

    def split(pair: Column) -> Column:
        return decoded(
            F.substring_index(pair, "=", 1), F.substring(pair, F.instr(pair, "=") + F.lit(1), F.length(pair))
        )

    return F.filter(F.transform(pairs, split), lambda pair: ~pair["value"].isin(*_UNSET) | is_execve)


def _last_of_each(name: str) -> Column:
    """Key-value structs as a map; the last of equal keys wins."""
    pairs, keys = F.col(name), F.col(name)["key"]
    has_doubles = F.size(F.array_distinct(keys)) < F.size(keys)
    return F.map_from_entries(F.when(has_doubles, with_single_keys(pairs, keep="last")).otherwise(pairs))


FORMAT = Format(name="auditd", platform="linux", priority=60, recognises=_recognises, parse=_parse)
