"""Sysmon for Linux: ``<Event>`` XML within a line of syslog, plain or in JSON of a shipper, the journal or Log Analytics.

The XML is taken apart by patterns, not by an XML reader: Sysmon for Linux writes broken entities (``&lt unknown``), and
syslog cuts long lines. An event that is cut among its data is read as far as it goes and says so in its field ``_cut``.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.arrays import computed_once, map_of
from pipelines.formats.envelope import NumberedFormat, Pieces, looks_like_json, read_flat_json

__all__ = ["FORMAT"]

_DATA = r'<Data Name="([^"]*)"(?:/>|>([^<]*)(?:</Data>|$))'
_ENTITIES = (
    ("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&#39;", "'"), ("&#34;", '"'), ("&#9;", "\t"),
    ("&#10;", "\n"), ("&#xA;", "\n"), ("&#13;", "\r"), ("&lt ", "<"), ("&gt ", ">"), ("&amp;", "&"),
)  # fmt: skip


def _recognises(record: Column) -> Column:
    return F.contains(record, F.lit("Linux-Sysmon")) & (
        F.contains(record, F.lit("<Event")) | F.contains(record, F.lit("003cEvent"))
    )


def _read(record: Column) -> Column:
    """The XML with what stands around it, and the names and values of its data."""
    json = F.when(looks_like_json(record), read_flat_json(record))

    def opened(json: Column) -> Column:
        text = F.coalesce(
            json["SyslogMessage"],
            json["message"],
            json["MESSAGE"],
            json["msg"],
            F.when(~looks_like_json(record), record),
        )
        xml = F.when(F.contains(text, F.lit("</System>")), text)
        return F.struct(
            xml.alias("xml"),
            json["Computer"].alias("computer"),
            F.coalesce(json["TimeGenerated"], json["@timestamp"]).alias("time"),
        )

    def told(opened: Column) -> Column:
        keys = F.regexp_extract_all(opened["xml"], F.lit(_DATA), F.lit(1))
        values = F.regexp_extract_all(opened["xml"], F.lit(_DATA), F.lit(2))
        pairs = F.zip_with(
            keys, values, lambda key, value: F.struct(key.alias("key"), _unescaped(value).alias("value"))
        )
        return F.struct(opened.alias("line"), pairs.alias("told"))

    return computed_once(computed_once(json, opened), told)


def _pieces(record: Column, read: Column) -> Pieces:
    line, xml = read["line"], read["line"]["xml"]
    told, cut = map_of(read["told"], keep="first"), F.create_map(F.lit("_cut"), F.lit("true"))
    header = F.create_map(
        F.lit("record_number"), _element(xml, "EventRecordID"),
        F.lit("level"), _element(xml, "Level"),
        F.lit("account_sid"), _attribute(xml, "Security", "UserId"),
        F.lit("logger_pid"), _attribute(xml, "Execution", "ProcessID"),
        F.lit("logger_thread"), _attribute(xml, "Execution", "ThreadID"),
    )  # fmt: skip
    return Pieces(
        problem=F.when(xml.isNull(), "the <Event> is cut off before its data"),
        time=F.coalesce(_attribute(xml, "TimeCreated", "SystemTime"), line["time"]),
        code=_element(xml, "EventID"),
        endpoint=F.coalesce(_element(xml, "Computer"), line["computer"]),
        provider=_attribute(xml, "Provider", "Name"),
        channel=_element(xml, "Channel"),
        message=F.lit(None),
        fields=F.when(F.contains(xml, F.lit("</Event>")), told).otherwise(
            F.map_concat(F.map_filter(told, lambda key, _: key != "_cut"), cut)
        ),
        header=header,
    )


def _element(xml: Column, name: str) -> Column:
    return _found(xml, rf"<{name}[^<>]*>([^<]*)</{name}>")


def _attribute(xml: Column, element: str, name: str) -> Column:
    return _found(xml, rf'<{element}\b[^<>]*\b{name}="([^"]*)"')


def _found(xml: Column, pattern: str) -> Column:
    text = F.regexp_extract(xml, pattern, 1)
    return F.when(F.length(text) > 0, text)


def _unescaped(text: Column) -> Column:
    plain = text
    for entity, character in _ENTITIES:
        plain = F.replace(plain, F.lit(entity), F.lit(character))
    return F.when(F.contains(text, F.lit("&")), plain).otherwise(text)


FORMAT = NumberedFormat(
    name="sysmon_linux", platform="linux", priority=50, recognises=_recognises, read=_read, pieces=_pieces
)
