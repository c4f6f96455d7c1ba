"""Windows events as rows of Log Analytics (Microsoft Sentinel), exported as JSON: SecurityEvent, WindowsEvent, Event.

``EventData`` is XML in the first, JSON in the second and XML in an envelope in the third; SecurityEvent has the fields of
many events as columns as well. Rows of tables that hold no numbered events are `pipelines.formats.device_tables`.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.arrays import computed_once, map_of, unpacked
from pipelines.formats.envelope import JSON_OPTIONS, NumberedFormat, Pieces, looks_like_json, read_flat_json
from pipelines.formats.xml_text import has_foreign_entity, leaves

__all__ = ["FORMAT"]

_MAP = "map<string,string>"
_NONE = f"CAST(map() AS {_MAP})"
# columns that are the service's or the event's header, not its data
_SYSTEM = (
    "TenantId", "SourceSystem", "TimeGenerated", "TimeGenerated [UTC]", "TimeCollected", "TimeCreatedUtc", "Computer",
    "Type", "MG", "ManagementGroupName", "SourceComputerId", "EventOriginId", "InstanceId", "_ResourceId",
    "_SubscriptionId", "_ItemId", "_Internal_WorkspaceResourceId", "AzureDeploymentID", "Role", "PartitionKey", "RowKey",
    "StorageAccount", "EventSourceName", "Provider", "Source", "Channel", "EventLog", "EventID", "Activity", "Task",
    "Level", "EventLevel", "EventLevelName", "Keywords", "Opcode", "Version", "Correlation", "EventRecordId",
    "SystemProcessId", "SystemThreadId", "SystemUserId", "UserName", "EventData", "EventData_dynamic", "RawEventData",
    "ParameterXml", "RenderedDescription", "EventCategory", "Account", "AccountType", "",
)  # fmt: skip
_SECURITY_NUMBERS = (4608, 6423)
_SECURITY = "Microsoft-Windows-Security-Auditing"


def _recognises(record: Column) -> Column:
    return (
        looks_like_json(record)
        & F.contains(record, F.lit('"TimeGenerated'))
        & F.contains(record, F.lit('"EventID"'))
        & F.contains(record, F.lit('"Computer"'))
    )


def _pieces(record: Column, json: Column) -> Pieces:
    header = F.create_map(
        F.lit("record_number"), json["EventRecordId"],
        F.lit("level"), F.coalesce(json["Level"], json["EventLevel"]),
        F.lit("keywords"), json["Keywords"],
        F.lit("activity_id"), json["Correlation"],
        F.lit("logger_pid"), json["SystemProcessId"],
        F.lit("logger_thread"), json["SystemThreadId"],
        F.lit("account_sid"), json["SystemUserId"],
    )  # fmt: skip
    # exports of a query may leave columns out; only SecurityEvent has its subject as columns, and numbers from 4608 on
    is_security = (
        (json["Type"] == "SecurityEvent")
        | json["SubjectUserSid"].isNotNull()
        | json["EventID"].try_cast("int").between(*_SECURITY_NUMBERS)
    )
    return Pieces(
        problem=F.when(json.isNull(), "not a JSON object").when(
            has_foreign_entity(json["EventData"]) & _is_markup(json["EventData"]), "entity that XML does not define"
        ),
        time=F.coalesce(json["TimeGenerated"], json["TimeGenerated [UTC]"]),
        code=json["EventID"],
        endpoint=json["Computer"],
        provider=F.coalesce(
            json["EventSourceName"], json["Provider"], json["Source"], F.when(is_security, F.lit(_SECURITY))
        ),
        channel=F.coalesce(json["Channel"], json["EventLog"], F.when(is_security, F.lit("Security"))),
        message=json["RenderedDescription"],
        fields=computed_once(F.coalesce(_event_data(json["EventData"]), F.expr(_NONE)), lambda told: _with(told, json)),
        header=header,
    )


def _is_markup(data: Column) -> Column:
    return F.startswith(data, F.lit("<"))


def _event_data(data: Column) -> Column:
    """The fields of ``EventData``, be it XML or JSON; null where it is neither."""
    of_xml = computed_once(leaves(data), lambda told: map_of(told, keep="first"))
    of_json = F.when(F.startswith(data, F.lit("{")), unpacked(F.from_json(data, _MAP, JSON_OPTIONS)))
    return F.when(_is_markup(data), of_xml).otherwise(of_json)


def _with(told: Column, json: Column) -> Column:
    """Fields of ``EventData``, and of the row's own columns those that these do not tell."""
    own = F.map_filter(json, lambda key, _: ~key.isin(*_SYSTEM) & ~F.map_contains_key(told, key))
    return F.map_concat(told, F.coalesce(unpacked(own), F.expr(_NONE)))


FORMAT = NumberedFormat(
    name="log_analytics", platform="windows", priority=41, recognises=_recognises, read=read_flat_json, pieces=_pieces
)
