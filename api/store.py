"""The alert queue and its endpoints as the API shows them: pages, one alert, counts, health.

Changing alerts is in ``api.changes``, what lies behind an alert in ``api.evidence``.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from api.cursors import opened, sealed
from api.errors import UnknownAlertError
from api.histories import etag_of, feedback_of, histories_of, micros
from api.queries import Queries
from api.schemas import (
    AlertDetail,
    AlertPage,
    AlertSummary,
    Change,
    EndpointPage,
    EndpointStatus,
    Feedback,
    Health,
    Lag,
    TableHealth,
)
from pipelines.alerting.lifecycle import AlertChange, AlertState, allowed_statuses
from pipelines.alerting.suppression import MATCHED_COLUMNS, matches
from pipelines.schemas.alerts import ALERTS, CLOSED_STATUSES, AlertStatus, Severity
from pipelines.schemas.tables import TABLES
from pipelines.settings import Settings

__all__ = ["AlertFilter", "Store"]

_QUEUE = ("alerts", "alert_changes", "suppressions")


@dataclass(frozen=True)
class AlertFilter:
    """What a caller wants of the queue; None does not filter.

    Attributes:
        tenant: exactly.
        endpoint: exactly, in any case of letters.
        severities: any of these.
        statuses: any of these.
        technique: ATT&CK id; its sub-techniques count.
        start: alerts last seen after this.
        end: alerts first seen before this.
        is_suppressed: only those that are suppressed (True), or that are not (False).
    """

    tenant: str | None = None
    endpoint: str | None = None
    severities: Sequence[Severity] | None = None
    statuses: Sequence[AlertStatus] | None = None
    technique: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    is_suppressed: bool | None = None


class Store:
    """One lake, read at its newest snapshot on every call; may be used by many threads."""

    def __init__(self, settings: Settings) -> None:
        self.queries = Queries(settings)
        self._newest_windows = _NewestWindows(self.queries)

    def of(self, tenant: str | None) -> "Store":
        """The same lake as that tenant sees it; None sees all of it."""
        bound = copy(self)
        bound.queries = self.queries.bound_to(tenant)
        return bound

    def alerts(self, wanted: AlertFilter, *, limit: int = 50, cursor: str | None = None) -> AlertPage:
        """One page of the queue, newest `last_seen` first.

        Raises:
            BadCursorError: the cursor is not one that a page gave out.
            LakeError: the lake cannot be read.
        """
        after_us, after_id = opened(cursor, (int, str)) if cursor is not None else (None, None)
        rows = self.queries.rows(
            "alerts_page",
            {
                "tenant": wanted.tenant,
                "endpoint": wanted.endpoint,
                "severities": _texts(wanted.severities),
                "statuses": _texts(wanted.statuses),
                "technique": wanted.technique,
                "from_us": wanted.start and micros(wanted.start),
                "to_us": wanted.end and micros(wanted.end),
                "suppressed": wanted.is_suppressed,
                "after_us": after_us,
                "after_id": after_id,
                "limit": limit + 1,
            },
            _QUEUE,
        )
        page = [AlertSummary(**row) for row in rows[:limit]]
        more = len(rows) > limit
        return AlertPage(
            alerts=page, next_cursor=sealed(micros(page[-1].last_seen), page[-1].alert_id) if more else None
        )

    def alert(self, alert_id: str) -> AlertDetail:
        """One alert with its history.

        Raises:
            UnknownAlertError: there is none of that id.
            LakeError: the lake cannot be read.
        """
        row = self.alert_row(alert_id)
        history = histories_of(self.changes(), [alert_id]).get(alert_id, [])
        return self.detail(row, history)

    def detail(self, row: dict[str, Any], history: Sequence[AlertChange]) -> AlertDetail:
        """One alert with its history, the verdicts on it, and what suppresses it.

        Args:
            row: its row in ``alerts``.
            history: its changes, oldest first.

        Raises:
            LakeError: the lake cannot be read.
        """
        pairs = [one for one in matches(_matched(row), self.queries.suppressions()) if not one["is_deleted"]]
        last = max(pairs, key=lambda one: (one["expires_at"], one["suppression_id"]), default=None)
        return _alert_detail(row, history, self.feedback(row["alert_id"]), last)

    def alert_row(self, alert_id: str) -> dict[str, Any]:
        """One row of ``alerts``.

        Raises:
            UnknownAlertError: there is none of that id.
            LakeError: the lake cannot be read.
        """
        found = self.queries.row("alerts", "alert_id", alert_id)
        if found is None:
            raise UnknownAlertError(alert_id)
        return found

    def alert_rows(self, alert_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What identifies alerts (alert_id, tenant, updated_at), by id; those that there are.

        Raises:
            LakeError: the lake cannot be read.
        """
        own = self.queries.columns("alerts", ("alert_id", "tenant", "updated_at"))
        found = own.filter(pc.is_in(own["alert_id"], value_set=pa.array(alert_ids, pa.string())))
        return {row["alert_id"]: row for row in found.to_pylist()}

    def changes(self) -> Any:  # noqa: ANN401 - pyarrow is untyped here
        """All rows of ``alert_changes``, as Arrow."""
        return self.queries.written("alert_changes")

    def feedback(self, alert_id: str) -> list[Feedback]:
        """Verdicts on an alert, oldest first."""
        return feedback_of(self.queries.written("feedback"), alert_id)

    def endpoints(self, *, tenant: str | None = None, limit: int = 1000, cursor: str | None = None) -> EndpointPage:
        """One page of endpoints, by tenant, name and platform.

        Raises:
            BadCursorError: the cursor is not one that a page gave out.
            LakeError: the lake cannot be read.
        """
        after = list(opened(cursor, (str, str, str))) if cursor is not None else None
        closed = [str(status) for status in CLOSED_STATUSES]
        rows = self.queries.rows(
            "endpoints_page",
            {"tenant": tenant, "after": after, "closed": closed, "limit": limit + 1},
            _QUEUE,
            last_windows=self._newest_windows.read(),
        )
        page = [EndpointStatus(**row) for row in rows[:limit]]
        more = len(rows) > limit
        return EndpointPage(
            endpoints=page,
            next_cursor=sealed(page[-1].tenant, page[-1].endpoint, page[-1].platform) if more else None,
        )

    def counts(self) -> list[tuple[str, str, bool, int]]:
        """Alerts by severity, status, and whether they are suppressed.

        Raises:
            LakeError: the lake cannot be read.
        """
        rows = self.queries.rows("alert_counts", {}, _QUEUE)
        return [(row["severity"], row["status"], row["is_suppressed"], row["n_alerts"]) for row in rows]

    def suppression_hits(self, suppression_id: str | None = None) -> dict[str, tuple[int, datetime]]:
        """How many alerts each suppression quiets, and when the newest of these was last seen; those that quiet any.

        Args:
            suppression_id: that one alone; None: all.

        Raises:
            LakeError: the lake cannot be read.
        """
        rows = self.queries.rows("suppression_hits", {"suppression_id": suppression_id}, ("alerts", "suppressions"))
        return {row["suppression_id"]: (row["n_alerts"], row["last_hit"]) for row in rows}

    def health(self, *, now: datetime, is_whole: bool = True) -> Health:
        """Versions and freshness of the tables.

        Args:
            now: wall clock (UTC).
            is_whole: say more than that the tables can be read; it is about all tenants.

        Raises:
            LakeError: a table is there and cannot be read.
        """
        newest = self.queries.snapshots.newest
        tables = [TableHealth(table=name, version=self.queries.snapshots.version(name)) for name in TABLES]
        if not is_whole:
            return Health(status="ok", tables=None, event_time=None, ingested=None, scored=None, alerted=None)
        return Health(
            status="ok",
            tables=tables,
            event_time=_lag(newest("events", "ts"), now),
            ingested=_lag(newest("events", "ingested_at"), now),
            scored=_lag(newest("window_scores", "scored_at"), now),
            alerted=_lag(newest("alerts", "updated_at"), now),
        )


class _NewestWindows:
    """`last_windows.sql` of all tenants, worked out anew only where the table has changed: it reads every score there is."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._kept: tuple[int | None, Any] | None = None

    def read(self) -> Any:  # noqa: ANN401 - pyarrow is untyped here
        version = self._queries.snapshots.version("window_scores")
        kept = self._kept
        if kept is None or kept[0] != version or version is None:
            kept = self._kept = (version, self._queries.table("last_windows", {}, ("window_scores",)))
        return kept[1]


def _alert_detail(
    row: dict[str, Any],
    history: Sequence[AlertChange],
    feedback: Sequence[Feedback],
    suppression: Mapping[str, Any] | None = None,
) -> AlertDetail:
    """One alert with its history.

    Args:
        row: its row in ``alerts``.
        history: its changes, oldest first.
        feedback: the verdicts on it, oldest first.
        suppression: what quiets it, as `pipelines.alerting.suppression.matches` tells; None: nothing.
    """
    state = history[-1].state if history else AlertState()
    return AlertDetail(
        **row,
        status=state.status,
        assignee=state.assignee,
        etag=etag_of(row["updated_at"], len(history), len(feedback)),
        allowed_statuses=allowed_statuses(state.status),
        history=[Change.model_validate(change, from_attributes=True) for change in history],
        feedback=list(feedback),
        suppressed_by=suppression and suppression["suppression_id"],
        suppressed_until=suppression and suppression["expires_at"],
    )


def _matched(row: Mapping[str, Any]) -> Any:  # noqa: ANN401 - pyarrow is untyped here
    schema = pa.schema([ALERTS.field(name) for name in MATCHED_COLUMNS]).remove_metadata()
    return pa.Table.from_pylist([{name: row[name] for name in MATCHED_COLUMNS}], schema)


def _texts(values: Sequence[str] | None) -> list[str] | None:
    return [str(value) for value in values] if values else None


def _lag(newest: datetime | None, now: datetime) -> Lag:
    return Lag(newest=newest, seconds=None if newest is None else round((now - newest).total_seconds(), 3))
