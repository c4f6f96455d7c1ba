"""What changed about alerts, as rows of ``outbox``: pure functions over rows, without a clock or a table.

A change's id is made of what changed and of nothing else, so that whoever finds it, and however often, gives it the same.
Where the rows come from is ``pipelines.sinks.outbox``.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipelines.schemas.alerts import AlertStatus
from pipelines.schemas.outbox import SCHEMA_VERSION, ChangeKind

__all__ = [
    "AlertChanged", "Document", "Standing", "alert_document", "changes_of_alerts", "changes_of_analysts", "changes_of_verdicts",
    "differences", "in_order", "standings",
]  # fmt: skip

Row = Mapping[str, Any]
Document = dict[str, Any]
"""JSON of one thing, its fields named as in the API."""

# what the pipeline says of an alert; the id of a change is made of these, so that none may be added or taken away
_STATE = (
    "tenant", "endpoint", "platform", "severity", "attack_prob", "first_seen", "last_seen", "window_count", "model_name",
    "model_version", "ttp_techniques", "ttp_tactics", "ttp_explanations", "related_endpoints", "contributing_events",
    "created_at", "updated_at",
)  # fmt: skip
_CHANGE = ("change_id", "from_status", "to_status", "assignee", "note", "actor", "changed_at")
_FEEDBACK = ("feedback_id", "verdict", "comment", "actor", "created_at")


@dataclass(frozen=True)
class Standing:
    """Where analysts have taken an alert."""

    status: str = AlertStatus.OPEN
    assignee: str | None = None


@dataclass(frozen=True)
class AlertChanged:
    """One change of an alert.

    Attributes:
        change_id: made of what changed.
        alert_id: the alert.
        tenant: its tenant.
        kind: what happened.
        happened_at: when (UTC).
        document: by ``pipelines/schemas/alert_change.v1.json``.
    """

    change_id: str
    alert_id: str
    tenant: str
    kind: ChangeKind
    happened_at: datetime
    document: Document

    def row(self, *, sequence: int, now: datetime) -> dict[str, Any]:
        """Its row of ``OUTBOX``.

        Args:
            sequence: its place.
            now: wall clock (UTC).
        """
        return {
            "sequence": sequence, "change_id": self.change_id, "alert_id": self.alert_id, "tenant": self.tenant,
            "kind": str(self.kind), "happened_at": self.happened_at, "written_at": now, "schema_version": SCHEMA_VERSION,
            "document": _canonical(self.document),
        }  # fmt: skip


def standings(changes: Iterable[Row]) -> dict[str, Standing]:
    """Status and assignee after the last of each alert's changes; an alert without any is not in it.

    Args:
        changes: rows of ``ALERT_CHANGES``, in any order.
    """
    last: dict[str, Row] = {}
    for row in changes:
        seen = last.get(row["alert_id"])
        if seen is None or (seen["changed_at"], seen["change_id"]) < (row["changed_at"], row["change_id"]):
            last[row["alert_id"]] = row
    return {alert_id: Standing(row["to_status"], row["assignee"]) for alert_id, row in last.items()}


def alert_document(row: Row, standing: Standing | None = None) -> Document:
    """An alert as the API shows it.

    Args:
        row: of ``ALERTS``.
        standing: where analysts have taken it; None: nowhere yet.
    """
    standing = standing or Standing()
    told = {name: _plain(row[name]) for name in _STATE}
    return {"alert_id": row["alert_id"], **told, "status": str(standing.status), "assignee": standing.assignee}


def changes_of_alerts(before: Mapping[str, Document], after: Mapping[str, Document]) -> list[AlertChanged]:
    """What the pipeline did to alerts between two looks at them.

    Args:
        before: alerts by id, see `alert_document`; it does no harm if others are in it than those that changed.
        after: the same alerts as they are now; one that is missing here is withdrawn.

    Returns:
        One change for each alert that differs, whatever lies between the two looks.
    """
    found = []
    for alert_id, alert in after.items():
        old = before.get(alert_id)
        previous = {} if old is None else differences(old, alert)
        if old is None or previous:
            kind = ChangeKind.CREATED if old is None else ChangeKind.UPDATED
            state = [alert_id, *(alert[name] for name in _STATE)]
            happened = alert["created_at"] if old is None else alert["updated_at"]
            found.append(_changed(_id_of("state", *state), kind, happened, alert, previous=previous))
    for alert_id in before.keys() - after.keys():
        alert = before[alert_id]
        change_id = _id_of("withdrawn", alert_id, alert["updated_at"])
        found.append(_changed(change_id, ChangeKind.WITHDRAWN, alert["updated_at"], alert))
    return found


def differences(before: Document, after: Document) -> Document:
    """Of what the pipeline says of an alert that which differs, as it was before."""
    return {name: before[name] for name in _STATE if before[name] != after[name]}


def changes_of_analysts(rows: Iterable[Row], alerts: Mapping[str, Document]) -> list[AlertChanged]:
    """What analysts did, one change a row.

    Args:
        rows: of ``ALERT_CHANGES``.
        alerts: the alerts that they are about, by id.
    """
    found = []
    for row in rows:
        kind = ChangeKind.NOTE if row["from_status"] == row["to_status"] else ChangeKind.TRANSITION
        change = {name: _plain(row[name]) for name in _CHANGE}
        found.append(_said("alert_changes", row, row["change_id"], kind, row["changed_at"], alerts, change=change))
    return found


def changes_of_verdicts(rows: Iterable[Row], alerts: Mapping[str, Document]) -> list[AlertChanged]:
    """What analysts judged, one change a row.

    Args:
        rows: of ``FEEDBACK``.
        alerts: the alerts that they are about, by id.
    """
    found = []
    for row in rows:
        feedback = {name: _plain(row[name]) for name in _FEEDBACK}
        id_, kind = row["feedback_id"], ChangeKind.VERDICT
        found.append(_said("feedback", row, id_, kind, row["created_at"], alerts, feedback=feedback))
    return found


def in_order(changes: Iterable[AlertChanged]) -> list[AlertChanged]:
    """Changes in the order in which they go out: an alert is created before anything else is told of it, then by time."""
    return sorted(changes, key=lambda one: (one.kind != ChangeKind.CREATED, one.happened_at, one.change_id))


def _said(
    table: str, row: Row, id_: str, kind: ChangeKind, at: datetime, alerts: Mapping[str, Document], **what: Document
) -> AlertChanged:
    alert = alerts.get(row["alert_id"])
    about = {"alert_id": row["alert_id"], "tenant": row["tenant"]}
    return _changed(_id_of(table, id_), kind, _plain(at), alert, about=about, **what)


def _changed(
    change_id: str,
    kind: ChangeKind,
    happened_at: str,
    alert: Document | None,
    *,
    about: Document | None = None,
    previous: Document | None = None,
    change: Document | None = None,
    feedback: Document | None = None,
) -> AlertChanged:
    about = about or alert or {}
    document = {
        "schema_version": SCHEMA_VERSION, "change_id": change_id, "kind": str(kind), "happened_at": happened_at,
        "alert_id": about["alert_id"], "tenant": about["tenant"], "alert": alert, "previous": previous or {},
        "change": change, "feedback": feedback,
    }  # fmt: skip
    at = datetime.fromisoformat(happened_at)
    return AlertChanged(change_id, about["alert_id"], about["tenant"], kind, at, document)


def _id_of(*parts: Any) -> str:  # noqa: ANN401 - any JSON
    return hashlib.sha256(_canonical(parts).encode()).hexdigest()


def _canonical(value: Any) -> str:  # noqa: ANN401 - any JSON
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any cell of a table
    """A cell as JSON has it: times as text in UTC, what is no number as null."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value
