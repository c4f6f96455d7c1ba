"""What lies in quarantine, as a terminal shows it; without Spark. Reading it again is ``pipelines.replay``."""

from typing import Any

from rich.table import Table

from logster.display import plain
from pipelines.lake_reader import connect
from pipelines.replay import Selection
from pipelines.settings import Settings

__all__ = ["count_table", "quarantined", "record_table", "refusals"]

_SHOWN_CHARACTERS = 200
_SELECTED = """
    ($tenant IS NULL OR tenant = $tenant) AND ($source IS NULL OR source = $source)
    AND ($reason IS NULL OR contains(reason, $reason))
    AND ($first IS NULL OR received_at >= $first) AND ($last IS NULL OR received_at < $last)
"""


def refusals(settings: Settings, selection: Selection) -> list[dict[str, Any]]:
    """How many records were refused for which reason, most first."""
    query = f"""
        SELECT source, reason, parser_version, count(*) AS n_records, min(received_at) AS first, max(received_at) AS last
        FROM quarantine WHERE {_SELECTED}
        GROUP BY ALL ORDER BY n_records DESC, source, reason
    """
    return _rows(settings, query, selection, {})


def quarantined(settings: Settings, selection: Selection, *, limit: int) -> list[dict[str, Any]]:
    """The newest rows of ``quarantine``, whole."""
    query = f"SELECT * FROM quarantine WHERE {_SELECTED} ORDER BY received_at DESC, origin LIMIT $limit"
    return _rows(settings, query, selection, {"limit": limit})


def count_table(found: list[dict[str, Any]]) -> Table:
    """`refusals` as a table."""
    table = Table(title="Quarantine, most first", title_justify="left")
    for name in ("records", "format", "reason", "first (UTC)", "last (UTC)", "parsers"):
        table.add_column(name, overflow="fold", justify="right" if name in ("records", "parsers") else "left")
    for row in found:
        table.add_row(
            f"{row['n_records']:,}", plain(row["source"]), plain(row["reason"]),
            f"{row['first']:%Y-%m-%d %H:%M}", f"{row['last']:%Y-%m-%d %H:%M}", row["parser_version"],
        )  # fmt: skip
    return table


def record_table(found: list[dict[str, Any]]) -> Table:
    """`quarantined` as a table; long records are cut."""
    table = Table(title="Quarantine, newest first", title_justify="left")
    for name in ("received (UTC)", "tenant", "format", "from", "reason", "record"):
        table.add_column(name, overflow="fold")
    for row in found:
        record = row["record"]
        shown = record if len(record) <= _SHOWN_CHARACTERS else f"{record[:_SHOWN_CHARACTERS]}…"
        table.add_row(
            f"{row['received_at']:%Y-%m-%d %H:%M:%S}", plain(row["tenant"]), plain(row["source"]), plain(row["origin"]),
            plain(row["reason"]), plain(shown),
        )  # fmt: skip
    return table


def _rows(settings: Settings, query: str, selection: Selection, more: dict[str, Any]) -> list[dict[str, Any]]:
    connection = connect(settings, ["quarantine"])
    connection.execute("SET TimeZone = 'UTC'")
    given = {name: getattr(selection, name) for name in ("tenant", "source", "reason", "first", "last")}
    found: list[dict[str, Any]] = connection.execute(query, given | more).to_arrow_table().to_pylist()
    return found
