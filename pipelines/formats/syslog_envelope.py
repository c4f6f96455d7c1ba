r"""What syslog and its shippers put around a message, taken off: RFC 3164 and 5424 lines, ISO-8601 files, JSON.

| form | told by |
| --- | --- |
| RFC 5424 | ``<34>1 2026-03-05T08:15:30.1Z web-01 sshd 99 - [sd …] text``, with its priority or without |
| RFC 3164, traditional files | ``Mar  5 08:15:30 web-01 sshd[99]: text`` |
| ISO-8601 files and forwards | ``2026-03-05T08:15:30.1+00:00 web-01 sshd[99]: text`` |
| octet-counted frames (RFC 6587) | any of these after its length, one frame a line |
| JSON | rsyslog's templates, syslog-ng's ``format-json``, ``journalctl -o json``, Filebeat, Log Analytics |

A time without a year gets the latest year that does not put it more than a day after the record was received; one
without a zone is UTC (the source's clock correction moves it); where there is none, it is the time of receipt. What the
message says is not told here: audit records are ``auditd``'s, Sysmon's ``sysmon_linux``'s, all others ``syslog``'s.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.arrays import computed_once
from pipelines.formats.collection_time import collected_at
from pipelines.formats.envelope import looks_like_json, read_flat_json, without

__all__ = ["HEADER", "has_json_envelope", "has_text_envelope", "unwrapped"]

_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
_WORD = r"[^\s\x01]"  # 1 parts the answer below
# all bounded, so that a failed match costs no more than its start
HEADER = (
    r"^(?:(\d{1,7}) (?=<))?(?:<(\d{1,3})> ?)?(?:"
    rf"1 ((?<=>1 ){_WORD}{{1,40}}|-|{_ISO}) ({_WORD}{{1,255}}) ({_WORD}{{1,128}}) ({_WORD}{{1,128}}) ({_WORD}{{1,128}}) "
    r"(?=-(?: |$)|\[)"
    r"|(?:([A-Z][a-z]{2}) {1,2}(\d{1,2}) (?:(\d{4}) )?(\d\d:\d\d:\d\d(?:\.\d{1,9})?)"
    rf"|({_ISO})) (?:([^\s\[\]\x01]{{0,254}}[^\s\[\]:\x01]) )?"
    r"(?:([^\s:\[\]\x01]{1,128})(?:\[([^\[\]\s\x01]{0,64})\])?:(?: |$))?)"
)
"""A line's header, all before the message (of RFC 5424 before its structured data)."""

_GROUPS = (
    "count", "priority", "time", "host", "program", "pid", "msgid", "month", "day", "year", "clock", "iso", "sender",
    "tag", "tag_pid",
)  # fmt: skip
_CUT = "\u0001"
_IN_PARTS = "".join(f"${number}{_CUT}" for number in range(1, len(_GROUPS) + 1))
_LAST_MICROSECOND = 7_258_118_400_000_000  # 2200-01-01
_ABSENT = ("", "-")

_MESSAGE = ("MESSAGE", "message", "msg", "SyslogMessage", "@message")
_HOST = (
    "_HOSTNAME",
    "HOST",
    "hostname",
    "HOSTNAME",
    "host.name",
    "host.hostname",
    "Computer",
    "HostName",
    "host",
    "fromhost",
)
_PROGRAM = (
    "SYSLOG_IDENTIFIER", "PROGRAM", "programname", "program", "app-name", "appname", "app_name", "ProcessName",
    "process.name", "syslogtag", "_COMM", "process",
)  # fmt: skip
_PID = ("_PID", "PID", "procid", "SYSLOG_PID", "process.pid", "pid")
_TIME = ("ISODATE", "@timestamp", "timestamp", "timereported", "timegenerated", "TimeGenerated", "DATE", "time")
_MICROS = ("_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP")
_PRIORITY = ("PRIORITY", "pri", "syslogseverity", "syslogseverity-text", "severity", "SeverityLevel")
_TAKEN = (
    *_MESSAGE, *_HOST, *_PROGRAM, *_PID, *_TIME, *_MICROS, *_PRIORITY, "MSGID", "msgid", "structured-data", "rawmsg",
    "LEGACY_MSGHDR", "__CURSOR", "__MONOTONIC_TIMESTAMP", "_BOOT_ID", "_MACHINE_ID", "_AUDIT_TYPE_NAME", "EventData",
    "agent", "ecs", "input", "log", "@metadata", "@version",
)  # fmt: skip
_BYTES = r"^\[[\d,\s]*\]$"


def has_text_envelope(record: Column) -> Column:
    """Say whether a record begins like a line of syslog."""
    return F.rlike(record, F.lit(HEADER))


def has_json_envelope(record: Column) -> Column:
    """Say whether a record is JSON in which a shipper of syslog, journald or files put a message."""

    def names(*keys: str) -> Column:
        return F.rlike(record, F.lit('"(?:' + "|".join(key.replace(".", "\\.") for key in keys) + ')" ?:'))

    return looks_like_json(record) & (
        F.contains(record, F.lit('"__REALTIME_TIMESTAMP"'))
        | (names(*_MESSAGE) & names(*_HOST) & (names(*_PROGRAM) | names("agent")))
    )


def unwrapped(record: Column, received_at: Column) -> Column:
    """Take a record's envelope off.

    Returns:
        struct of text: ``host``, ``program``, ``pid``, ``time`` (with a year), ``message``, ``priority``, ``msgid``,
        ``structured_data``, ``problem`` (why it cannot be read), ``collected`` (when a relay got it, as in
        `pipelines.formats.collection_time`); and ``more``, a map of what else JSON says. All are null where the record has
        no envelope.
    """
    json = F.when(looks_like_json(record), read_flat_json(record))

    def chosen(json: Column) -> Column:
        return F.when(json.isNotNull(), _of_json(json, received_at)).otherwise(_of_text(record, received_at))

    return computed_once(json, chosen)


def _of_text(record: Column, received_at: Column) -> Column:
    parted = F.split(F.regexp_replace(record, HEADER, _IN_PARTS), _CUT, len(_GROUPS) + 1)

    def taken(parts: Column) -> Column:
        part = {name: _told(F.get(parts, F.lit(at))) for at, name in enumerate(_GROUPS)}
        is_new = F.get(parts, F.lit(_GROUPS.index("msgid"))) != ""
        rest = F.get(parts, F.lit(len(_GROUPS)))
        data = F.when(is_new & F.startswith(rest, F.lit("[")), _structured_data(rest))
        text = F.when(~is_new, rest).otherwise(
            F.substring(rest, F.coalesce(F.length(data), F.lit(1)) + 1, F.length(rest))
        )
        old_time = F.when(part["month"].isNotNull(), _dated(part, received_at))
        framed = F.length(part["count"]) + 1 + part["count"].try_cast("int")
        return _envelope(
            host=F.coalesce(part["host"], part["sender"]),
            program=F.coalesce(part["program"], part["tag"]),
            pid=F.coalesce(part["pid"], part["tag_pid"]),
            time=F.coalesce(part["time"], part["iso"], old_time, F.when(is_new, received_at.cast("string"))),
            message=F.ltrim(text, F.lit(" \ufeff")),
            priority=part["priority"],
            msgid=part["msgid"],
            structured_data=data,
            problem=F.when(framed < F.octet_length(record), "more than one octet-counted frame in a line"),
        )

    return F.when(has_text_envelope(record), computed_once(parted, taken))


def _envelope(**told: Column) -> Column:
    names = (
        "host", "program", "pid", "time", "message", "priority", "msgid", "structured_data", "problem", "collected",
    )  # fmt: skip
    columns = [told.get(name, F.lit(None)).cast("string").alias(name) for name in names]
    return F.struct(*columns, told.get("more", F.lit(None)).cast("map<string,string>").alias("more"))


def _told(text: Column) -> Column:
    return F.when(~text.isin(*_ABSENT), text)


def _structured_data(rest: Column) -> Column:
    """The elements at the start of a text: up to a bracket that closes one and that no other follows."""
    # escaped brackets are masked; a pattern that knows of quotes would recurse once a character
    masked = F.replace(F.replace(rest, F.lit("\\\\"), F.lit("\u0002\u0002")), F.lit("\\]"), F.lit("\u0002\u0002"))
    return F.substring(rest, F.lit(1), F.length(F.get(F.split(masked, r"\](?!\[)", 2), F.lit(0))) + 1)


def _dated(part: dict[str, Column], received_at: Column) -> Column:
    """Month, day and clock as a date, with the record's year or else the latest that fits its receipt."""
    month = ((F.instr(F.lit(_MONTHS), part["month"]) + 2) / 3).cast("int")
    rest = F.concat(
        F.lpad(month.cast("string"), 2, "0"), F.lit("-"), F.lpad(part["day"], 2, "0"), F.lit(" "), part["clock"]
    )
    latest = received_at + F.expr("INTERVAL 1 DAY")
    is_leap_day = F.startswith(rest, F.lit("02-29"))
    years = F.transform(
        F.sequence(F.lit(-1), F.when(is_leap_day, F.lit(8)).otherwise(F.lit(1))),
        lambda ago: F.concat((F.year(received_at) - ago).cast("string"), F.lit("-"), rest),
    )
    guessed = F.get(F.filter(years, lambda text: F.try_to_timestamp(text) <= latest), F.lit(0))
    return F.when(part["year"].isNotNull(), F.concat(part["year"], F.lit("-"), rest)).otherwise(
        F.coalesce(guessed, F.concat(F.year(received_at).cast("string"), F.lit("-"), rest))
    )


def _of_json(json: Column, received_at: Column) -> Column:
    def first(*names: str) -> Column:
        return F.coalesce(*[_told(json[name]) for name in names])

    text = computed_once(first(*_MESSAGE), _decoded)
    name = r"^([^\s:\[]+)(?:\[(\d+)\])?:?$"  # syslogtag is `sshd[99]:`
    tag = computed_once(first(*_PROGRAM), lambda value: _inner(value, "name"))
    program = F.coalesce(F.nullif(F.regexp_extract(tag, name, 1), F.lit("")), tag)
    at = first(*_MICROS).try_cast("bigint")
    micros = F.when(at.between(0, _LAST_MICROSECOND), F.timestamp_micros(at).cast("string"))

    def with_inner(pair: Column) -> Column:
        # what a file's shipper carries is a line as it stands in the file
        inner = F.when(pair["program"].isNull(), _of_text(pair["text"], received_at))
        return computed_once(
            inner,
            lambda line: _envelope(
                host=F.coalesce(line["host"], _inner(first(*_HOST), "name")),
                program=F.coalesce(line["program"], pair["program"]),
                pid=F.coalesce(
                    line["pid"], first(*_PID), F.nullif(F.regexp_extract(tag, name, 2), F.lit("")),
                    F.get_json_object(json["process"], "$.pid"),
                ),
                time=F.coalesce(
                    line["time"], micros, _readable(first(*_TIME), received_at), received_at.cast("string")
                ),
                message=F.coalesce(line["message"], F.ltrim(pair["text"], F.lit(" \ufeff"))),
                priority=first(*_PRIORITY),
                msgid=F.coalesce(line["msgid"], first("MSGID", "msgid")),
                structured_data=F.coalesce(line["structured_data"], first("structured-data")),
                problem=line["problem"],
                # of rsyslog; what the line itself was stamped with is `timereported`
                collected=collected_at(json["timegenerated"], json["timereported"]),
                more=without(json, _TAKEN),
            ),
        )  # fmt: skip

    return computed_once(F.struct(text.alias("text"), _told(program).alias("program")), with_inner)


def _inner(value: Column, name: str) -> Column:
    """A member of an object that stands where others write a name."""
    return F.when(F.startswith(value, F.lit("{")), F.get_json_object(value, f"$.{name}")).otherwise(value)


def _decoded(value: Column) -> Column:
    """A message as text; journald writes what is not plain text as an array of bytes."""
    numbers = F.from_json(value, "array<int>")
    pairs = F.transform(numbers, lambda number: F.lpad(F.hex(number.bitwiseAND(255)), 2, "0"))
    decoded = F.make_valid_utf8(F.unhex(F.array_join(pairs, "")).cast("string"))
    return F.when(F.rlike(value, F.lit(_BYTES)), F.coalesce(decoded, value)).otherwise(value)


def _readable(time: Column, received_at: Column) -> Column:
    """A time of JSON as text with a date: traditional, in seconds since 1970, or as it stands."""
    form = r"^([A-Z][a-z]{2}) {1,2}(\d{1,2}) (?:(\d{4}) )?(\d\d:\d\d:\d\d)$"
    part = {
        name: F.nullif(F.regexp_extract(time, form, at), F.lit(""))
        for at, name in enumerate(("month", "day", "year", "clock"), start=1)
    }
    seconds = F.timestamp_micros((time.try_cast("decimal(20,6)") * 1_000_000).try_cast("bigint")).cast("string")
    return (
        F.when(F.rlike(time, F.lit(form)), _dated(part, received_at))
        .when(F.rlike(time, F.lit(r"^\d{1,10}(?:\.\d{1,6})?$")), seconds)
        .otherwise(time)
    )
