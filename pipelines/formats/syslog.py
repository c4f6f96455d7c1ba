"""Lines of syslog and the journal from any program: RFC 3164, RFC 5424, files, JSON of rsyslog, syslog-ng and journald.

Audit records and Sysmon's events in such lines are of other formats, which are asked first. The event's provider is
the program; its code is the name of what the message says, ``message`` where that is not known.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.arrays import computed_once, unpacked
from pipelines.formats.collection_time import COLLECTED
from pipelines.formats.envelope import NumberedFormat, Pieces, looks_like_json
from pipelines.formats.syslog_envelope import has_json_envelope, has_text_envelope, unwrapped
from pipelines.formats.syslog_programs import parts_of

__all__ = ["FORMAT"]

_REPEATED = r"(?s)^message repeated (\d{1,9}) times: \[ ?(.*)\]$"


def _recognises(record: Column) -> Column:
    return F.when(looks_like_json(record), has_json_envelope(record)).otherwise(has_text_envelope(record))


def _read(record: Column) -> Column:
    """The envelope's content and, where the message is one that is known, its parts."""

    def named(line: Column) -> Column:
        program = F.lower(F.substring_index(line["program"], "/", -1))
        told = F.when(
            F.startswith(line["message"], F.lit("message repeated ")), F.regexp_extract(line["message"], _REPEATED, 2)
        ).otherwise(line["message"])
        return F.struct(line.alias("line"), parts_of(program, told).alias("parts"))

    return computed_once(unwrapped(record, F.col("received_at")), named)


def _pieces(record: Column, read: Column) -> Pieces:
    line, parts = read["line"], read["parts"]
    times = F.when(
        F.startswith(line["message"], F.lit("message repeated ")), F.regexp_extract(line["message"], _REPEATED, 1)
    )
    own = F.create_map(
        F.lit("message"), line["message"],
        F.lit("pid"), line["pid"],
        F.lit("priority"), line["priority"],
        F.lit("msgid"), line["msgid"],
        F.lit("structured_data"), line["structured_data"],
        F.lit("repeated"), times,
    )  # fmt: skip
    nothing = F.expr("CAST(map() AS MAP<STRING, STRING>)")
    told = F.map_filter(F.coalesce(parts, nothing), lambda key, _: key != "code")
    taken = F.map_keys(F.map_concat(own, told))
    # what JSON says beside the message must not stand for what the message says
    more = computed_once(
        taken,
        lambda names: F.map_filter(
            unpacked(F.coalesce(line["more"], nothing)), lambda key, _: ~F.array_contains(names, key)
        ),
    )
    return Pieces(
        problem=F.coalesce(line["problem"], F.when(line["message"].isNull() & line["program"].isNull(), "no message")),
        time=line["time"],
        code=F.coalesce(parts["code"], F.lit("message")),
        endpoint=line["host"],
        provider=F.coalesce(line["program"], F.lit("syslog")),
        channel=F.lit(None),
        message=line["message"],
        fields=F.map_concat(own, told, more),
        header=F.create_map(F.lit("kinds"), F.lit("syslog"), F.lit(COLLECTED), line["collected"]),
    )


FORMAT = NumberedFormat(
    name="syslog", platform="linux", priority=90, recognises=_recognises, read=_read, pieces=_pieces, has_numbers=False
)
