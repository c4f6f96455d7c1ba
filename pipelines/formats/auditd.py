"""Linux audit records as auditd writes them: one ``type=… msg=audit(time:serial): key=value …`` a line.

Plain and ENRICHED (names of ids after a 0x1D byte), with ``node=`` or without; alone, or carried by syslog, JSON of a
shipper or the journal (`pipelines.formats.syslog_envelope`), whose host is then the endpoint where there is no ``node=``;
the kernel's own lines too (``audit: type=1300 audit(…)``). Records of one event share its stamp; putting them together is
``pipelines.normalise.auditd``.
"""

import json
from functools import cache

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.arrays import map_of
from pipelines.formats.audit_types import AUDIT_TYPES
from pipelines.formats.envelope import looks_like_json
from pipelines.formats.registry import ENVELOPE, Format
from pipelines.formats.syslog_envelope import HEADER, has_text_envelope, unwrapped

__all__ = ["FORMAT"]

_STAMP = "msg=audit("
_STAMP_FORM = r"^\d{1,11}\.\d{3}:\d{1,20}$"
_ALL = 1 << 30  # characters: to the end of any text
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


# what the kernel's log puts before its records; the start of a record
_KERNEL = r"(?:\[ {0,16}\d{1,12}\.\d{1,9}\] )?(?:audit(?:\(\d{1,16}\))?: )?"
_START = r"(?:node=[^\s\"]{1,255} )?type=[^\s\"]{1,64} (?:msg=)?audit\("
_DATA = r"(?:-(?: |$)|(?:\[[^\]]{0,2000}\]){1,4} )?\ufeff? {0,4}"  # structured data of RFC 5424
_CARRIERS = r"(?:audit|auditd|audispd|audisp-syslog|kernel)"
_IN_JSON = rf'"(?:MESSAGE|message|msg|SyslogMessage)" ?: ?"(?:[^"\\]{{0,300}}{_CARRIERS}(?:\[\d{{1,10}}\])?: )?{_KERNEL}{_START}'
# the journal has bytes where a record is ENRICHED, and takes records of the kernel apart
_OF_JOURNAL = rf'"SYSLOG_IDENTIFIER" ?: ?"{_CARRIERS}"'
_BYTES_OF_JOURNAL = r'"MESSAGE" ?: ?\['
_ESCAPED_ENRICHED = "#035(?=[A-Z][A-Z_-]{1,32}=)"  # rsyslog's way with control characters


def _recognises(record: Column) -> Column:
    has_record = F.contains(record, F.lit("type=")) & F.contains(record, F.lit("audit("))
    of_journal = (F.contains(record, F.lit('"_AUDIT_TYPE"')) & F.contains(record, F.lit('"_AUDIT_ID"'))) | (
        F.rlike(record, F.lit(_OF_JOURNAL)) & F.rlike(record, F.lit(_BYTES_OF_JOURNAL))
    )
    # what a line of another program says is not a record, whatever it looks like
    in_line = F.when(has_text_envelope(record), F.rlike(record, F.lit(HEADER + _DATA + _KERNEL + _START))).otherwise(
        F.contains(record, F.lit(_STAMP))
    )
    return F.when(looks_like_json(record), (has_record & F.rlike(record, F.lit(_IN_JSON))) | of_journal).otherwise(
        has_record & (_is_bare(record) | in_line)
    )


def _is_bare(record: Column) -> Column:
    return F.startswith(record, F.lit("type=")) | F.startswith(record, F.lit("node="))


def _parse(rows: DataFrame, names: tuple[str, ...]) -> DataFrame:
    own = rows.columns
    # each step is one of its own, so that what the next uses more than once is computed once
    for step in (_line_columns, _text_columns, _cut_columns, _pair_columns, _checked_columns, _envelope_columns):
        rows = rows.select(*own, *step())
    return rows


# The columns of a step are the same for all rows and made once a process: each is dozens of calls into Java.


@cache
def _line_columns() -> tuple[Column, ...]:
    is_carried = F.col("source_problem").isNull() & ~_is_bare(F.col("record"))
    return (F.when(is_carried, unwrapped(F.col("record"), F.col("received_at"))).alias("_line"),)


@cache
def _text_columns() -> tuple[Column, ...]:
    line = F.col("_line")
    text = F.when(line["message"].isNotNull(), _as_written(line)).otherwise(F.col("record"))
    text = F.when(F.contains(text, F.lit("#035")), F.regexp_replace(text, _ESCAPED_ENRICHED, _ENRICHED)).otherwise(text)
    is_other = line["message"].isNotNull() & ~F.rlike(text, F.lit("^" + _START))
    return (
        text.alias("_text"),
        line["host"].alias("_host"),
        F.coalesce(line["problem"], F.when(is_other, "no audit record at the start of the message")).alias("_problem"),
    )


def _as_written(line: Column) -> Column:
    """The record that a line carries, as auditd would have written it."""
    more, text = line["more"], F.regexp_replace(line["message"], F.lit("^" + _KERNEL), F.lit(""))
    number = F.regexp_extract(text, r"^(?:node=\S{1,255} )?type=(\d{1,6}) ", 1)
    named = F.concat(F.substring_index(text, "type=", 1), F.lit("type="), _type_name(number),
                     F.substring(text, F.instr(text, "type=") + F.length(number) + 5, F.length(text)))  # fmt: skip
    text = F.when(number != "", named).otherwise(text)
    text = F.regexp_replace(text, r"^((?:node=\S{1,255} )?type=\S{1,64}) audit\(", "$1 msg=audit(")
    # Azure's agent puts an event's records together and keeps the names that auditd gives a SYSCALL
    of_azure = F.replace(
        F.regexp_replace(text, r"^type=AUOMS_[A-Z]{1,32} ", "type=SYSCALL "), F.lit(" user="), F.lit(" UID=")
    )
    text = F.when(F.startswith(text, F.lit("type=AUOMS_")), of_azure).otherwise(text)
    millis = F.floor(F.unix_micros(F.try_to_timestamp(line["time"])) / 1000)
    stamp = F.concat(
        F.floor(millis / 1000).cast("string"), F.lit("."), F.lpad(F.pmod(millis, F.lit(1000)).cast("string"), 3, "0"),
        F.lit(":"), more["_AUDIT_ID"],
    )  # fmt: skip
    body = F.substring(text, F.instr(text, " "), F.length(text))
    taken_apart = F.concat(
        F.lit("type="), _type_name(more["_AUDIT_TYPE"]), F.lit(" msg=audit("), stamp, F.lit("):"), body
    )
    return F.when(more["_AUDIT_ID"].isNotNull() & ~F.startswith(text, F.lit("type=")), taken_apart).otherwise(text)


def _type_name(number: Column) -> Column:
    # a constant, read once by the optimiser
    names = F.from_json(F.lit(json.dumps(AUDIT_TYPES)), "map<string,string>")
    return F.coalesce(F.try_element_at(names, number), F.concat(F.lit("UNKNOWN["), number, F.lit("]")))


@cache
def _cut_columns() -> tuple[Column | str, ...]:
    record = F.col("_text")
    head = F.substring_index(record, _STAMP, 1)
    rest = F.substring(record, F.length(head) + F.lit(1 + len(_STAMP)), F.length(record))
    node = F.substring_index(F.substring_index(head, "node=", -1), " ", 1)
    body = F.substring(rest, F.instr(rest, ")") + F.lit(1), F.length(rest))
    # the quotes of msg='…' in user records only hide the pairs inside
    for quote, plain in (("msg='", ""), (f"'{_ENRICHED}", " "), (_ENRICHED, " ")):
        body = F.replace(body, F.lit(quote), F.lit(plain))
    return (
        "_host", "_problem",
        F.substring_index(F.trim(head), "type=", -1).alias("_type"),
        F.when(F.contains(head, F.lit("node=")), node).alias("_node"),
        F.substring_index(rest, ")", 1).alias("_stamp"),
        F.rtrim(body, F.lit("' ")).alias("_body"),
    )  # fmt: skip


@cache
def _pair_columns() -> tuple[Column | str, ...]:
    return (
        "_type", "_node", "_stamp", "_host", "_problem",
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
        F.when(F.col("_problem").isNotNull(), F.col("_problem"))
        .when(
            ~F.col("_is_stamp") | seconds.isNull(),
            "no readable audit stamp: expected audit(seconds.milliseconds:serial)",
        )
        .when(~F.coalesce(is_believed, F.lit(False)), "time outside 1970 to 2200")
        .when(~F.rlike(F.col("_type"), F.lit(r"^[A-Z0-9_\[\]]+$")), "no readable audit record type")
    )
    endpoint = F.coalesce(
        F.lower(F.nullif("_node", F.lit(""))),
        F.lower("_host"),
        F.lower(F.nullif("endpoint_hint", F.lit(""))),
        F.lit("unknown"),
    )
    return (
        reason.alias("reason"),
        F.concat_ws("|", "_stamp", endpoint).alias("_group"),
        endpoint.alias("endpoint"),
        F.when(is_believed, F.timestamp_micros(moved * 1_000_000 + millis * 1_000)).alias("_ts"),
        F.col("_type").alias("event_code"),
        map_of(F.col("_told"), keep="last").alias("data"),
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

    def cut(pair: Column) -> Column:
        key = F.substring_index(pair, "=", 1)
        return F.struct(key.alias("key"), F.substring(pair, F.length(key) + F.lit(2), F.lit(_ALL)).alias("value"))

    def decoded(pair: Column) -> Column:
        key, value = pair["key"], pair["value"]
        may_be_hex = key.isin(*_ENCODABLE) | (is_execve & F.rlike(key, F.lit(r"^a\d+(\[\d+\])?$")))
        is_hex = F.rlike(value, F.lit("^([0-9A-F]{2})+$"))
        text = F.translate(F.make_valid_utf8(F.unhex(value).cast("string")), "\u0000\u0001", "  ")
        plain = F.when(F.startswith(value, F.lit('"')), F.substring(value, F.lit(2), F.length(value) - 2)).otherwise(
            F.when(may_be_hex & is_hex, text).otherwise(value)
        )
        return F.struct(key.alias("key"), plain.alias("value"))

    # cut first: a lambda computes what it uses twice, twice
    read = F.transform(F.transform(pairs, cut), decoded)
    return F.filter(read, lambda pair: ~pair["value"].isin(*_UNSET) | is_execve)


FORMAT = Format(name="auditd", platform="linux", priority=60, recognises=_recognises, parse=_parse)
