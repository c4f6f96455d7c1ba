"""What analysts have done to alerts, out of the rows of ``alert_changes`` and ``feedback``."""

from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from api.schemas import Feedback
from pipelines.alerting.lifecycle import AlertChange
from pipelines.schemas.alerts import AlertStatus

__all__ = ["etag_of", "feedback_of", "histories_of", "micros"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def histories_of(changes: Any, alert_ids: Collection[str]) -> dict[str, list[AlertChange]]:  # noqa: ANN401 - an Arrow table
    """The changes of some alerts, each alert's oldest first; an alert without any is not in it.

    Args:
        changes: rows of ``ALERT_CHANGES``.
        alert_ids: the alerts.
    """
    histories = defaultdict(list)
    for row in _about(changes, alert_ids):
        for name in ("from_status", "to_status"):
            row[name] = AlertStatus(row[name])
        histories[row["alert_id"]].append(AlertChange(**row))
    for history in histories.values():
        history.sort(key=lambda change: (change.changed_at, change.change_id))
    return histories


def feedback_of(feedback: Any, alert_id: str) -> list[Feedback]:  # noqa: ANN401 - an Arrow table
    """The verdicts on an alert, oldest first.

    Args:
        feedback: rows of ``FEEDBACK``.
        alert_id: the alert.
    """
    verdicts = [Feedback(**row) for row in _about(feedback, [alert_id])]
    return sorted(verdicts, key=lambda verdict: (verdict.created_at, verdict.feedback_id))


def etag_of(updated_at: datetime, n_changes: int, n_feedback: int) -> str:
    """Name a state of an alert: it differs once the pipeline has changed the alert, or an analyst has said something.

    Args:
        updated_at: when the pipeline last changed it.
        n_changes: changes so far; they are never taken back.
        n_feedback: verdicts so far.
    """
    return f'"{micros(updated_at)}.{n_changes}.{n_feedback}"'


def micros(time: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (time - _EPOCH) // _MICROSECOND


def _about(rows: Any, alert_ids: Collection[str]) -> list[dict[str, Any]]:  # noqa: ANN401 - an Arrow table
    found: list[dict[str, Any]] = rows.filter(
        pc.is_in(rows["alert_id"], value_set=pa.array(alert_ids, pa.string()))
    ).to_pylist()  # fmt: skip
    return found
