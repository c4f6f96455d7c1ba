"""Changes of alerts as cases for SOAR platforms and case managers: OCSF's Detection Finding, with the profile Incident.

The alert is the finding (`finding_info.uid`), a change creates, updates or closes it. Vendor-neutral on purpose; what one
product alone understands belongs into that product's own mapping.

Source: https://schema.ocsf.io/1.3.0/classes/detection_finding?profiles=incident
"""

from datetime import UTC, datetime
from typing import Any

from pipelines.schemas.outbox import ChangeKind
from pipelines.sinks.changes import Document
from pipelines.sinks.wording import headline, is_over

__all__ = ["detection_finding"]

_CATEGORY, _CLASS = 2, 2004
_CREATE, _UPDATE, _CLOSE = 1, 2, 3
_ACTIVITIES = {_CREATE: "Create", _UPDATE: "Update", _CLOSE: "Close"}
_SEVERITIES = {"MEDIUM": (3, "Medium"), "HIGH": (4, "High"), "CRITICAL": (5, "Critical")}
_STATUSES = {
    "open": (1, "New"), "acknowledged": (2, "In Progress"), "investigating": (2, "In Progress"),
    "false_positive": (3, "Suppressed"), "resolved": (4, "Resolved"),
}  # fmt: skip
_VERDICTS = {"false_positive": (1, "False Positive"), "true_positive": (2, "True Positive")}
_LEARNING = 4  # analytic: machine learning


def detection_finding(document: Document) -> Document:
    """The finding as it stands after a change.

    Args:
        document: by ``pipelines/schemas/alert_change.v1.json``.
    """
    alert: Document = document["alert"] or {}
    said, judged = document["change"] or {}, document["feedback"] or {}
    actor = said.get("actor") or judged.get("actor")
    activity = _CREATE if document["kind"] == ChangeKind.CREATED else _CLOSE if is_over(document) else _UPDATE
    severity_id, severity = _SEVERITIES.get(alert.get("severity", ""), (0, "Unknown"))
    status_id, status = _STATUSES.get(alert.get("status", ""), (0, "Unknown"))
    if document["kind"] == ChangeKind.WITHDRAWN:
        status_id, status = _STATUSES["false_positive"]
    found: dict[str, Any] = {
        "activity_id": activity, "activity_name": _ACTIVITIES[activity],
        "category_uid": _CATEGORY, "class_uid": _CLASS, "type_uid": _CLASS * 100 + activity,
        "metadata": {
            "version": "1.3.0", "profiles": ["incident"], "uid": document["change_id"], "tenant_uid": document["tenant"],
            "product": {"name": "Logster", "vendor_name": "Logster"},
        },
        "time": _millis(document["happened_at"]),
        "start_time": _millis(alert.get("first_seen")), "end_time": _millis(alert.get("last_seen")),
        "severity_id": severity_id, "severity": severity, "status_id": status_id, "status": status,
        "is_alert": activity == _CREATE,
        "message": headline(document),
        "confidence_score": round(100 * alert["attack_prob"]) if alert else None,
        "finding_info": _finding_info(document, alert),
        "resources": [
            {"type": "Device", "name": name}
            for name in [alert.get("endpoint"), *alert.get("related_endpoints", [])]
            if name
        ],
        "assignee": {"name": alert["assignee"]} if alert.get("assignee") else None,
        "comment": said.get("note") or judged.get("comment"),
        "unmapped": {"kind": document["kind"]} | ({"actor": actor} if actor else {}),
    }  # fmt: skip
    if judged:
        found["verdict_id"], found["verdict"] = _VERDICTS[judged["verdict"]]
    return {name: value for name, value in found.items() if value not in (None, [])}


def _finding_info(document: Document, alert: Document) -> Document:
    found: dict[str, Any] = {
        "uid": document["alert_id"],
        "title": f"Attack on {alert['endpoint']}" if alert else "Attack",
        "desc": "\n".join(alert.get("ttp_explanations", [])),
        "created_time": _millis(alert.get("created_at")),
        "modified_time": _millis(document["happened_at"]),
        "first_seen_time": _millis(alert.get("first_seen")),
        "last_seen_time": _millis(alert.get("last_seen")),
        "attacks": [{"technique": {"uid": technique}} for technique in alert.get("ttp_techniques", [])],
        "related_events": [{"uid": one["event_id"]} for one in alert.get("contributing_events", []) if one["event_id"]],
    }
    if alert:
        found["analytic"] = {"name": alert["model_name"], "version": alert["model_version"], "type_id": _LEARNING}
    return {name: value for name, value in found.items() if value not in (None, [], "")}


def _millis(time: str | None) -> int | None:
    """Milliseconds since 1970, as OCSF has times."""
    if time is None:
        return None
    return round((datetime.fromisoformat(time) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
