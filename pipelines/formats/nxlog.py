"""NXLog JSON: event data and NXLog's own fields side by side at the top.

NXLog's names are case-blind and some are an event's own, so `_NXLOG` never reaches the event: ``ProcessID`` and
``ExecutionProcessID`` are the logging service's pid, ``AccountName``, ``Domain`` and ``UserID`` its account,
``host`` and ``port`` the collector's. ``EventType`` is NXLog's (INFO, AUDIT_SUCCESS) except where the event has one.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.formats.envelope import (
    NumberedFormat,
    Pieces,
    looks_like_json,
    read_flat_json,
)

__all__ = ["FORMAT"]

_NXLOG = (
    "EventTime", "EventReceivedTime", "@timestamp", "@version", "Hostname", "host", "port", "tags", "type", "Channel",
    "SourceName", "SourceModuleName", "SourceModuleType", "ProviderGuid", "EventID", "RecordNumber", "Version", "Task",
    "Opcode", "OpcodeValue", "Keywords", "Severity", "SeverityValue", "Category", "Message", "ActivityID",
    "RelatedActivityID", "ProcessID", "ExecutionProcessID", "ThreadID", "ExecutionThreadID", "AccountName",
    "AccountType", "Domain", "UserID", "EventTypeOrignal", "ERROR_EVT_UNRESOLVED", "MessageSourceAddress",
)  # fmt: skip
_LOG_TYPES = ("INFO", "AUDIT_SUCCESS", "AUDIT_FAILURE", "WARNING", "ERROR", "CRITICAL", "VERBOSE", "DEBUG")


def _recognises(record: Column) -> Column:
    return (
        looks_like_json(record)
        & F.contains(record, F.lit('"SourceModuleType"'))
        & (F.contains(record, F.lit('"EventTime"')) | F.contains(record, F.lit('"EventReceivedTime"')))
    )


def _pieces(record: Column, json: Column) -> Pieces:
    log_type = F.when(json["EventType"].isin(*_LOG_TYPES), json["EventType"]).otherwise(json["EventTypeOrignal"])
    header = F.create_map(
        F.lit("record_number"), json["RecordNumber"],
        F.lit("level"), json["Severity"],
        F.lit("keywords"), log_type,
        F.lit("activity_id"), json["ActivityID"],
        F.lit("logger_pid"), F.coalesce(json["ExecutionProcessID"], json["ProcessID"]),
        F.lit("logger_thread"), json["ThreadID"],
        F.lit("account"), json["AccountName"],
        F.lit("account_domain"), json["Domain"],
        F.lit("account_sid"), json["UserID"],
    )  # fmt: skip
    return Pieces(
        problem=F.when(json.isNull(), "not a JSON object"),
        time=F.coalesce(json["@timestamp"], json["EventTime"]),
        code=json["EventID"],
        endpoint=json["Hostname"],
        provider=json["SourceName"],
        channel=json["Channel"],
        message=json["Message"],
        fields=F.map_filter(
            json, lambda key, value: ~key.isin(*_NXLOG) & ((key != "EventType") | ~value.isin(*_LOG_TYPES))
        ),
        header=header,
    )


FORMAT = NumberedFormat(
    name="nxlog", platform="windows", priority=30, recognises=_recognises, read=read_flat_json, pieces=_pieces
)
