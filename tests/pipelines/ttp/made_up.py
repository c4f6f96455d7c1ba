"""Events for rules, made of the few columns that matter to them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from pipelines.lake import conform
from pipelines.schemas.tables import table_named
from pipelines.ttp.logsources import LogSource
from pipelines.ttp.ruleset import Rule

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
_SYSMON = "Microsoft-Windows-Sysmon"
_KINDS: dict[str, dict[str, str]] = {
    "process_creation": {"category": "process", "action": "process_created", "event_code": "1"},
    "process_access": {"category": "process", "action": "process_accessed", "event_code": "10"},
    "create_remote_thread": {"category": "process", "action": "thread_created", "event_code": "8"},
    "registry_set": {"category": "registry", "action": "registry_value_set", "event_code": "13"},
    "registry_event": {"category": "registry", "action": "registry_value_set", "event_code": "13"},
    "file_event": {"category": "file", "action": "file_created", "event_code": "11"},
    "image_load": {"category": "module", "action": "module_loaded", "event_code": "7"},
    "pipe_created": {"category": "file", "action": "pipe_created", "event_code": "17"},
    "network_connection": {"category": "network", "action": "connected", "event_code": "3"},
    "dns_query": {"category": "network", "action": "dns_query", "event_code": "22"},
    "ps_script": {"category": "script", "action": "script_block_created", "event_code": "4104",
                  "provider": "Microsoft-Windows-PowerShell"},
}  # fmt: skip


def event(event_id: str, **columns: Any) -> dict[str, Any]:
    """A row of ``events``; what is not told is as plain as can be."""
    plain = {
        "event_id": event_id, "tenant": "acme", "endpoint": "ws-1", "platform": "windows", "ts": NOON, "ingested_at": NOON,
        "source": "test", "provider": _SYSMON, "event_code": "0", "category": "other", "action": "none",
        "record_id": event_id, "record_ids": [event_id], "parser_version": "1",
    }  # fmt: skip
    path = columns.get("process_path")
    name = path.replace("/", "\\").rsplit("\\", 1)[-1] if path else None
    return {**plain, "process_name": name, **columns}


def example(rule: Rule, told: Mapping[str, Any], event_id: str) -> dict[str, Any]:
    """An event of the kind that a rule is about."""
    return event(event_id, **{"platform": rule.source.product, **_kind(rule.source), **told})


def rows_of(made: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows as Arrow takes them: without other columns, maps as pairs."""
    names = table_named("events").schema.names
    rows = [{name: value for name, value in row.items() if name in names} for row in made]
    return [{**row, "fields": list(row["fields"].items())} if row.get("fields") else row for row in rows]


def events_of(spark: SparkSession, made: Iterable[Mapping[str, Any]]) -> DataFrame:
    """Rows as a frame of ``events``."""
    table = table_named("events")
    return conform(spark.createDataFrame(pa.Table.from_pylist(rows_of(made), table.schema)), table)


def _kind(source: LogSource) -> dict[str, str]:
    told = dict(_KINDS.get(source.category or "", {}))
    if source.service == "auditd" or source.product == "linux":
        told["provider"] = "auditd"
    return told
