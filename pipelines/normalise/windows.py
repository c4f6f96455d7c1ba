r"""Records in the envelope to the columns of ``events``, for providers that log numbered events with named fields.

Which field fills which column is data (`Kind`); here is how a value is converted, the same for all kinds. Events are
not put together or deduplicated here, that is ``pipelines.normalise.records``; auditd has a module of its own.

| column | rule |
| --- | --- |
| text | as the record says; ``-`` and empty are null |
| ``*_pid`` | decimal; hex (``0x1f4``) is converted |
| ``*_guid`` | lower case, in braces; all zeros is null |
| ``*_name`` | file name of the path |
| ``user`` | ``DOMAIN\name``; of 4688 the account that the new process runs under where that is another's |
| ``*_ip`` | IPv4 in IPv6 (``::ffff:``) as IPv4 |
| ``*_port`` | 0 to 65535, else null |
| ``outcome`` | of the audit keyword, of a blocked connection, of a DNS query's status |
| ``is_signed`` | signed, and the signature's status is not worse than ``Valid`` |
| ``fields`` | the rest of the record's own fields and its ``record_number``; the message where there are no fields |
|  | and what is odd about its time (``pipelines.normalise.clocks``) |
"""

import json
from collections.abc import Iterable
from functools import lru_cache

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.arrays import unpacked
from pipelines.formats.collection_time import COLLECTED
from pipelines.normalise import powershell
from pipelines.normalise.clocks import clock_fields
from pipelines.normalise.kinds import COLUMNS, Kind
from pipelines.normalise.programs import PROGRAMS
from pipelines.normalise.security import SECURITY
from pipelines.normalise.sysmon import SYSMON
from pipelines.normalise.system import EVENT_LOG, SERVICES, TASKS

__all__ = ["KINDS", "mapped_events"]

KINDS: dict[str, tuple[Kind, ...]] = {
    "Microsoft-Windows-Sysmon": SYSMON,
    "Microsoft-Windows-Security-Auditing": SECURITY,
    "PowerShell": powershell.CLASSIC,
    "Microsoft-Windows-PowerShell": powershell.OPERATIONAL,
    "PowerShellCore": powershell.OPERATIONAL,
    "Linux-Sysmon": SYSMON,
    "Service Control Manager": SERVICES,
    "Microsoft-Windows-TaskScheduler": TASKS,
    "Microsoft-Windows-Eventlog": EVENT_LOG,
    "syslog": PROGRAMS,
}

_PROTOCOLS = {"1": "icmp", "2": "igmp", "6": "tcp", "17": "udp", "47": "gre", "50": "esp", "58": "icmpv6"}
_NO_GUID = "{00000000-0000-0000-0000-000000000000}"
_BARE_GUID = r"^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$"
_NOBODY = "S-1-0-0"
# accounts whose names are the same everywhere, for shippers that tell the id only
_ACCOUNTS = {
    "S-1-5-18": "NT AUTHORITY\\SYSTEM",
    "S-1-5-19": "NT AUTHORITY\\LOCAL SERVICE",
    "S-1-5-20": "NT AUTHORITY\\NETWORK SERVICE",
}
_BLOCKED = ("packet_blocked", "connection_blocked", "logon_failed", "kerberos_preauthentication_failed")
_TASK_COMMAND = r"<Command>([^<]*)</Command>"
_TASK_ARGUMENTS = r"<Arguments>([^<]*)</Arguments>"


def mapped_events(parsed: DataFrame) -> DataFrame:
    """Map parsed records, one row out for each row in.

    Args:
        parsed: rows of ``raw`` with the envelope; of those with a ``reason`` only these columns count.

    Returns:
        The columns given, those of ``events`` that one record alone can fill, and part_number (of a numbered part).
    """
    own = parsed.columns
    for step in (_base_columns, _kind_columns, _context_columns, _application_columns, _path_columns):
        parsed = parsed.withColumns(step())
    return parsed.select(*own, *_event_columns())


# The columns of a step are the same for all rows and made once a process: each is dozens of calls into Java.


@lru_cache(maxsize=1)
def _base_columns() -> dict[str, Column]:
    # a log line's provider is any program; its kinds are those of the format
    key = F.concat_ws("/", F.coalesce(F.col("header")["kinds"], F.col("provider")), "event_code")
    return {"_key": key, "_base": F.try_element_at(_layouts(), key)}


@lru_cache(maxsize=1)
def _kind_columns() -> dict[str, Column]:
    variant_key = F.concat_ws("/", "_key", _data()[F.col("_base")["variant_by"]])
    chosen = F.coalesce(F.try_element_at(_layouts(), variant_key), F.col("_base"))
    return {"_kind": F.when(F.col("_base")["variant_by"].isNull(), F.col("_base")).otherwise(chosen)}


@lru_cache(maxsize=1)
def _context_columns() -> dict[str, Column]:
    return {
        "_used": _kind("used"),
        "_context": F.when(_kind("category") == "script", powershell.context_of(_data(), _message())),
    }


@lru_cache(maxsize=1)
def _application_columns() -> dict[str, Column]:
    context = F.col("_context")
    return {"_host_application": F.when(context.isNotNull(), powershell.host_application(context))}


@lru_cache(maxsize=1)
def _path_columns() -> dict[str, Column]:
    return {
        "process_path": _process_path(),
        "command_line": F.coalesce(_value("command_line"), F.col("_host_application")),
        "parent_path": _value("parent_path"),
        "target_path": _value("target_path"),
    }


@lru_cache(maxsize=1)
def _event_columns() -> tuple[Column | str, ...]:
    registry_key = F.concat_ws("\\", _value("registry_key"), _value("registry_tail"))
    return (
        F.coalesce(_kind("category"), F.lit("other")).alias("category"),
        F.coalesce(_kind("action"), F.concat(F.lit("event_"), F.col("event_code"))).alias("action"),
        _outcome().alias("outcome"),
        _user().alias("user"),
        _guid("process_guid"), _process_pid().alias("process_pid"), "process_path", _name("process"), "command_line",
        _guid("parent_guid"), _pid("parent_pid").alias("parent_pid"), "parent_path", _name("parent"),
        _value("parent_command_line").alias("parent_command_line"),
        _guid("target_guid"), _pid("target_pid").alias("target_pid"), "target_path", _name("target"),
        _file_path().alias("file_path"),
        _value("file_hash").alias("file_hash"),
        _script_text().alias("script_text"),
        _address("dst_ip"), _port("dst_port"), _value("dst_domain").alias("dst_domain"),
        _address("src_ip"), _port("src_port"),
        _protocol().alias("protocol"),
        F.when(registry_key != "", registry_key).alias("registry_key"),
        _value("registry_value").alias("registry_value"),
        _value("logon_type").alias("logon_type"),
        F.regexp_replace(_value("privilege"), r"\s+", " ").alias("privilege"),
        _is_signed().alias("is_signed"),
        _fields().alias("fields"),
        F.expr("CASE WHEN group_key IS NOT NULL THEN try_cast(data['MessageNumber'] AS int) END").alias("part_number"),
    )  # fmt: skip


@lru_cache(maxsize=1)
def _layout_json() -> tuple[str, str]:
    """All kinds as one JSON object, and its type."""
    doubled = {name for kinds in KINDS.values() for kind in kinds for name, told in kind.fills.items() if "|" in told}
    types = [
        "category string",
        "action string",
        "variant_by string",
        "from_header boolean",
        "outcome string",
        "used string",
    ]
    types += [f"{name} string" for name in COLUMNS] + [f"{name}_2 string" for name in sorted(doubled)]
    entries: dict[str, dict[str, object]] = {}
    for provider, kinds in KINDS.items():
        for kind in kinds:
            key = "/".join(part for part in (provider, kind.code, kind.variant) if part)
            entries[key] = dict(_layout(kind))
        for kind in kinds:  # a code whose kinds all are variants still has to say by what
            base = entries.setdefault(f"{provider}/{kind.code}", {"category": "other", "action": f"event_{kind.code}"})
            if kind.variant_by:
                base["variant_by"] = kind.variant_by
    return json.dumps(entries), f"map<string,struct<{', '.join(one.replace(' ', ': ', 1) for one in types)}>>"


def _layout(kind: Kind) -> Iterable[tuple[str, object]]:
    yield from {"category": kind.category, "action": kind.action, "from_header": kind.from_header}.items()
    if kind.outcome:
        yield "outcome", kind.outcome
    for name, told in kind.fills.items():
        for number, field in enumerate(told.split("|")):
            yield (name if number == 0 else f"{name}_2"), field
    # the subject stays beside another account that takes its place
    kept = {"user_name", "user_domain"} if "other_name" in kind.fills else set()
    if used := {one for name, told in kind.fills.items() if name not in kept for one in told.split("|")}:
        yield "used", ",".join(sorted(used))


def _layouts() -> Column:
    text, kind = _layout_json()
    return F.from_json(F.lit(text), kind)  # a constant: the optimiser reads it once


def _data() -> Column:
    return F.col("data")


def _message() -> Column:
    return F.col("message")


def _kind(name: str) -> Column:
    return F.col("_kind")[name]


@lru_cache(maxsize=1)
def _doubled() -> frozenset[str]:
    return frozenset(name for name in COLUMNS if f" {name}_2: " in _layout_json()[1])


def _value(name: str) -> Column:
    """The field that fills a column, as the record says it."""
    first = _data()[_kind(name)]
    return F.coalesce(first, _data()[_kind(f"{name}_2")]) if name in _doubled() else first


def _guid(name: str) -> Column:
    told = F.lower(_value(name))
    # readers of .evtx write it without its braces; it must be the same process as in other shippers' records
    is_bare = (F.length(told) == 36) & F.rlike(told, F.lit(_BARE_GUID))
    text = F.when(is_bare, F.concat(F.lit("{"), told, F.lit("}"))).otherwise(told)
    return F.when(text != _NO_GUID, text).alias(name)


def _pid(name: str) -> Column:
    return _number(_value(name))


def _number(text: Column) -> Column:
    # `conv` fails on overflow, so only what fits goes in
    is_hex = F.startswith(text, F.lit("0")) & F.rlike(text, F.lit("^0[xX][0-9a-fA-F]{1,15}$"))
    return F.when(is_hex, F.conv(F.substring(text, 3, 15), 16, 10).cast("bigint")).otherwise(text.try_cast("bigint"))


def _process_pid() -> Column:
    # PowerShell logs from within its own process, so its header's pid is the subject's
    logger = F.when(_kind("from_header") & (_kind("category") == "script"), F.col("header")["logger_pid"])
    return F.coalesce(_pid("process_pid"), _number(logger))


def _process_path() -> Column:
    host = powershell.host_path(F.col("_host_application"))
    return F.coalesce(_value("process_path"), F.when(F.col("_host_application").isNotNull(), host))


def _name(role: str) -> Column:
    path = F.col(f"{role}_path")
    return F.substring_index(F.substring_index(path, "\\", -1), "/", -1).alias(f"{role}_name")


def _port(name: str) -> Column:
    number = _value(name).try_cast("int")
    return F.when(number.between(0, 65_535), number).alias(name)


def _address(name: str) -> Column:
    text = _value(name)
    return F.when(F.startswith(text, F.lit("::ffff:")), F.substring(text, 8, 64)).otherwise(text).alias(name)


def _protocol() -> Column:
    names = F.create_map(*[F.lit(part) for pair in _PROTOCOLS.items() for part in pair])
    text = _value("protocol")
    return F.coalesce(F.try_element_at(names, text), F.lower(text))


def _user() -> Column:
    other_acts = _value("other_name").isNotNull() & ~_data()["TargetUserSid"].eqNullSafe(F.lit(_NOBODY))
    named = F.when(other_acts, _qualified(_value("other_domain"), _value("other_name"))).otherwise(
        _qualified(_value("user_domain"), _value("user_name"))
    )
    header = F.col("header")
    known = F.create_map(*[F.lit(part) for pair in _ACCOUNTS.items() for part in pair])
    sid = F.coalesce(F.try_element_at(known, header["account_sid"]), header["account_sid"])
    account = F.coalesce(_qualified(header["account_domain"], header["account"]), sid)
    return F.coalesce(
        _value("user"),
        named,
        F.when(F.col("_context").isNotNull(), powershell.host_user(F.col("_context"))),
        F.when(_kind("from_header"), account),
    )


def _qualified(domain: Column, name: Column) -> Column:
    is_whole = F.contains(name, F.lit("\\")) | F.contains(name, F.lit("@")) | domain.isNull()
    return F.when(is_whole, name).otherwise(F.concat(domain, F.lit("\\"), name))


def _outcome() -> Column:
    keywords, status = F.col("header")["keywords"], _data()["QueryStatus"]
    failed = F.rlike(keywords, F.lit(r"^0x8010|(?i)audit[ _]failure")) | _kind("action").isin(*_BLOCKED)
    succeeded = F.rlike(keywords, F.lit(r"^0x8020|(?i)audit[ _]success"))
    return (
        F.when(_kind("outcome").isNotNull(), _kind("outcome"))
        .when(failed, "failure")
        .when(
            (_kind("action") == "dns_query") & status.isNotNull(), F.when(status == "0", "success").otherwise("failure")
        )
        .when(succeeded, "success")
    )


def _file_path() -> Column:
    tail = _value("file_tail")
    path = F.when(tail.isNotNull(), F.concat_ws("\\", _value("file_path"), tail)).otherwise(_value("file_path"))
    content = F.coalesce(_data()["TaskContent"], _data()["TaskContentNew"])
    command, arguments = F.regexp_extract(content, _TASK_COMMAND, 1), F.regexp_extract(content, _TASK_ARGUMENTS, 1)
    task = F.when(
        F.startswith(_kind("action"), F.lit("task_")) & content.isNotNull(),
        F.nullif(F.trim(F.concat_ws(" ", command, arguments)), F.lit("")),
    )
    return F.coalesce(path, task)


def _script_text() -> Column:
    is_classic = (F.col("provider") == "PowerShell") & (F.col("event_code") == "800")
    return F.coalesce(_value("script_text"), F.when(is_classic, powershell.details_of(_data(), _message())))


def _is_signed() -> Column:
    signed = _value("signed")
    status = F.coalesce(F.lower(_data()["SignatureStatus"]), F.lit("valid"))
    return F.when(signed.isNotNull(), (F.lower(signed) == "true") & (status == "valid"))


def _fields() -> Column:
    used, data, is_known = F.col("_used"), _data(), F.col("_kind").isNotNull()
    # this runs for each field of each record, and Spark compiles no lambda: one pass over a text is what is cheapest there
    rest = F.when(used.isNull(), data).otherwise(
        F.map_filter(unpacked(data), lambda key, _: F.find_in_set(key, used) == 0)
    )
    header = F.when(is_known, _record_number(data)).otherwise(
        F.map_filter(
            unpacked(F.col("header")),
            lambda key, value: value.isNotNull() & (key != COLLECTED) & ~F.map_contains_key(data, key),
        )
    )
    message = F.when((F.size(data) == 0) & _message().isNotNull(), F.create_map(F.lit("message"), _message()))
    nothing = F.create_map().cast("map<string,string>")
    # a source's clock correction is the endpoint's, not the shipper's
    collected = F.when(F.col("clock_offset_seconds").isNull(), F.col("header")[COLLECTED])
    clock = clock_fields(F.col("ts"), F.col("received_at"), collected)
    return F.map_concat(rest, F.coalesce(header, nothing), F.coalesce(message, nothing), F.coalesce(clock, nothing))


def _record_number(data: Column) -> Column:
    name, number = F.lit("record_number"), F.col("header")["record_number"]
    return F.when(number.isNotNull() & ~F.map_contains_key(data, name), F.create_map(name, number))
