"""All tables of the lake by name: schema, key and clustering, so that readers, writers, docs and tests agree."""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from pipelines.errors import LakeError
from pipelines.schemas.alerts import ALERT_CHANGES, ALERTS, FEEDBACK
from pipelines.schemas.graphs import PANES, PENDING, WINDOW_GRAPHS, WINDOW_SCORES
from pipelines.schemas.outbox import OUTBOX
from pipelines.schemas.suppressions import SUPPRESSIONS
from pipelines.schemas.telemetry import EVENTS, PROCESS_MARKS, QUARANTINE, RAW

__all__ = ["TABLES", "Table", "refuse_missing", "table_named"]


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: its folder in the lake.
        schema: what a row holds.
        key: columns that tell rows apart.
        find_by: columns whose least and greatest values in a file stand in Delta's log, so that readers who ask for a
            part of them skip files. Few, since each costs planning time in every micro-batch; Delta's own choice is the
            first 32, most of them texts by whose bounds no file can be skipped.
        cluster_by: those of them that the files are clustered by.
        is_public: people may rely on it.
    """

    name: str
    schema: pa.Schema
    key: tuple[str, ...]
    find_by: tuple[str, ...]
    cluster_by: tuple[str, ...] = ()
    is_public: bool = True

    @property
    def properties(self) -> dict[str, str]:
        """Delta's table properties, the same whoever makes the table."""
        return {"delta.enableDeletionVectors": "false", "delta.dataSkippingStatsColumns": ",".join(self.find_by)}


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table("raw", RAW, ("record_id", "origin"), ("received_at", "tenant", "batch_id"), ("received_at",)),
        Table("quarantine", QUARANTINE, ("record_id", "origin"), ("received_at", "tenant")),
        Table(
            "events", EVENTS, ("event_id",), ("ts", "tenant", "endpoint", "ingested_at"), ("ts", "tenant", "endpoint")
        ),
        Table("process_marks", PROCESS_MARKS, ("event_id",), ("ts", "tenant", "endpoint"), ("ts",), is_public=False),
        Table(
            "pending",
            PENDING,
            ("tenant", "endpoint", "kind", "start", "batch_id"),
            ("end", "ingested_at"),
            is_public=False,
        ),
        Table("panes", PANES, ("tenant", "endpoint", "platform", "pane_start"), ("pane_start",), is_public=False),
        Table(
            "window_graphs",
            WINDOW_GRAPHS,
            ("tenant", "endpoint", "platform", "window_start"),
            ("window_start", "tenant", "endpoint"),
            ("window_start",),
        ),
        Table(
            "window_scores",
            WINDOW_SCORES,
            ("tenant", "endpoint", "platform", "window_start", "model_name", "model_version"),
            ("window_start", "tenant", "endpoint", "scored_at"),
            ("window_start",),
        ),
        Table("alerts", ALERTS, ("alert_id",), ("first_seen", "last_seen", "updated_at", "tenant")),
        Table("alert_changes", ALERT_CHANGES, ("change_id",), ("changed_at",)),
        Table("feedback", FEEDBACK, ("feedback_id",), ("created_at",)),
        Table("suppressions", SUPPRESSIONS, ("suppression_id", "deleted_at"), ("created_at",)),
        Table("outbox", OUTBOX, ("change_id",), ("sequence", "written_at")),
    )
}


def table_named(name: str) -> Table:
    """Look a table up.

    Raises:
        LakeError: there is none of that name.
    """
    try:
        return TABLES[name]
    except KeyError:
        raise LakeError(f"no table '{name}'; there are {', '.join(TABLES)}") from None


def refuse_missing(table: Table, there: Iterable[str], place: str) -> None:
    """Refuse a table that lacks a declared column: made by another version, or not Logster's.

    Args:
        table: as it is declared.
        there: the columns that it has.
        place: where it is, for the words.

    Raises:
        LakeError: names the columns.
    """
    found = set(there)
    if missing := [name for name in table.schema.names if name not in found]:
        raise LakeError(
            f"table {place} lacks {', '.join(missing)}; it was made by another version: "
            "set LOGSTER_LAKE to a new place, or move the table away"
        )
