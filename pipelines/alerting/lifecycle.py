"""The life of an alert as a state machine: what analysts may change, and which row of ``alert_changes`` records it.

Pure: no clock, no table. Where an alert may go is declared in ``pipelines.schemas.alerts``; rows are written by ``api``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from pipelines.errors import TransitionError
from pipelines.schemas.alerts import TRANSITIONS, AlertStatus

__all__ = [
    "UNCHANGED", "AlertChange", "AlertState", "Unchanged", "WantedChange", "allowed_statuses", "is_same_request", "next_change",
]  # fmt: skip

_MICROSECOND = timedelta(microseconds=1)


class Unchanged(Enum):
    """Says of an assignee that it stays; None takes it away."""

    UNCHANGED = "unchanged"


UNCHANGED = Unchanged.UNCHANGED


@dataclass(frozen=True)
class AlertState:
    """Where an alert stands; an alert without changes is open and nobody's."""

    status: AlertStatus = AlertStatus.OPEN
    assignee: str | None = None


@dataclass(frozen=True)
class WantedChange:
    """What an analyst asks for; a change of neither status nor assignee is a note.

    Attributes:
        status: wanted status; None leaves it.
        assignee: who shall work on it; None takes it from whoever does.
        note: what the person writes.
        actor: who asks.
    """

    actor: str
    status: AlertStatus | None = None
    assignee: str | Unchanged | None = UNCHANGED
    note: str | None = None


@dataclass(frozen=True)
class AlertChange:
    """A row of ``ALERT_CHANGES``."""

    change_id: str
    alert_id: str
    tenant: str
    from_status: AlertStatus
    to_status: AlertStatus
    assignee: str | None
    note: str | None
    actor: str
    changed_at: datetime

    @property
    def state(self) -> AlertState:
        """Where the alert stands after it."""
        return AlertState(self.to_status, self.assignee)


def allowed_statuses(status: AlertStatus) -> list[AlertStatus]:
    """Where an analyst may take an alert from a status, in the order of an alert's life."""
    return [one for one in AlertStatus if one in TRANSITIONS[status]]


def next_change(
    history: Sequence[AlertChange], wanted: WantedChange, *, alert_id: str, tenant: str, change_id: str, now: datetime
) -> AlertChange:
    """Make the row that records a change.

    Args:
        history: the alert's changes so far, oldest first.
        wanted: what the analyst asks for.
        alert_id: the alert.
        tenant: its tenant.
        change_id: of the new row.
        now: wall clock (UTC). Where it lies before the last change, the row is dated just after that: the last change
            is the status, so that times must rise even where clocks do not.

    Raises:
        TransitionError: the alert may not go to the wanted status.
    """
    before = history[-1].state if history else AlertState()
    after = _state_after(before, wanted)
    return AlertChange(
        change_id=change_id,
        alert_id=alert_id,
        tenant=tenant,
        from_status=before.status,
        to_status=after.status,
        assignee=after.assignee,
        note=wanted.note,
        actor=wanted.actor,
        changed_at=max(now, history[-1].changed_at + _MICROSECOND) if history else now,
    )


def is_same_request(history: Sequence[AlertChange], place: int, wanted: WantedChange) -> bool:
    """Say whether the change at `place` in the history is what `wanted` asked for at its time."""
    made = history[place]
    try:
        again = next_change(
            history[:place], wanted, alert_id=made.alert_id, tenant=made.tenant, change_id=made.change_id,
            now=made.changed_at,
        )  # fmt: skip
    except TransitionError:
        return False
    return again == made


def _state_after(before: AlertState, wanted: WantedChange) -> AlertState:
    if wanted.status is not None and wanted.status not in TRANSITIONS[before.status]:
        allowed = ", ".join(sorted(TRANSITIONS[before.status]))
        raise TransitionError(
            f"an alert that is '{before.status}' cannot become '{wanted.status}'; from '{before.status}' it may go to: "
            f"{allowed}"
        )
    return AlertState(
        before.status if wanted.status is None else wanted.status,
        before.assignee if isinstance(wanted.assignee, Unchanged) else wanted.assignee,
    )
