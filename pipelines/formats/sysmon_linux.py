"""Sysmon for Linux: ``<Event>`` XML within a line of syslog, plain or as Log Analytics ships it (``SyslogMessage``).

The XML is taken apart by patterns, not by an XML reader: Sysmon for Linux writes broken entities (``&lt unknown``).
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.formats.envelope import JSON_OPTIONS, Pieces, in_envelope, looks_like_json
from pipelines.formats.registry import Format

__all__ = ["FORMAT"]

_JSON = "SyslogMessage string, Computer string, TimeGenerated string"
_DATA = r'<Data Name="([^"]*)"(?:/>|>([^<]*)</Data>)'
_ENTITIES = (
    ("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&#39;", "'"), ("&#34;", '"'), ("&#9;", "\t"),
    ("&#10;", "\n"), ("&#xA;", "\n"), ("&#13;", "\r"), ("&lt ", "<"), ("&gt ", ">"), ("&amp;", "&"),
)  # fmt: skip


def _recognises(record: Column) -> Column:
    return F.contains(record, F.lit("Linux-Sysmon")) & (
        F.contains(record, F.lit("<Event")) | F.contains(record, F.lit("003cEvent"))
    )


def _parse(rows: DataFrame) -> DataFrame:
    json = F.when(looks_like_json(F.col("record")), F.from_json("record", _JSON, JSON_OPTIONS))
    read = rows.select("*", json.alias("_json"))
    text = F.coalesce(F.col("_json")["SyslogMessage"], F.when(~looks_like_json(F.col("record")), F.col("record")))
    cut = read.select("*", F.when(F.contains(text, F.lit("</Event>")), text).alias("_xml"))
    keys = F.regexp_extract_all("_xml", F.lit(_DATA), F.lit(1))
    values = F.regexp_extract_all("_xml", F.lit(_DATA), F.lit(2))
    pairs = cut.select("*", keys.alias("_keys"), F.transform(values, _unescaped).alias("_values"))
    # a name that occurs twice must not fail the batch: the first counts
    entries = F.filter(
        F.arrays_zip("_keys", "_values"), lambda pair, at: F.array_position("_keys", pair["_keys"]) == at + 1
    )
    header = F.create_map(
        F.lit("record_number"), _element("EventRecordID"),
        F.lit("level"), _element("Level"),
        F.lit("account_sid"), _attribute("Security", "UserId"),
        F.lit("logger_pid"), _attribute("Execution", "ProcessID"),
        F.lit("logger_thread"), _attribute("Execution", "ThreadID"),
    )  # fmt: skip
    return in_envelope(
        pairs,
        Pieces(
            problem=F.when(F.col("_xml").isNull(), "no whole <Event> in the line"),
            time=F.coalesce(_attribute("TimeCreated", "SystemTime"), F.col("_json")["TimeGenerated"]),
            code=_element("EventID"),
            endpoint=F.coalesce(_element("Computer"), F.col("_json")["Computer"]),
            provider=_attribute("Provider", "Name"),
            channel=_element("Channel"),
            message=F.lit(None).cast("string"),
            fields=F.map_from_entries(entries),
            header=header,
        ),
        platform="linux",
    )


def _element(name: str) -> Column:
    return _found(rf"<{name}[^>]*>([^<]*)</{name}>")


def _attribute(element: str, name: str) -> Column:
    return _found(rf'<{element}\b[^>]*\b{name}="([^"]*)"')


def _found(pattern: str) -> Column:
    text = F.regexp_extract("_xml", pattern, 1)
    return F.when(F.length(text) > 0, text)


def _unescaped(text: Column) -> Column:
    plain = text
    for entity, character in _ENTITIES:
        plain = F.replace(plain, F.lit(entity), F.lit(character))
    return F.when(F.contains(text, F.lit("&")), plain).otherwise(text)


FORMAT = Format(name="sysmon_linux", platform="linux", priority=50, recognises=_recognises, parse=_parse)
