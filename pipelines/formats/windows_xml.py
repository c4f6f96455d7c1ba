"""Windows events as XML, as Windows itself renders them: ``<Event>`` with ``<System>`` and ``<EventData>`` or ``<UserData>``.

Splunk's ``renderXml`` (XmlWinEventLog), exports of ForwardedEvents (``wevtutil qe``, with or without ``RenderingInfo``,
in ``<Events>`` or bare), on one line or several, and behind a syslog header. Taken apart by patterns, not by an XML
reader; a document type, or an entity that only one could define, is refused. Sysmon for Linux is another format.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.arrays import computed_once, map_of
from pipelines.formats.envelope import NumberedFormat, Pieces, looks_like_json
from pipelines.formats.xml_text import (
    attribute,
    between,
    element,
    has_foreign_entity,
    leaves,
    plain_markup,
    unescaped,
)

__all__ = ["FORMAT"]

_HEAD = 1024  # an event begins within so many characters, after whatever a collector put in front
_BEGINS = r"^(?:(?!msg=audit\()[\s\S])*?<Event[\s>]"
_BEGINS_AT_ONCE = r"^\s*<(?:Events?[\s>]|\?xml|!)"
_LINUX = '<Provider Name="Linux-Sysmon"'
# what rsyslog writes for control characters that it receives
_SYSLOG_ESCAPES = (("#015#012", "\n"), ("#012", "\n"), ("#015", "\r"), ("#011", "\t"))
_BLANKS = " \t\r\n\u0000"


def _recognises(record: Column) -> Column:
    begins = F.rlike(F.substring(record, 1, _HEAD), F.lit(_BEGINS))
    return ~looks_like_json(record) & begins & ~F.contains(record, F.lit(_LINUX))


def _read(record: Column) -> Column:
    """The parts of the XML, and why it cannot be read."""
    # a lambda's argument is computed once however often it is used
    return computed_once(plain_markup(_without_syslog_escapes(record)), _parts_of)


def _without_syslog_escapes(record: Column) -> Column:
    is_behind_header = ~F.rlike(F.substring(record, 1, 64), F.lit(_BEGINS_AT_ONCE))
    plain = record
    for escape, character in _SYSLOG_ESCAPES:
        plain = F.replace(plain, F.lit(escape), F.lit(character))
    return F.when(is_behind_header & F.contains(record, F.lit("#01")), plain).otherwise(record)


def _parts_of(xml: Column) -> Column:
    event = F.substring_index(xml, "</Event>", 1)
    after = F.substring(xml, F.length(event) + F.lit(1 + len("</Event>")), F.length(xml))
    system = between(event, "<System", "</System>")
    rest = F.substring(event, F.instr(event, "</System>"), F.length(event))
    rendered = between(rest, "<RenderingInfo", "</RenderingInfo>")
    # what a provider names like the parts of an event stands before its rendering only
    told = F.coalesce(between(rest, "<EventData", "</EventData>"), between(rest, "<UserData", "</UserData>"), F.lit(""))
    problem = (
        F.when(F.contains(xml, F.lit("<!")), "document type or unclosed markup in the XML")
        .when(has_foreign_entity(xml), "entity that XML does not define")
        .when(~F.contains(xml, F.lit("</Event>")), "the <Event> is cut off before its end")
        .when(system.isNull(), "no <System> in the <Event>")
        .when(F.contains(after, F.lit("<Event")), "more than one <Event> in the record")
        .when(~F.trim(after, F.lit(_BLANKS)).isin("", "</Events>"), "text after the <Event>")
    )
    return F.struct(
        problem.alias("problem"),
        system.alias("system"),
        leaves(told).alias("told"),
        element(rendered, "Message").alias("message"),
    )


def _pieces(record: Column, read: Column) -> Pieces:
    system = read["system"]
    header = F.create_map(
        F.lit("record_number"), element(system, "EventRecordID"),
        F.lit("level"), element(system, "Level"),
        F.lit("keywords"), element(system, "Keywords"),
        F.lit("activity_id"), attribute(system, "Correlation", "ActivityID"),
        F.lit("logger_pid"), attribute(system, "Execution", "ProcessID"),
        F.lit("logger_thread"), attribute(system, "Execution", "ThreadID"),
        F.lit("account_sid"), attribute(system, "Security", "UserID"),
    )  # fmt: skip
    return Pieces(
        problem=read["problem"],
        time=attribute(system, "TimeCreated", "SystemTime"),
        code=element(system, "EventID"),
        endpoint=computed_once(element(system, "Computer"), unescaped),
        provider=computed_once(attribute(system, "Provider", "Name"), unescaped),
        channel=computed_once(element(system, "Channel"), unescaped),
        message=computed_once(read["message"], unescaped),
        fields=map_of(read["told"], keep="first"),
        header=header,
    )


FORMAT = NumberedFormat(
    name="windows_xml", platform="windows", priority=47, recognises=_recognises, read=_read, pieces=_pieces
)
