"""Tables of the alert queue, and the lifecycle of an alert: ``alerts``, ``alert_changes``, ``feedback``.

The pipeline alone writes ``alerts``; API and command line alone write the other two. An alert's status and assignee are
those of its last change; what a change may be is decided by ``pipelines.alerting.lifecycle``.
"""

from enum import StrEnum

import pyarrow as pa

from pipelines.schemas.fields import TIMESTAMP, column, strings
from pipelines.schemas.graphs import WINDOW_SCORES

__all__ = [
    "ALERTS", "ALERT_CHANGES", "CLOSED_STATUSES", "FEEDBACK", "SEVERITY_THRESHOLDS", "TRANSITIONS",
    "AlertStatus", "FeedbackVerdict", "Severity",
]  # fmt: skip


class Severity(StrEnum):
    """How grave an alert is; see `SEVERITY_THRESHOLDS`."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"


SEVERITY_THRESHOLDS: dict[Severity, float] = {Severity.CRITICAL: 0.95, Severity.HIGH: 0.85, Severity.MEDIUM: 0.7}
"""Least `attack_prob` of each severity; below the least nothing alerts."""


class AlertStatus(StrEnum):
    """Where an alert stands in its life."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    INVESTIGATING = "investigating"
    RESOLVED = "resolved"
    FALSE_POSITIVE = "false_positive"


class FeedbackVerdict(StrEnum):
    """A person's verdict on an alert."""

    TRUE_POSITIVE = "true_positive"
    FALSE_POSITIVE = "false_positive"


CLOSED_STATUSES = frozenset({AlertStatus.RESOLVED, AlertStatus.FALSE_POSITIVE})
TRANSITIONS: dict[AlertStatus, frozenset[AlertStatus]] = {
    AlertStatus.OPEN: frozenset({AlertStatus.ACKNOWLEDGED, AlertStatus.INVESTIGATING}) | CLOSED_STATUSES,
    AlertStatus.ACKNOWLEDGED: frozenset({AlertStatus.OPEN, AlertStatus.INVESTIGATING}) | CLOSED_STATUSES,
    AlertStatus.INVESTIGATING: frozenset({AlertStatus.OPEN}) | CLOSED_STATUSES,
    AlertStatus.RESOLVED: frozenset({AlertStatus.INVESTIGATING, AlertStatus.FALSE_POSITIVE}),
    AlertStatus.FALSE_POSITIVE: frozenset({AlertStatus.INVESTIGATING, AlertStatus.RESOLVED}),
}
"""Where an analyst may take an alert from each status.

The way is open → acknowledged → investigating → resolved | false_positive. Steps may be left out (what is plain at a
glance is closed at once), an alert may go back to the queue (open), and a closed one be reopened (investigating) or judged
anew. The pipeline itself changes no status.
"""


ALERTS = pa.schema([
    column("alert_id", pa.string(), "SHA-256 of tenant, endpoint, anchor_start", required=True),
    column("tenant", pa.string(), "customer or business unit", required=True),
    column("endpoint", pa.string(), "machine, lower case", required=True),
    column("platform", pa.string(), "`windows` or `linux`", required=True),
    column("severity", pa.string(), "`CRITICAL`, `HIGH` or `MEDIUM`, by the highest attack_prob", required=True),
    column("attack_prob", pa.float64(), "highest of the merged windows, 0 to 1", required=True),
    column("anchor_start", TIMESTAMP, "start of the window that alert_id is made from; stays though first_seen moves",
           required=True),
    column("first_seen", TIMESTAMP, "start of the first window merged in", required=True),
    column("last_seen", TIMESTAMP, "end of the last window merged in", required=True),
    column("window_count", pa.int64(), "windows merged in", required=True),
    column("model_name", pa.string(), "model of the highest window", required=True),
    column("model_version", pa.string(), "its version", required=True),
    column("ttp_techniques", strings(), "ATT&CK technique ids", required=True),
    column("ttp_tactics", strings(), "ATT&CK tactics", required=True),
    column("ttp_explanations", strings(), "why each technique was named", required=True),
    column("related_endpoints", strings(), "endpoints of the tenant with an alert within the lateral gap, sorted",
           required=True),
    column("contributing_events", WINDOW_SCORES.field("contributing_events").type,
           "events that raised the score most over all windows, highest weight first", required=True),
    column("created_at", TIMESTAMP, "when it was raised", required=True),
    column("updated_at", TIMESTAMP, "when it last changed", required=True),
])  # fmt: skip

ALERT_CHANGES = pa.schema(
    [
        column(
            "change_id", pa.string(), "UUID; made of the alert and the client's key where it gave one", required=True
        ),
        column("alert_id", pa.string(), "alert that it is about", required=True),
        column("tenant", pa.string(), "the alert's tenant", required=True),
        column("from_status", pa.string(), "status before", required=True),
        column("to_status", pa.string(), "status after; the same for a note", required=True),
        column("assignee", pa.string(), "who works on it after; null: nobody"),
        column("note", pa.string(), "what the person wrote"),
        column("actor", pa.string(), "who did it", required=True),
        column("changed_at", TIMESTAMP, "when; rises from change to change of an alert", required=True),
    ]
)

FEEDBACK = pa.schema(
    [
        column(
            "feedback_id", pa.string(), "UUID; made of the alert and the client's key where it gave one", required=True
        ),
        column("alert_id", pa.string(), "alert that it is about", required=True),
        column("tenant", pa.string(), "the alert's tenant", required=True),
        column("verdict", pa.string(), "`true_positive` or `false_positive`", required=True),
        column("comment", pa.string(), "what the person wrote"),
        column("actor", pa.string(), "who did it", required=True),
        column("created_at", TIMESTAMP, "when", required=True),
    ]
)
