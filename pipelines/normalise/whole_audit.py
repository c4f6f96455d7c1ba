"""Audit events that come whole, one record each: LAUREL's and Auditbeat's, taken apart into what auditd's records hold.

Text of LAUREL has bytes that are no text as ``%1d``, numbers as ``0x…``; here they are as auditd writes them.
"""

from functools import cache

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.arrays import computed_once, unpacked
from pipelines.formats.audit_types import NO_RECORDS, RECORD_TYPE

__all__ = ["WHOLE", "whole_audit"]

WHOLE = ("laurel", "auditbeat")
_PAIRS = "map<string,string>"
# members that are no records of their own, or only add to another
_ADDED = (
    "SYSCALL", "EXECVE", "CWD", "PATH", "PROCTITLE", "SOCKADDR", "OBJ_PID", "EOE", "BPRM_FCAPS", "UNKNOWN[1420]", "PEER",
    "PARENT_INFO", "PID", "PPID", "ENV", "CONTAINER_INFO", "SCRIPT",
)  # fmt: skip
_UNSET = ("4294967295", "unset", "(null)", "(none)", "?", "")
_FIRST_BYTES = r"^[0-9a-fA-F]{2}"


def whole_audit(parsed: DataFrame) -> DataFrame:
    """One row an event, as ``pipelines.normalise.auditd`` makes them of single records.

    Args:
        parsed: `parse_records` output of the sources `WHOLE`, in any order; equal records count once.
    """
    # what is refused is no part of an event
    stamp = F.when(F.col("reason").isNull(), F.concat_ws("|", F.col("header")["stamp"], "endpoint"))
    return (
        parsed.withColumns(_opened_columns())
        .groupBy("tenant", "source", "endpoint", stamp.alias("group_key"))
        .agg(
            F.max("reason").alias("_reason"),
            F.min("ts").alias("ts"),
            F.min("received_at").alias("ingested_at"),
            F.array_sort(F.collect_set("record_id")).alias("record_ids"),
            F.min_by("_told", "record_id").alias("_told"),
        )
        .where(F.col("_reason").isNull())
        .select("*", "_told.*")
        .drop("_reason", "_told")
    )


@cache
def _opened_columns() -> dict[str, Column]:
    data = F.col("data")
    kinds = F.filter(F.map_keys(data), lambda name: F.rlike(name, F.lit(RECORD_TYPE)))
    main_code = F.array_min(F.filter(kinds, lambda name: ~name.isin(*_ADDED)))
    told = {
        "_kinds": F.array_sort(F.filter(kinds, lambda name: ~name.isin(*NO_RECORDS))),
        "_sys": _call(data["SYSCALL"]),
        "_title": computed_once(_pairs(data["PROCTITLE"]), _title),
        "_cwd": _pairs(data["CWD"])["cwd"],
        "_saddr": _bytes(_pairs(data["SOCKADDR"], decoded=False)["saddr"]),
        "_obj": _pairs(data["OBJ_PID"]),
        "_main": computed_once(main_code, lambda code: _pairs(F.try_element_at(data, code))),
        "_main_code": main_code,
        "_args": _args(data["EXECVE"]),
        "_paths": _paths(data["PATH"]),
        "_socket": _socket(data["PEER"]),
    }
    return {"_told": F.struct(*[column.alias(name) for name, column in told.items()])}


def _pairs(text: Column, *, decoded: bool = True) -> Column:
    """A record's pairs; of several records of one kind the first's."""
    one = F.when(F.startswith(text, F.lit("[")), F.get(F.from_json(text, "array<string>"), F.lit(0))).otherwise(text)

    def told(pairs: Column) -> Column:
        flat = F.map_filter(pairs, lambda _, value: value.isNotNull() & ~value.isin(*_UNSET))
        return F.transform_values(flat, lambda _, value: _plain(value) if decoded else value)

    return computed_once(unpacked(F.from_json(one, _PAIRS)), told)


def _call(text: Column) -> Column:
    """The pairs of a SYSCALL record, its arguments by their names again."""

    def with_arguments(pairs: Column) -> Column:
        words = F.from_json(pairs["ARGV"], "array<string>")
        named = [
            part
            for at in range(4)
            for part in (F.lit(f"a{at}"), F.coalesce(_number(F.get(words, F.lit(at))), pairs[f"a{at}"]))
        ]
        own = F.map_filter(pairs, lambda key, _: ~key.isin("ARGV", "a0", "a1", "a2", "a3"))
        return F.map_concat(own, F.map_filter(F.create_map(*named), lambda _, value: value.isNotNull()))

    return computed_once(_pairs(text), with_arguments)


def _title(pairs: Column) -> Column:
    words = F.from_json(pairs["ARGV"], "array<string>")
    return F.coalesce(F.array_join(F.transform(words, _plain), " "), pairs["ARGV_STR"], pairs["proctitle"])


def _args(text: Column) -> Column:
    """Words of a command line as pairs of EXECVE; of a line that was made one text, which parts words no more, by space."""

    def numbered(pairs: Column) -> Column:
        words = F.coalesce(F.from_json(pairs["ARGV"], "array<string>"), F.split(pairs["ARGV_STR"], " "))
        return F.transform(
            words,
            lambda word, at: F.struct(
                F.concat(F.lit("a"), at.cast("string")).alias("key"), _plain(word).alias("value")
            ),
        )

    none = F.expr("CAST(array() AS ARRAY<STRUCT<key: STRING, value: STRING>>)")
    return F.coalesce(computed_once(_pairs(text, decoded=False), numbered), none)


def _paths(text: Column) -> Column:
    items = F.transform(
        F.from_json(text, f"array<{_PAIRS}>"),
        lambda path: F.struct(
            path["item"].try_cast("int").alias("item"),
            _plain(path["name"]).alias("name"),
            F.coalesce(path["nametype"], path["objtype"]).alias("nametype"),
        ),
    )
    none = F.expr("CAST(array() AS ARRAY<STRUCT<item: INT, name: STRING, nametype: STRING>>)")
    return F.coalesce(F.array_sort(F.filter(items, lambda path: path.isNotNull())), none)


def _socket(text: Column) -> Column:
    """Auditbeat's ``socket`` as struct(ip, port, path); null where there is none."""

    def told(pairs: Column) -> Column:
        is_inet = pairs["family"].isin("ipv4", "ipv6")
        return F.when(
            pairs.isNotNull(),
            F.struct(
                F.when(is_inet, pairs["addr"]).alias("ip"),
                F.when(is_inet, pairs["port"].try_cast("int")).alias("port"),
                F.when(pairs["family"] == "unix", F.coalesce(pairs["path"], pairs["addr"])).alias("path"),
            ),
        )

    return computed_once(F.from_json(text, _PAIRS), told)


def _plain(value: Column) -> Column:
    return F.when(F.contains(value, F.lit("%")), _text(value)).otherwise(_number(value))


def _number(value: Column) -> Column:
    is_marked = F.rlike(value, F.lit(r"^0(?:x[0-9a-f]{1,16}|o[0-7]{1,16})$"))
    return F.when(is_marked, F.regexp_replace(value, "^0[xo]", "")).otherwise(value)


def _text(value: Column) -> Column:
    decoded = F.make_valid_utf8(F.unhex(_bytes(value)).cast("string"))
    return F.coalesce(F.translate(decoded, "\u0000\u0001", "  "), value)


def _bytes(value: Column) -> Column:
    """Text with percent signs for bytes as hexadecimal digits."""
    pieces = F.transform(
        F.split(value, "%"),
        lambda piece, at: F.when(
            (at > 0) & F.rlike(piece, F.lit(_FIRST_BYTES)),
            F.concat(F.upper(F.substring(piece, 1, 2)), F.hex(F.substring(piece, F.lit(3), F.length(piece)))),
        ).otherwise(F.hex(F.when(at > 0, F.concat(F.lit("%"), piece)).otherwise(piece))),
    )
    return F.array_join(pieces, "")
