"""The tables that alerts and what is said of them lie in, written without Spark as pipeline and API write them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from pipelines.lake_reader import delta_table, table_uri
from pipelines.schemas.tables import table_named
from pipelines.settings import Settings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Row = dict[str, Any]


def alert(number: int, *, state: int = 0, **columns: Any) -> Row:
    """An alert's row; with each state it has grown by a window, and was updated a second later."""
    return {
        "alert_id": f"{number:064x}", "tenant": "acme", "endpoint": f"web-{number}", "platform": "linux",
        "severity": "HIGH", "attack_prob": 0.9, "anchor_start": NOON, "first_seen": NOON,
        "last_seen": NOON + timedelta(minutes=3 + state), "window_count": 1 + state, "model_name": "logster-linux",
        "model_version": "1", "ttp_techniques": [], "ttp_tactics": [], "ttp_explanations": [], "related_endpoints": [],
        "contributing_events": [{"event_id": "e1", "weight": 0.5, "summary": "sh ran id"}],
        "created_at": NOON, "updated_at": NOON + timedelta(seconds=state), **columns,
    }  # fmt: skip


def change(name: str, number: int, *, second: int = 0, **columns: Any) -> Row:
    """A change of an alert by an analyst."""
    return {
        "change_id": name, "alert_id": f"{number:064x}", "tenant": "acme", "from_status": "open",
        "to_status": "acknowledged", "assignee": "ann", "note": None, "actor": "ann",
        "changed_at": NOON + timedelta(minutes=10, seconds=second), **columns,
    }  # fmt: skip


def verdict(name: str, number: int, **columns: Any) -> Row:
    """A verdict on an alert."""
    return {
        "feedback_id": name, "alert_id": f"{number:064x}", "tenant": "acme", "verdict": "true_positive", "comment": None,
        "actor": "ann", "created_at": NOON + timedelta(minutes=20), **columns,
    }  # fmt: skip


def append(settings: Settings, name: str, *rows: Row) -> None:
    table = table_named(name)
    new = pa.Table.from_pylist(list(rows), table.schema.remove_metadata())
    write_deltalake(table_uri(settings, name), new, mode="append", configuration=table.properties)


def merge_alerts(settings: Settings, rows: Iterable[Row], *, gone: Iterable[str] = ()) -> None:
    """What `pipelines.alerting.update` does in one commit: rows replaced by their id, added, and removed."""
    schema = table_named("alerts").schema.remove_metadata()
    if delta_table(settings, "alerts") is None:
        append(settings, "alerts")
    new = [{**row, "is_gone": False} for row in rows]
    new += [{**alert(0), "alert_id": alert_id, "is_gone": True} for alert_id in gone]
    source = pa.Table.from_pylist(new, schema.append(pa.field("is_gone", pa.bool_())))
    merge = DeltaTable(table_uri(settings, "alerts")).merge(
        source, "t.alert_id = s.alert_id", source_alias="s", target_alias="t"
    )
    columns = {name: f"s.{name}" for name in schema.names}
    merge = merge.when_matched_delete("s.is_gone").when_matched_update(columns)
    merge.when_not_matched_insert(columns, "NOT s.is_gone").execute()


def outbox_rows(settings: Settings) -> list[Row]:
    """All that was told, in order."""
    table = delta_table(settings, "outbox")
    assert table is not None
    rows: list[Row] = table.to_pyarrow_table().to_pylist()
    return sorted(rows, key=lambda row: row["sequence"])
