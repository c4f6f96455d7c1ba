"""Splunk's text rendering of Windows events (WinEventLog): a time, ``Name=value`` lines, and the rendered message.

The time has no zone: it is the endpoint's local time, taken for UTC unless an envelope or the source says otherwise. What
the message says in its labels becomes fields with the names that the event's XML has (``message_labels``). A text can be
forged by whatever it renders; where that matters, let Splunk render XML.
"""

import json
from functools import lru_cache

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.arrays import computed_once, map_of
from pipelines.formats.envelope import NumberedFormat, Pieces, looks_like_json
from pipelines.formats.message_labels import LABELS, OUTSIDE
from pipelines.formats.xml_text import between

__all__ = ["FORMAT"]

_MESSAGE = "\nMessage="
_STAMP_FORM = r"(\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d:\d\d(?:\.\d{1,6})? [AP]M)[ \t]*+\nLogName="
_SECURITY, _POWERSHELL = "Microsoft-Windows-Security-Auditing", "Microsoft-Windows-PowerShell"
_EVENTLOG, _SERVICES = "Microsoft-Windows-Eventlog", "Service Control Manager"
_PROVIDERS = {
    "Microsoft Windows security auditing.": _SECURITY,
    "Microsoft-Windows-Service Control Manager": _SERVICES,
    "Microsoft-Windows-Security-Auditing": _SECURITY,
}
_SYSMON = "Microsoft-Windows-Sysmon"
_LABELLED = (_SECURITY, _SYSMON, _EVENTLOG, _SERVICES)  # others' messages are prose
# line by line, for nothing else begins a section or a label; (?d) takes only \n for a line's end
_LABEL = r"[A-Z][\w /().'-]{0,60}+"
_SECTION_STARTS = rf"(?md)^(?={_LABEL}:[ \t]*+$)"
_LABEL_STARTS = rf"(?md)^(?=[ \t]*+{_LABEL}:)"
_SAID_OTHERWISE = {"Inbound": "%%14592", "Outbound": "%%14593", "NULL SID": "S-1-0-0"}
_PROSE_OF_4688 = "\n\nToken Elevation Type indicates"
_PARTS = r"^Creating Scriptblock text \((\d+) of (\d+)\):"
_BLANKS = " \t\r\n"


def _recognises(record: Column) -> Column:
    begins = F.startswith(record, F.lit("LogName=")) | F.rlike(
        F.substring(record, 1, 128), F.lit(r"(?:\n|#012)LogName=[^\n]")
    )
    return ~looks_like_json(record) & begins & F.contains(record, F.lit("EventCode="))


def _read(record: Column) -> Column:
    """The lines before the message, the message, and what is told by either."""
    is_escaped = F.contains(record, F.lit("#012EventCode="))
    plain = F.when(is_escaped, F.replace(F.replace(record, F.lit("#012"), F.lit("\n")), F.lit("#015"), F.lit("")))
    text = F.replace(F.coalesce(plain, record), F.lit("\r\n"), F.lit("\n"))
    return computed_once(computed_once(text, _opened), _told)


def _opened(text: Column) -> Column:
    head = F.substring_index(text, _MESSAGE, 1)
    message = F.substring(text, F.length(head) + F.lit(1 + len(_MESSAGE)), F.length(text))
    source = F.trim(_line(head, "SourceName"))
    names = F.create_map(*[F.lit(part) for pair in _PROVIDERS.items() for part in pair])
    return F.struct(
        head.alias("head"),
        F.when(F.contains(text, F.lit(_MESSAGE)), F.rtrim(message, F.lit(_BLANKS))).alias("message"),
        F.coalesce(F.try_element_at(names, source), source).alias("provider"),
        F.trim(_line(head, "EventCode")).alias("code"),
    )


def _told(line: Column) -> Column:
    pairs = (
        F.when(line["provider"].isin(*_LABELLED), _labelled(line["message"], line["provider"], line["code"]))
        .when(line["provider"] == _POWERSHELL, _of_powershell(line["message"], line["code"]))
        .otherwise(F.array().cast("array<struct<key:string,value:string>>"))
    )
    says = F.filter(pairs, lambda pair: F.length(pair["value"]) > 0)
    return F.struct(line.alias("line"), says.alias("told"))


def _labelled(message: Column, provider: Column, code: Column) -> Column:
    """Labels of all sections with their values, by the names of fields: array of struct<key, value>."""

    def of_section(section: Column, table: Column) -> Column:
        title = F.when(
            F.rlike(section, F.lit(rf"^{_LABEL}:[ \t]*+(?:\n|$)")), F.substring_index(section, ":", 1)
        ).otherwise(F.lit(OUTSIDE))
        return computed_once(
            title,
            lambda title: computed_once(_names(table, title, code), lambda names: labels(section, title, names)),
        )

    def labels(section: Column, title: Column, names: Column) -> Column:
        parts = F.filter(F.split(section, _LABEL_STARTS, -1), lambda part: F.contains(part, F.lit(":")))
        return F.transform(parts, lambda part: pair(part, title, names))

    def pair(part: Column, title: Column, names: Column) -> Column:
        label = F.trim(F.substring_index(part, ":", 1), F.lit(_BLANKS))
        is_inside = F.startswith(part, F.lit("\t")) & (title != OUTSIDE)
        rest = F.substring(part, F.instr(part, ":") + F.lit(1), F.length(part))
        # a blank line ends a value: what follows is prose
        value = F.trim(F.substring_index(rest, "\n\n", 1), F.lit(_BLANKS))
        name = F.coalesce(
            F.when(is_inside, names["own"][label]),
            names["any"][label],
            F.when(is_inside & (provider != _SYSMON), F.concat(title, F.lit(": "), label)),
            label,
        )
        return F.struct(name.alias("key"), _as_in_xml(value, provider).alias("value"))

    sections = F.split(message, _SECTION_STARTS, -1)
    # the table beside the sections, not within: what is in a lambda is computed for each element
    told = computed_once(
        _table(), lambda table: F.flatten(F.transform(sections, lambda section: of_section(section, table)))
    )
    # the last label of a 4688 may say anything, blank lines as well
    command = F.coalesce(
        between(message, "\n\tProcess Command Line:", _PROSE_OF_4688),
        F.substring_index(message, "\n\tProcess Command Line:", -1),
    )
    whole = F.struct(F.lit("CommandLine").alias("key"), F.trim(command, F.lit(_BLANKS)).alias("value"))
    has_command = (code == "4688") & F.contains(message, F.lit("\n\tProcess Command Line:"))
    return F.when(has_command, F.concat(F.array(whole), told)).otherwise(told)


def _names(table: Column, title: Column, code: Column) -> Column:
    own = F.coalesce(F.try_element_at(table, F.concat_ws("/", code, title)), F.try_element_at(table, title))
    return F.struct(own.alias("own"), F.try_element_at(table, F.lit(OUTSIDE)).alias("any"))


@lru_cache(maxsize=1)
def _labels_json() -> str:
    return json.dumps(LABELS)


def _table() -> Column:
    return F.from_json(F.lit(_labels_json()), "map<string,map<string,string>>")  # a constant: read once


def _as_in_xml(value: Column, provider: Column) -> Column:
    said = value
    for text, code in _SAID_OTHERWISE.items():
        said = F.when(value == text, code).otherwise(said)
    return F.when(provider == _SECURITY, said).otherwise(value)


def _of_powershell(message: Column, code: Column) -> Column:
    """What 4103 and 4104 say, by the names that their XML has."""
    block = F.substring(message, F.instr(message, "\n") + F.lit(1), F.length(message))
    script = F.substring_index(block, "\n\nScriptBlock ID:", 1)
    after = F.substring_index(message, "\n\nScriptBlock ID:", -1)
    blocks = {
        "MessageNumber": F.regexp_extract(message, _PARTS, 1),
        "MessageTotal": F.regexp_extract(message, _PARTS, 2),
        "ScriptBlockText": script,
        "ScriptBlockId": F.trim(F.substring_index(after, "\n", 1), F.lit(_BLANKS)),
        "Path": F.trim(F.regexp_extract(after, r"(?md)^Path:([^\n]*)", 1), F.lit(_BLANKS)),
    }
    context = between(message, "\nContext:\n", "\n\n\nUser Data:")
    pipelines = {
        "Payload": F.rtrim(F.substring_index(message, "\nContext:\n", 1), F.lit(_BLANKS)),
        "ContextInfo": F.coalesce(context, F.substring_index(message, "\nContext:\n", -1)),
    }
    is_script = (code == "4104") & F.contains(message, F.lit("\n\nScriptBlock ID:"))
    is_pipeline = (code == "4103") & F.contains(message, F.lit("\nContext:\n"))
    return (
        F.when(is_script, _pairs(blocks))
        .when(is_pipeline, _pairs(pipelines))
        .otherwise(F.array().cast("array<struct<key:string,value:string>>"))
    )


def _pairs(told: dict[str, Column]) -> Column:
    return F.array(*[F.struct(F.lit(key).alias("key"), value.alias("value")) for key, value in told.items()])


def _line(head: Column, name: str) -> Column:
    return F.regexp_extract(head, rf"(?md)^{name}=([^\n]*)", 1)


def _pieces(record: Column, read: Column) -> Pieces:
    line, head = read["line"], read["line"]["head"]
    stamp = F.regexp_extract(head, _STAMP_FORM, 1)
    at = F.try_to_timestamp(stamp, F.lit("M/d/yyyy h:mm:ss[.SSSSSS][.SSS] a"))
    header = F.create_map(
        F.lit("record_number"), _line(head, "RecordNumber"),
        F.lit("level"), _line(head, "Type"),
        F.lit("keywords"), _line(head, "Keywords"),
        F.lit("account"), F.nullif(F.trim(_line(head, "User")), F.lit("NOT_TRANSLATED")),
        F.lit("account_sid"), _line(head, "Sid"),
    )  # fmt: skip
    return Pieces(
        problem=F.when(line["message"].isNull(), "the event is cut off before its message"),
        time=F.coalesce(F.date_format(at, "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"), stamp),
        code=line["code"],
        endpoint=_line(head, "ComputerName"),
        provider=line["provider"],
        channel=_line(head, "LogName"),
        message=line["message"],
        fields=map_of(read["told"], keep="first"),
        header=header,
    )


FORMAT = NumberedFormat(
    name="splunk_text", platform="windows", priority=48, recognises=_recognises, read=_read, pieces=_pieces
)
