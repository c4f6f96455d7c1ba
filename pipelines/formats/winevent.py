"""Flattened Windows event JSON (PowerShell's ``Get-WinEvent`` made flat): event data and System fields side by side."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.formats.envelope import JSON_OPTIONS, Pieces, glued_objects, in_envelope, looks_like_json
from pipelines.formats.registry import Format

__all__ = ["FORMAT"]

_SYSTEM = (
    "@timestamp", "TimeCreated", "Hostname", "Channel", "SourceName", "ProviderGuid", "EventID", "Level", "Task",
    "Keywords", "Message", "RecordNumber", "EventRecordID", "ActivityID",
)  # fmt: skip


def _recognises(record: Column) -> Column:
    return (
        looks_like_json(record)
        & F.contains(record, F.lit('"TimeCreated"'))
        & F.contains(record, F.lit('"EventID"'))
        & F.contains(record, F.lit('"Hostname"'))
    )


def _parse(rows: DataFrame) -> DataFrame:
    read = rows.select("*", F.from_json("record", "map<string,string>", JSON_OPTIONS).alias("_json"))
    json = F.col("_json")
    header = F.create_map(
        F.lit("record_number"), F.coalesce(json["EventRecordID"], json["RecordNumber"]),
        F.lit("level"), json["Level"],
        F.lit("keywords"), json["Keywords"],
        F.lit("activity_id"), json["ActivityID"],
    )  # fmt: skip
    return in_envelope(
        read,
        Pieces(
            problem=F.when(json.isNull(), "not a JSON object").when(
                glued_objects(F.col("record")), "text after the JSON object"
            ),
            time=F.coalesce(json["@timestamp"], json["TimeCreated"]),
            code=json["EventID"],
            endpoint=json["Hostname"],
            provider=F.coalesce(json["SourceName"], json["Source"]),
            channel=json["Channel"],
            message=json["Message"],
            fields=json,
            header=header,
        ),
        platform="windows",
        without=_SYSTEM,
    )


FORMAT = Format(name="winevent", platform="windows", priority=40, recognises=_recognises, parse=_parse)
