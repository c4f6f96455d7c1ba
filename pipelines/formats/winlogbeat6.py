"""Winlogbeat 6 JSON: ``computer_name``, ``event_id`` and ``event_data`` at the top; later versions are another format."""

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.formats.envelope import JSON_OPTIONS, NumberedFormat, Pieces, looks_like_json

__all__ = ["FORMAT"]

_SCHEMA = (
    "`@timestamp` string, computer_name string, log_name string, source_name string, event_id string, "
    "record_number string, message string, level string, process_id string, thread_id string, activity_id string, "
    "keywords string, user struct<identifier: string, name: string, domain: string>, "
    "event_data map<string,string>, user_data map<string,string>"
)


def _recognises(record: Column) -> Column:
    return looks_like_json(record) & F.contains(record, F.lit('"event_id"')) & F.contains(record, F.lit('"log_name"'))


def _read(record: Column) -> Column:
    return F.from_json(record, _SCHEMA, JSON_OPTIONS)


def _pieces(record: Column, json: Column) -> Pieces:
    empty = json["@timestamp"].isNull() & json["event_id"].isNull() & json["computer_name"].isNull()
    header = F.create_map(
        F.lit("record_number"), json["record_number"],
        F.lit("level"), json["level"],
        F.lit("keywords"), json["keywords"],
        F.lit("activity_id"), json["activity_id"],
        F.lit("logger_pid"), json["process_id"],
        F.lit("logger_thread"), json["thread_id"],
        F.lit("account"), json["user"]["name"],
        F.lit("account_domain"), json["user"]["domain"],
        F.lit("account_sid"), json["user"]["identifier"],
    )  # fmt: skip
    return Pieces(
        problem=F.when(empty, "not a JSON object of this format"),
        time=json["@timestamp"],
        code=json["event_id"],
        endpoint=json["computer_name"],
        provider=json["source_name"],
        channel=json["log_name"],
        message=json["message"],
        fields=F.coalesce(json["event_data"], json["user_data"]),
        header=header,
    )


FORMAT = NumberedFormat(
    name="winlogbeat6", platform="windows", priority=20, recognises=_recognises, read=_read, pieces=_pieces
)
