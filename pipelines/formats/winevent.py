"""Flattened Windows event JSON (PowerShell's ``Get-WinEvent`` made flat): event data and System fields side by side."""

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.formats.envelope import (
    NumberedFormat,
    Pieces,
    looks_like_json,
    read_flat_json,
    without,
)

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


def _pieces(record: Column, json: Column) -> Pieces:
    header = F.create_map(
        F.lit("record_number"), F.coalesce(json["EventRecordID"], json["RecordNumber"]),
        F.lit("level"), json["Level"],
        F.lit("keywords"), json["Keywords"],
        F.lit("activity_id"), json["ActivityID"],
    )  # fmt: skip
    return Pieces(
        problem=F.when(json.isNull(), "not a JSON object"),
        time=F.coalesce(json["@timestamp"], json["TimeCreated"]),
        code=json["EventID"],
        endpoint=json["Hostname"],
        provider=F.coalesce(json["SourceName"], json["Source"]),
        channel=json["Channel"],
        message=json["Message"],
        fields=without(json, _SYSTEM),
        header=header,
    )


FORMAT = NumberedFormat(
    name="winevent", platform="windows", priority=40, recognises=_recognises, read=read_flat_json, pieces=_pieces
)
