"""LAUREL's JSON audit log: one line an audit event, its records as members named by their type.

Here only time and endpoint are told; the records' text goes to ``pipelines.normalise.whole_audit``.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.arrays import unpacked
from pipelines.formats.audit_types import NO_RECORDS, RECORD_TYPE
from pipelines.formats.envelope import NumberedFormat, Pieces, looks_like_json, read_flat_json, without

__all__ = ["FORMAT"]

_BEGIN = r'^\{ ?"ID" ?: ?"\d{1,11}\.\d{3}:\d{1,20}"'


def _recognises(record: Column) -> Column:
    return looks_like_json(record) & F.rlike(record, F.lit(_BEGIN))


def _pieces(record: Column, json: Column) -> Pieces:
    stamp = json["ID"]
    seconds, millis = (
        F.split_part(stamp, F.lit("."), F.lit(1)),
        F.substring(F.split_part(stamp, F.lit("."), F.lit(2)), 1, 3),
    )
    micros = F.try_add(seconds.try_cast("bigint") * 1_000_000, millis.try_cast("bigint") * 1_000)
    return Pieces(
        problem=F.when(json.isNull(), "not a JSON object").when(
            # of members of one name the last counts, as for those who read the records
            ~F.exists(F.map_entries(unpacked(json)), _is_record),
            "no audit record in the event",
        ),
        time=F.timestamp_micros(micros).cast("string"),
        code=F.when(json["SYSCALL"].isNotNull(), "SYSCALL").otherwise("EVENT"),
        endpoint=json["NODE"],
        provider=F.lit("auditd"),
        channel=F.lit(None),
        message=F.lit(None),
        fields=without(json, ("ID", "NODE")),
        header=F.create_map(F.lit("stamp"), stamp),
    )


def _is_record(member: Column) -> Column:
    name, value = member["key"], F.coalesce(member["value"], F.lit(""))
    return F.rlike(name, F.lit(RECORD_TYPE)) & ~name.isin("ID", "NODE", *NO_RECORDS) & ~value.isin("", "-")


FORMAT = NumberedFormat(
    name="laurel",
    platform="linux",
    priority=46,
    recognises=_recognises,
    read=read_flat_json,
    pieces=_pieces,
    has_numbers=False,
)
