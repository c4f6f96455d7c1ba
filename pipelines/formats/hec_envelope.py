"""Envelopes of Splunk's HTTP Event Collector around records of any format, taken off.

``{"time": …, "host": …, "source": …, "sourcetype": …, "index": …, "event": text or object, "fields": …}``, as heavy
forwarders, Edge Processor and exports to S3 write them. What an event is, is for the formats to tell, which see it as
if it had come without: of the envelope only ``host`` counts, where the event names no endpoint, and ``time``, where its
own has no zone or it has none. ``api.collector`` takes them off before anything lands, by the same rules (`hec_event`).
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.arrays import computed_once
from pipelines.formats.envelope import has_more, looks_like_json, read_flat_json
from pipelines.formats.hec_event import ENVELOPE_MEMBERS, HOST, RENDERED, STAMP_WITHOUT_ZONE, TELLS_TIME
from pipelines.formats.several_records import holds_several_records

__all__ = ["opened"]

_HEAD = 64  # an envelope's first member is named within so many characters
_BEGIN = rf'^\{{\s{{0,32}}"(?:{"|".join(ENVELOPE_MEMBERS)})"\s{{0,8}}:'
_ISO, _RENDERED_TIME = "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX", "MM/dd/yyyy hh:mm:ss.SSSSSS a"


def opened(record: Column) -> Column:
    """Take a record's envelope off.

    Returns:
        struct of text: ``record`` (the event as it would have come without), ``host`` (where it names one that can be an
        endpoint), ``problem`` (why it cannot be read). Null where the record has no envelope, which is found out without
        parsing unless it begins like one.
    """
    return F.when(_begins_like_one(record), computed_once(read_flat_json(record), lambda json: _of(json, record)))


def _begins_like_one(record: Column) -> Column:
    # of a long record a short piece is looked at, since a pattern is matched against a copy
    begins = F.rlike(F.substring(record, 1, _HEAD), F.lit(_BEGIN))
    return looks_like_json(record) & begins & F.contains(record, F.lit('"event"'))


def _of(json: Column, record: Column) -> Column:
    names = F.map_keys(json)
    others = F.array_except(names, F.array(*[F.lit(name) for name in ENVELOPE_MEMBERS]))
    host = F.trim(json["host"])
    # other shippers' objects have members of these names, too; a host is an object there
    is_one = (
        F.array_contains(names, "event")
        & (F.size(others) == 0)
        & ~F.startswith(F.coalesce(host, F.lit("")), F.lit("{"))
    )
    told = F.struct(
        F.btrim(json["event"], F.lit("\r\n")).alias("text"),
        F.timestamp_micros((json["time"].try_cast("decimal(20,9)") * 1_000_000).try_cast("bigint")).alias("time"),
    )
    problem = (
        F.when(F.size(F.array_distinct(names)) < F.size(names), "a member of the envelope stands twice")
        .when(has_more(record), "text after the envelope")
    )  # fmt: skip

    def content(told: Column) -> Column:
        text = told["text"]
        return F.struct(
            _as_without(text, told["time"]).alias("record"),
            F.when(F.rlike(host, F.lit(rf"\A{HOST}\z")), host).alias("host"),
            F.coalesce(
                problem,
                F.when(F.coalesce(F.trim(text), F.lit("")) == "", "no event in the envelope").when(
                    holds_several_records(text), "several records in one envelope"
                ),
            ).alias("problem"),
        )

    return F.when(is_one, computed_once(told, content))


def _as_without(text: Column, time: Column) -> Column:
    """The event's text, with the envelope's time where it lacks one that is sure."""
    iso = F.date_format(time, _ISO)
    is_rendered = F.rlike(text, F.lit(rf"\A{RENDERED}"))
    rendered = F.concat(
        F.date_format(time, _RENDERED_TIME), F.lit("\n"), F.regexp_replace(text, F.lit(rf"\A{RENDERED}"), F.lit(""))
    )
    return (
        F.when(time.isNull(), text)
        .when(looks_like_json(text), _object_with_time(text, iso))
        .when(is_rendered, rendered)
        .otherwise(F.regexp_replace(text, F.lit(STAMP_WITHOUT_ZONE), F.concat(F.lit("$1"), iso)))
    )


def _object_with_time(text: Column, iso: Column) -> Column:
    names, body = F.map_keys(read_flat_json(text)), F.rtrim(text, F.lit(" \r\n\t"))
    lacks = ~F.arrays_overlap(names, F.array(*[F.lit(name) for name in TELLS_TIME])) & (F.size(names) > 0)
    told = F.concat(F.substring(body, F.lit(1), F.length(body) - 1), F.lit(',"@timestamp":"'), iso, F.lit('"}'))
    return F.when(lacks & F.endswith(body, F.lit("}")), told).otherwise(text)
