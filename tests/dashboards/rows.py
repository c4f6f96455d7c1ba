"""Rows of the tables that the dashboards read."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from pipelines.schemas.tables import table_named

MINUTE = timedelta(minutes=1)


def alert(number: int, seen: datetime, **columns: Any) -> dict[str, Any]:
    """An alert's row, last seen at `seen`."""
    return {
        "alert_id": f"{number:064x}", "tenant": "acme", "endpoint": "web-1", "platform": "linux",
        "severity": "HIGH", "attack_prob": 0.9, "anchor_start": seen - 3 * MINUTE, "first_seen": seen - 3 * MINUTE,
        "last_seen": seen, "window_count": 1, "model_name": "logster-linux", "model_version": "1",
        "ttp_techniques": ["T1059.004"], "ttp_tactics": ["execution"], "ttp_explanations": ["a shell ran"],
        "related_endpoints": [], "contributing_events": [{"event_id": "e1", "weight": 0.5, "summary": "sh ran id"}],
        "created_at": seen, "updated_at": seen, **columns,
    }  # fmt: skip


def score(start: datetime, **columns: Any) -> dict[str, Any]:
    """A window's score."""
    return {
        "tenant": "acme", "endpoint": "web-1", "platform": "linux", "window_start": start, "window_end": start + 3 * MINUTE,
        "model_name": "logster-linux", "model_version": "1", "role": "champion", "attack_prob": 0.1, "verdict": "benign",
        "contributing_events": [], "n_nodes": 1, "n_edges": 1, "scored_at": start + 4 * MINUTE, **columns,
    }  # fmt: skip


def change(alert_number: int, at: datetime, status: str, **columns: Any) -> dict[str, Any]:
    """A change of an alert to a status."""
    return {
        "change_id": f"{at.isoformat()}-{status}", "alert_id": f"{alert_number:064x}", "tenant": "acme",
        "from_status": "open", "to_status": status, "note": None, "actor": "ana", "changed_at": at, **columns,
    }  # fmt: skip


def write_rows(lake: Path, name: str, *rows: dict[str, Any]) -> None:
    schema = table_named(name).schema.remove_metadata()
    write_deltalake(str(lake / name), pa.Table.from_pylist(list(rows), schema), mode="append")
