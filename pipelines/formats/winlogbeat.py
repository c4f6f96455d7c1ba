"""Winlogbeat 7, 8 and 9 JSON: everything of the event log under ``winlog``, ECS beside it; version 6 is another format."""

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.formats.collection_time import COLLECTED, collected_at
from pipelines.formats.envelope import JSON_OPTIONS, NumberedFormat, Pieces, looks_like_json

__all__ = ["FORMAT"]

_SCHEMA = (
    "`@timestamp` string, message string, "
    "winlog struct<channel: string, provider_name: string, event_id: string, computer_name: string, record_id: string, "
    "keywords: string, activity_id: string, process: struct<pid: string, thread: struct<id: string>>, "
    "user: struct<identifier: string, name: string, domain: string>, "
    "event_data: map<string,string>, user_data: map<string,string>>, "
    "event struct<code: string, provider: string, created: string>, log struct<level: string>, host struct<name: string>"
)


def _recognises(record: Column) -> Column:
    return looks_like_json(record) & F.contains(record, F.lit('"winlog"'))


def _read(record: Column) -> Column:
    return F.from_json(record, _SCHEMA, JSON_OPTIONS)


def _pieces(record: Column, json: Column) -> Pieces:
    log = json["winlog"]
    header = F.create_map(
        F.lit("record_number"), log["record_id"],
        F.lit("level"), json["log"]["level"],
        F.lit("keywords"), log["keywords"],
        F.lit("activity_id"), log["activity_id"],
        F.lit("logger_pid"), log["process"]["pid"],
        F.lit("logger_thread"), log["process"]["thread"]["id"],
        F.lit("account"), log["user"]["name"],
        F.lit("account_domain"), log["user"]["domain"],
        F.lit("account_sid"), log["user"]["identifier"],
        F.lit(COLLECTED), collected_at(json["event"]["created"], json["@timestamp"]),
    )  # fmt: skip
    return Pieces(
        problem=F.when(json["@timestamp"].isNull() & log.isNull(), "not a JSON object of this format"),
        time=json["@timestamp"],
        code=F.coalesce(log["event_id"], json["event"]["code"]),
        # host.name is the collector where events are forwarded
        endpoint=F.coalesce(log["computer_name"], json["host"]["name"]),
        provider=F.coalesce(log["provider_name"], json["event"]["provider"]),
        channel=log["channel"],
        message=json["message"],
        fields=F.coalesce(log["event_data"], log["user_data"]),
        header=header,
    )


FORMAT = NumberedFormat(
    name="winlogbeat", platform="windows", priority=10, recognises=_recognises, read=_read, pieces=_pieces
)
