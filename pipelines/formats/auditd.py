"""Linux audit records as auditd writes them: one ``type=… msg=audit(time:serial): key=value …`` a line.

Plain and ENRICHED (names of ids after a 0x1D byte), with ``node=`` and behind a syslog header or without. Records of one
event share its stamp; putting them together is ``pipelines.normalise.auditd``.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.formats.registry import ENVELOPE, Format

__all__ = ["FORMAT"]

_STAMP = "msg=audit("
_STAMP_FORM = r"^\d{1,11}\.\d{3}:\d{1,20}$"
_LAST_SECOND = 7_258_118_400  # 2200-01-01: times are believed below
_ENRICHED = "\u001d"
# value in double quotes, in braces (SADDR), or up to the next space
_PAIR = r"""([A-Za-z_][\w\[\]-]*)=("[^"]*"|\{[^}]*\}|[^\s"']*)"""
_ENCODABLE = (
    "acct", "cmd", "comm", "cwd", "data", "exe", "grp", "key", "name", "new-disk", "old-disk", "ocomm", "op", "path",
    "proctitle", "vm", "watch",
)  # fmt: skip
_UNSET = ("4294967295", "(null)", "(none)", "?", "")


def _recognises(record: Column) -> Column:
    return F.contains(record, F.lit("type=")) & F.contains(record, F.lit(_STAMP)) & ~F.startswith(record, F.lit("{"))


def _parse(rows: DataFrame) -> DataFrame:
    record = F.col("record")
    head = F.substring_index(record, _STAMP, 1)
    rest = F.substring(record, F.length(head) + F.lit(1 + len(_STAMP)), F.length(record))
    own = rows.columns
    cut = rows.select(
        *own,
        F.substring_index(F.trim(head), "type=", -1).alias("_type"),
        F.when(F.contains(head, F.lit("node=")), F.substring_index(F.substring_index(head, "node=", -1), " ", 1)).alias(
            "_node"
        ),
        F.substring_index(rest, ")", 1).alias("_stamp"),
        # the quotes of msg='…' in user records only hide the pairs inside
        F.translate(
            F.replace(F.substring(rest, F.instr(rest, ")") + F.lit(1), F.length(rest)), F.lit("msg='"), F.lit("")),
            f"'{_ENRICHED}", "  ",
        ).alias("_body"),
    )  # fmt: skip
    pairs = cut.select(
        *own, "_type", "_node", "_stamp",
        F.regexp_extract_all("_body", F.lit(_PAIR), 0).alias("_pairs"),
        F.rlike(F.col("_stamp"), F.lit(_STAMP_FORM)).alias("_is_stamp"),
    )  # fmt: skip
    seconds = F.expr("try_cast(split_part(_stamp, '.', 1) AS BIGINT)")
    millis = F.expr("try_cast(split_part(split_part(_stamp, ':', 1), '.', 2) AS BIGINT)")
    moved = seconds + F.coalesce("clock_offset_seconds", F.lit(0))
    reason = (
        F.when(
            ~F.col("_is_stamp") | seconds.isNull(),
            "no readable audit stamp: expected audit(seconds.milliseconds:serial)",
        )
        .when((moved < 0) | (moved >= _LAST_SECOND), "time outside 1970 to 2200")
        .when(~F.rlike(F.col("_type"), F.lit(r"^[A-Z0-9_\[\]]+$")), "no readable audit record type")
    )
    endpoint = F.coalesce(F.lower(F.nullif("_node", F.lit(""))), F.lower("endpoint_hint"), F.lit("unknown"))
    settled = pairs.select(
        *own,
        reason.alias("reason"),
        F.concat_ws("|", "_stamp", endpoint).alias("_group"),
        endpoint.alias("endpoint"),
        F.timestamp_micros(moved * 1_000_000 + millis * 1_000).alias("_ts"),
        F.col("_type").alias("event_code"),
        _fields().alias("data"),
    )
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
    return settled.select(
        *own, *[columns.get(name, F.lit(None)).cast(kind).alias(name) for name, kind in ENVELOPE.items()]
    )


def _fields() -> Column:
    """The pairs as a map, quotes off and hex text decoded; the last of equal keys wins, unset values are left out."""
    split = F.transform(
        "_pairs",
        lambda pair: F.struct(
            F.substring_index(pair, "=", 1).alias("key"),
            F.substring(pair, F.instr(pair, "=") + F.lit(1), F.length(pair)).alias("value"),
        ),
    )
    is_execve = F.col("_type") == "EXECVE"

    def decoded(pair: Column) -> Column:
        key, value = pair["key"], pair["value"]
        may_be_hex = key.isin(*_ENCODABLE) | (is_execve & F.rlike(key, F.lit(r"^a\d+(\[\d+\])?$")))
        is_hex = F.rlike(value, F.lit("^([0-9A-F]{2})+$"))
        text = F.translate(F.make_valid_utf8(F.unhex(value).cast("string")), "\u0000\u0001", "  ")
        plain = F.when(F.startswith(value, F.lit('"')), F.substring(value, F.lit(2), F.length(value) - 2)).otherwise(
            F.when(may_be_hex & is_hex, text).otherwise(value)
        )
        return F.struct(key.alias("key"), plain.alias("value"))

    pairs = F.filter(F.transform(split, decoded), lambda pair: ~pair["value"].isin(*_UNSET) | is_execve)
    keys = F.transform(pairs, lambda pair: pair["key"])
    last = F.filter(pairs, lambda pair, at: F.array_position(F.slice(keys, at + 2, F.size(keys)), pair["key"]) == 0)
    return F.map_from_entries(last)


FORMAT = Format(name="auditd", platform="linux", priority=60, recognises=_recognises, parse=_parse)
