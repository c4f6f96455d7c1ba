"""Auditbeat 7 and 8, module auditd: one ECS document an audit event, brought back to the records that it was made of.

What the records mean is told by ``pipelines.normalise.whole_audit``, as for LAUREL's log. Events of Auditbeat's other
modules have no ``auditd`` and are not of this format.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.arrays import unpacked
from pipelines.formats.audit_types import NO_RECORDS, RECORD_TYPE
from pipelines.formats.envelope import JSON_OPTIONS, NumberedFormat, Pieces, looks_like_json

__all__ = ["FORMAT"]

_ADDED = ("EXECVE", "CWD", "PATH", "PROCTITLE", "PEER")
_WHO = "struct<id: string, name: string>"
_SCHEMA = (
    "`@timestamp` string, tags array<string>, "
    "auditd struct<message_type: string, sequence: string, result: string, session: string, data: map<string,string>, "
    "paths: array<map<string,string>>>, "
    f"user struct<id: string, name: string, audit: {_WHO}, effective: {_WHO}, saved: {_WHO}, filesystem: {_WHO}>, "
    "process struct<pid: string, ppid: string, parent: struct<pid: string>, name: string, executable: string, "
    "title: string, args: array<string>, working_directory: string>, "
    "source struct<ip: string>, event struct<type: string>, host struct<name: string, hostname: string>, "
    "agent struct<hostname: string>"
)


def _recognises(record: Column) -> Column:
    return looks_like_json(record) & F.contains(record, F.lit('"auditd"')) & F.contains(record, F.lit('"sequence"'))


def _read(record: Column) -> Column:
    return F.from_json(record, _SCHEMA, JSON_OPTIONS)


def _pieces(record: Column, json: Column) -> Pieces:
    log, process = json["auditd"], json["process"]
    kind = F.upper(F.coalesce(log["message_type"], F.when(log["data"]["syscall"].isNotNull(), "SYSCALL")))
    is_call = kind == "SYSCALL"
    micros = F.unix_micros(F.try_to_timestamp(json["@timestamp"]))
    stamp = F.concat(
        F.floor(micros / 1_000_000).cast("string"), F.lit("."),
        F.lpad(F.pmod(F.floor(micros / 1_000), F.lit(1_000)).cast("string"), 3, "0"), F.lit(":"), log["sequence"],
    )  # fmt: skip
    fields = F.create_map(
        kind, F.to_json(_main(json, is_call)),
        F.lit("EXECVE"), F.when(process["args"].isNotNull() & is_call, F.to_json(F.struct(process["args"].alias("ARGV")))),
        F.lit("CWD"), _one("cwd", process["working_directory"]),
        F.lit("PATH"), F.to_json(log["paths"]),
        F.lit("PROCTITLE"), _one("proctitle", process["title"]),
        F.lit("PEER"), F.when(is_call, log["data"]["socket"]),
    )  # fmt: skip
    return Pieces(
        problem=F.when(log.isNull(), "not a JSON object of this format")
        .when(log["sequence"].isNull(), "no number of the audit event")
        .when(
            kind.isNull() | kind.isin(*_ADDED, *NO_RECORDS) | ~F.rlike(kind, F.lit(RECORD_TYPE)),
            "no readable audit record type",
        ),
        time=json["@timestamp"],
        code=kind,
        endpoint=F.coalesce(json["host"]["hostname"], json["host"]["name"], json["agent"]["hostname"]),
        provider=F.lit("auditd"),
        channel=F.lit(None),
        message=F.lit(None),
        fields=F.when(kind.isNotNull() & ~kind.isin(*_ADDED), fields),
        header=F.create_map(F.lit("stamp"), stamp),
    )


def _one(name: str, value: Column) -> Column:
    return F.when(value.isNotNull(), F.to_json(F.create_map(F.lit(name), value)))


def _main(json: Column, is_call: Column) -> Column:
    """The pairs of the event's own record, under auditd's names."""
    log, process, user = json["auditd"], json["process"], json["user"]
    own = {
        "success": F.when(is_call, F.when(log["result"] == "success", "yes").when(log["result"] == "fail", "no")),
        "res": F.when(~is_call, F.when(log["result"] == "fail", "failed").otherwise(log["result"])),
        "SYSCALL": log["data"]["syscall"],
        "pid": process["pid"],
        "ppid": F.coalesce(process["parent"]["pid"], process["ppid"]),
        "comm": process["name"],
        "exe": process["executable"],
        "uid": user["id"],
        "UID": user["name"],
        "auid": user["audit"]["id"],
        "AUID": user["audit"]["name"],
        "euid": user["effective"]["id"],
        "EUID": user["effective"]["name"],
        "ses": log["session"],
        "key": F.array_join(json["tags"], ","),
        "addr": F.coalesce(F.when(~is_call, json["source"]["ip"]), log["data"]["addr"]),
    }
    pairs = [part for name, value in own.items() for part in (F.lit(name), value)]
    taken = (*own, "syscall", "socket", "argc")
    told = F.coalesce(unpacked(log["data"]), F.expr("CAST(map() AS MAP<STRING, STRING>)"))
    return F.map_concat(F.create_map(*pairs), F.map_filter(told, lambda key, _: ~key.isin(*taken)))


FORMAT = NumberedFormat(
    name="auditbeat",
    platform="linux",
    priority=45,
    recognises=_recognises,
    read=_read,
    pieces=_pieces,
    has_numbers=False,
)
