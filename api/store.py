"""All that the API asks of the lake and writes to it: alerts, endpoints, changes and feedback.

No Spark and no HTTP here. Handles on the tables are in ``api.snapshots``.
"""

import base64
import binascii
import json
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from api.errors import BadCursorError, IllegalTransitionError, UnknownAlertError
from api.schemas import (
    AlertDetail,
    AlertPage,
    AlertPatch,
    AlertSummary,
    Change,
    EndpointPage,
    EndpointStatus,
    Feedback,
    FeedbackRequest,
    Health,
    Lag,
    TableHealth,
)  # fmt: skip
from api.snapshots import Snapshots
from pipelines.errors import LakeError
from pipelines.schemas.alerts import CLOSED_STATUSES, TRANSITIONS, AlertStatus, Severity, may_change
from pipelines.schemas.tables import TABLES
from pipelines.settings import Settings

__all__ = ["AlertFilter", "Store"]

_SQL = Path(__file__).parent / "sql"
_QUEUE = ("alerts", "alert_changes")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


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
    """

    tenant: str | None = None
    endpoint: str | None = None
    severities: Sequence[Severity] | None = None
    statuses: Sequence[AlertStatus] | None = None
    technique: str | None = None
    start: datetime | None = None
    end: datetime | None = None


class Store:
    """One lake, read at its newest snapshot on every call; may be used by many threads."""

    def __init__(self, settings: Settings) -> None:
        self._snapshots = Snapshots(settings)
        self._duckdb = duckdb.connect()
        self._writing = threading.Lock()
        self._last_windows: tuple[int | None, Any] | None = None

    def alerts(self, wanted: AlertFilter, *, limit: int = 50, cursor: str | None = None) -> AlertPage:
        """One page of the queue, newest `last_seen` first.

        Raises:
            BadCursorError: the cursor is not one that a page gave out.
            LakeError: the lake cannot be read.
        """
        after_us, after_id = _opened(cursor, (int, str)) if cursor is not None else (None, None)
        rows = self._query(
            _sql("alerts_page"),
            {
                "tenant": wanted.tenant,
                "endpoint": wanted.endpoint,
                "severities": _texts(wanted.severities),
                "statuses": _texts(wanted.statuses),
                "technique": wanted.technique,
                "from_us": _micros(wanted.start),
                "to_us": _micros(wanted.end),
                "after_us": after_us,
                "after_id": after_id,
                "limit": limit + 1,
            },
            _QUEUE,
        )
        page = [AlertSummary(**row) for row in rows[:limit]]
        more = len(rows) > limit
        return AlertPage(
            alerts=page, next_cursor=_sealed(_micros(page[-1].last_seen), page[-1].alert_id) if more else None
        )

    def alert(self, alert_id: str) -> AlertDetail:
        """One alert with its history.

        Raises:
            UnknownAlertError: there is none of that id.
            LakeError: the lake cannot be read.
        """
        found = self._query("SELECT * FROM alerts WHERE alert_id = $id", {"id": alert_id}, ("alerts",))
        if not found:
            raise UnknownAlertError(alert_id)
        by_id = {"id": alert_id}
        changes = self._query(
            "SELECT * FROM alert_changes WHERE alert_id = $id ORDER BY changed_at, change_id", by_id, ("alert_changes",)
        )
        verdicts = self._query(
            "SELECT * FROM feedback WHERE alert_id = $id ORDER BY created_at, feedback_id", by_id, ("feedback",)
        )
        history = [Change(**change) for change in changes]
        status = history[-1].to_status if history else AlertStatus.OPEN
        feedback = [Feedback(**verdict) for verdict in verdicts]
        return AlertDetail(**found[0], status=status, history=history, feedback=feedback)

    def change_alert(self, alert_id: str, patch: AlertPatch, *, now: datetime) -> AlertDetail:
        """Record a transition or note.

        Raises:
            UnknownAlertError: there is none of that id.
            IllegalTransitionError: the alert may not go to that status.
            LakeError: the lake cannot be read or written.
        """
        # two analysts at once: the second sees the first one's change (within one API process)
        with self._writing:
            alert = self.alert(alert_id)
            wanted = patch.status or alert.status
            if patch.status is not None and not may_change(alert.status, patch.status):
                raise IllegalTransitionError(alert.status, patch.status, TRANSITIONS[alert.status])
            # the last change is the status, so that times must rise even where clocks do not
            latest = alert.history[-1].changed_at + _MICROSECOND if alert.history else now
            change = Change(
                change_id=str(uuid.uuid4()), from_status=alert.status, to_status=wanted, note=patch.note,
                actor=patch.actor, changed_at=max(now, latest),
            )  # fmt: skip
            self._snapshots.append(
                "alert_changes", {**change.model_dump(), "alert_id": alert_id, "tenant": alert.tenant}
            )
        return alert.model_copy(update={"status": wanted, "history": [*alert.history, change]})

    def add_feedback(self, request: FeedbackRequest, *, now: datetime) -> Feedback:
        """Record a verdict.

        Raises:
            UnknownAlertError: there is no alert of that id.
            LakeError: the lake cannot be read or written.
        """
        with self._writing:
            alert = self.alert(request.alert_id)
            feedback = Feedback(
                **request.model_dump(), feedback_id=str(uuid.uuid4()), tenant=alert.tenant, created_at=now
            )
            self._snapshots.append("feedback", feedback.model_dump())
        return feedback

    def endpoints(self, *, tenant: str | None = None, limit: int = 1000, cursor: str | None = None) -> EndpointPage:
        """One page of endpoints, by tenant, name and platform.

        Raises:
            BadCursorError: the cursor is not one that a page gave out.
            LakeError: the lake cannot be read.
        """
        after = list(_opened(cursor, (str, str, str))) if cursor is not None else None
        closed = [str(status) for status in CLOSED_STATUSES]
        rows = self._query(
            _sql("endpoints_page"),
            {"tenant": tenant, "after": after, "closed": closed, "limit": limit + 1},
            _QUEUE,
            last_windows=self._newest_windows(),
        )
        page = [EndpointStatus(**row) for row in rows[:limit]]
        more = len(rows) > limit
        return EndpointPage(
            endpoints=page,
            next_cursor=_sealed(page[-1].tenant, page[-1].endpoint, page[-1].platform) if more else None,
        )

    def counts(self) -> list[tuple[str, str, int]]:
        """Alerts by severity and status.

        Raises:
            LakeError: the lake cannot be read.
        """
        rows = self._query(_sql("alert_counts"), {}, _QUEUE)
        return [(row["severity"], row["status"], row["n_alerts"]) for row in rows]

    def health(self, *, now: datetime) -> Health:
        """Versions and freshness of the tables.

        Raises:
            LakeError: a table is there and cannot be read.
        """
        newest = self._snapshots.newest
        return Health(
            status="ok",
            tables=[TableHealth(table=name, version=self._snapshots.version(name)) for name in TABLES],
            event_time=_lag(newest("events", "ts"), now),
            ingested=_lag(newest("events", "ingested_at"), now),
            scored=_lag(newest("window_scores", "scored_at"), now),
            alerted=_lag(newest("alerts", "updated_at"), now),
        )

    def _newest_windows(self) -> Any:  # noqa: ANN401 - pyarrow is untyped here
        """`last_windows.sql`, worked out anew only where the table has changed: it reads every score there is."""
        version = self._snapshots.version("window_scores")
        if self._last_windows is None or self._last_windows[0] != version or version is None:
            self._last_windows = (version, self._arrow(_sql("last_windows"), {}, ("window_scores",)))
        return self._last_windows[1]

    def _query(self, sql: str, values: dict[str, Any], tables: Sequence[str], **frames: object) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._arrow(sql, values, tables, **frames).to_pylist()
        return rows

    def _arrow(self, sql: str, values: dict[str, Any], tables: Sequence[str], **frames: object) -> Any:  # noqa: ANN401
        with self._duckdb.cursor() as cursor:
            for name in tables:
                cursor.register(name, self._snapshots.dataset(name))
            for name, frame in frames.items():
                cursor.register(name, frame)
            try:
                found = cursor.execute(sql, values).to_arrow_table()
            except (duckdb.Error, OSError, pa.ArrowException) as error:
                # the SQL is ours and its values are bound: what fails is reading
                raise LakeError(f"the lake cannot be read: {str(error).splitlines()[0]}") from error
        return found.cast(pa.schema([_in_utc(field) for field in found.schema]))


def _in_utc(field: Any) -> Any:  # noqa: ANN401 - pyarrow is untyped here
    return field.with_type(pa.timestamp("us", tz="UTC")) if pa.types.is_timestamp(field.type) else field


@cache
def _sql(name: str) -> str:
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")


def _texts(values: Sequence[str] | None) -> list[str] | None:
    return [str(value) for value in values] if values else None


def _micros(time: datetime | None) -> int | None:
    return None if time is None else (time - _EPOCH) // _MICROSECOND


def _lag(newest: datetime | None, now: datetime) -> Lag:
    return Lag(newest=newest, seconds=None if newest is None else round((now - newest).total_seconds(), 3))


def _sealed(*position: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def _opened(cursor: str, kinds: tuple[type, ...]) -> tuple[Any, ...]:
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        # a JSON text may hold half a surrogate pair, which nothing can store
        json.dumps(position, ensure_ascii=False).encode()
    except (ValueError, binascii.Error, RecursionError):
        raise BadCursorError from None
    if not isinstance(position, list) or [type(part) for part in position] != list(kinds):
        raise BadCursorError
    if any(isinstance(part, int) and abs(part) >= 2**63 for part in position):
        raise BadCursorError
    return tuple(position)
