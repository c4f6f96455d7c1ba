"""What tables hold, as asset metadata, read without Spark: an hour of windows, scores or alerts, or a whole table."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from assets.partitions import HOUR
from assets.plots import probability_plot
from pipelines.lake_reader import connect, delta_table
from pipelines.settings import Settings

__all__ = ["Metadata", "hours_scored_at", "ingestion_lag_seconds", "query_lake", "row_count", "summarise_hours"]

Metadata = dict[str, dg.MetadataValue | str | int | float]

_SQL = Path(__file__).parent / "sql"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def summarise_hours(settings: Settings, table: str, hours: Iterable[datetime]) -> dict[datetime, Metadata]:
    """Metadata of each hour, also of those that hold no row.

    Args:
        settings: says where the lake is.
        table: ``window_graphs``, ``window_scores`` or ``alerts``.
        hours: starts of hours (UTC).
    """
    wanted = sorted(set(hours))
    if not wanted:
        return {}
    values = {
        "hours": [_number(hour) for hour in wanted],
        "first": _micros(wanted[0]),
        "last": _micros(wanted[-1] + HOUR),
    }
    found: dict[datetime, Metadata] = {hour: {"dagster/partition_row_count": 0} for hour in wanted}
    for row in query_lake(settings, table, values, tables=[table]):
        found[_EPOCH + row.pop("hour") * HOUR] = _metadata(row)
    return found


def hours_scored_at(settings: Settings, at: datetime) -> list[datetime]:
    """The hours whose windows the round of detection at this time scored, in order."""
    rows = query_lake(settings, "hours_scored_at", {"at": _micros(at)}, tables=["window_scores"])
    return [_EPOCH + row["hour"] * HOUR for row in rows]


def ingestion_lag_seconds(settings: Settings, at: datetime) -> float | None:
    """How long after it happened the newest event of the batch read at this time was read; None without events.

    Events whose clock runs ahead of the batch are left out.
    """
    rows = query_lake(settings, "ingestion_lag", {"at": _micros(at)}, tables=["events"])
    lag: float | None = rows[0]["lag_seconds"]
    return lag


def row_count(settings: Settings, table: str) -> int:
    """Rows of a table by its log's own statistics; 0 where it has not been written yet."""
    there = delta_table(settings, table)
    return 0 if there is None else int(there.count())


def query_lake(settings: Settings, name: str, values: Mapping[str, Any], *, tables: list[str]) -> list[dict[str, Any]]:
    """Run ``sql/<name>.sql`` over these tables; times go in and come out as microseconds since 1970."""
    sql = (_SQL / f"{name}.sql").read_text(encoding="utf-8")
    with connect(settings, tables) as connection:
        rows: list[dict[str, Any]] = connection.execute(sql, dict(values)).to_arrow_table().to_pylist()
    return rows


def _metadata(row: Mapping[str, Any]) -> Metadata:
    """A row of a summary: times by their names, the histogram as a plot, everything else as it is."""
    found: Metadata = {}
    for name, value in row.items():
        if value is None:
            continue
        if name.startswith("newest_"):
            found[name] = dg.MetadataValue.timestamp(value / 1e6)
        elif name == "histogram":
            found["attack_prob"] = probability_plot(value)
        else:
            found[name] = value
    return found


def _number(hour: datetime) -> int:
    return (hour - _EPOCH) // HOUR


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
