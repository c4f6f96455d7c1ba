"""Whole tables as plain values that can be compared, whoever wrote them and when."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pipelines.lake_reader import delta_table
from pipelines.settings import Settings

RESULTS = ("events", "window_graphs", "window_scores", "alerts")
WRITTEN_WHEN = {"received_at", "ingested_at", "scored_at", "created_at", "updated_at", "batch_id"}
_PRECISION = 6  # digits of a probability or weight


def rows(settings: Settings, name: str) -> list[dict[str, Any]]:
    """A table's rows, in no order."""
    table = delta_table(settings, name)
    return table.to_pyarrow_table().to_pylist() if table is not None else []


def comparable(found: Iterable[dict[str, Any]], *, without: Iterable[str] = ()) -> list[str]:
    """Rows as text, sorted: without the times of writing, numbers to six digits."""
    hidden = WRITTEN_WHEN | set(without)
    return sorted(_text({name: value for name, value in row.items() if name not in hidden}) for row in found)


def tables(settings: Settings, names: Iterable[str] = RESULTS) -> dict[str, list[str]]:
    """Tables by name, each `comparable`."""
    return {name: comparable(rows(settings, name)) for name in names}


def _text(value: Any) -> str:
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _PRECISION) + 0.0
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
