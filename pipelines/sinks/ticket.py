"""Changes of alerts as rows of a ticket system that finds its tickets by a correlation id: ServiceNow's import sets.

A transform map that coalesces on ``correlation_id`` makes the first row of an alert a ticket and each later one an update of
it; a row that comes twice changes nothing.

Source: https://www.servicenow.com/docs (Import Set API, ``POST /api/now/import/{stagingTableName}``).
"""

import json
from collections.abc import Sequence

from pipelines.schemas.alerts import AlertStatus
from pipelines.sinks.changes import Document
from pipelines.sinks.deliveries import Change
from pipelines.sinks.webhook import HttpTarget
from pipelines.sinks.wording import details, headline, is_over

__all__ = ["Tickets", "ticket_row"]

_LEVELS = {"CRITICAL": "1", "HIGH": "2", "MEDIUM": "3"}
_SHORT = 160  # characters of a short description


class Tickets:
    """A ticket system.

    Args:
        target: address that takes one row.
    """

    def __init__(self, target: HttpTarget) -> None:
        self._target = target

    def __call__(self, changes: Sequence[Change]) -> None:
        """Hand a change on once; see `HttpTarget.post`."""
        (change,) = changes
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Idempotency-Key": change.change_id,
        }
        self._target.post(json.dumps(ticket_row(change.document)).encode(), headers)


def ticket_row(document: Document) -> Document:
    """The row that makes or updates an alert's ticket.

    Args:
        document: by ``pipelines/schemas/alert_change.v1.json``.
    """
    said = [text for label, text in details(document) if label in ("note", "comment")]
    row = {
        "correlation_id": document["alert_id"],
        "correlation_display": "Logster",
        "company": document["tenant"],
        "work_notes": "\n".join([headline(document), *said]),
    }
    alert = document["alert"]
    if alert is None:  # what the ticket says of it stays
        return row
    level = _LEVELS[alert["severity"]]
    return row | {
        # the same for all changes of an alert: it is the ticket's name
        "short_description": f"Attack on {alert['endpoint']} ({document['tenant']})"[:_SHORT],
        "description": "\n".join(
            f"{label}: {text}" for label, text in details(document) if label not in ("note", "comment")
        ),
        "impact": level,
        "urgency": level,
        "state": "closed" if is_over(document) else "new" if alert["status"] == AlertStatus.OPEN else "in progress",
        "assigned_to": alert["assignee"] or "",
        "cmdb_ci": alert["endpoint"],
    }
