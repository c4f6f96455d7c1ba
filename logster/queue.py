"""The alert queue and query results as a terminal shows them, read without Spark."""

from pathlib import Path
from typing import Any

import duckdb
from rich.table import Table

from logster.display import plain
from pipelines.errors import LakeError
from pipelines.lake_reader import delta_table
from pipelines.settings import Settings

__all__ = ["check_lake", "newest_alerts", "query_table"]

_SHOWN_ROWS = 1_000


def check_lake(settings: Settings) -> None:
    """Make sure that there is a lake to read; one on an object store is taken on trust.

    Raises:
        LakeError: there is none.
    """
    if "://" not in settings.lake and not Path(settings.lake).is_dir():
        raise LakeError(
            f"there is no lake at {settings.lake} (LOGSTER_LAKE); `logster ingest` and `logster run` make one"
        )


def newest_alerts(settings: Settings, *, tenant: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest alerts by their last window, as plain rows."""
    table = delta_table(settings, "alerts")
    if table is None:
        return []
    rows = table.to_pyarrow_table(filters=[("tenant", "=", tenant)] if tenant else None)
    found: list[dict[str, Any]] = rows.sort_by([("last_seen", "descending"), ("alert_id", "ascending")]).slice(
        0, limit
    ).to_pylist()  # fmt: skip
    return found


def query_table(result: duckdb.DuckDBPyRelation) -> Table:
    """A query's rows as a table; says so where there are more than are shown."""
    table = Table()
    for name in result.columns:
        table.add_column(plain(name), overflow="fold")
    rows = result.fetchmany(_SHOWN_ROWS + 1)
    for row in rows[:_SHOWN_ROWS]:
        table.add_row(*["" if value is None else plain(str(value)) for value in row])
    if len(rows) > _SHOWN_ROWS:
        table.caption = f"first {_SHOWN_ROWS:,} rows; add LIMIT or aggregate"
    return table
