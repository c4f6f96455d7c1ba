"""A change of an alert in words, for people: a headline, and what there is to say beside it. Nothing is escaped here."""

import re
from typing import Any

from pipelines.schemas.outbox import ChangeKind
from pipelines.sinks.changes import Document

__all__ = ["details", "headline", "is_over"]

_OVERRIDES = re.compile("[\u202a-\u202e\u2066-\u2069]")
_OVER = ("resolved", "false_positive")
_LISTED = 10  # endpoints or techniques that are named


def headline(document: Document) -> str:
    """What happened, in one line."""
    return _seen(_headline(document))


def details(document: Document) -> list[tuple[str, str]]:
    """What there is to say beside the headline, as pairs of a label and a text; nothing that is empty."""
    alert: Document = document["alert"] or {}
    change, feedback = document["change"] or {}, document["feedback"] or {}
    previous = document["previous"]
    found: list[tuple[str, Any]] = [("note", change.get("note")), ("comment", feedback.get("comment"))]
    if "severity" in previous:
        found.append(("severity", f"{previous['severity']} → {alert['severity']}"))
    if alert:
        new = [
            one
            for one in alert["related_endpoints"]
            if one not in previous.get("related_endpoints", alert["related_endpoints"])
        ]
        found += [
            ("status", _words(alert["status"])),
            ("assignee", alert["assignee"]),
            ("probability", f"{alert['attack_prob']:.3f}"),
            ("seen", f"{alert['first_seen']} to {alert['last_seen']}, windows: {alert['window_count']}"),
            ("techniques", _list(alert["ttp_techniques"])),
            ("related endpoints", _list(alert["related_endpoints"])),
            ("new among them", _list(new)),
            ("strongest event", next((event["summary"] for event in alert["contributing_events"]), None)),
        ]
    return [(label, _seen(text)) for label, text in found if text]


def is_over(document: Document) -> bool:
    """Say whether nobody need look at the alert any more: an analyst has closed it, or the pipeline withdrawn it."""
    alert = document["alert"] or {}
    return document["kind"] == ChangeKind.WITHDRAWN or alert.get("status") in _OVER


def _headline(document: Document) -> str:
    alert, kind = document["alert"] or {}, document["kind"]
    place = f"{alert.get('endpoint', 'alert ' + document['alert_id'][:12])} ({document['tenant']})"
    if kind == ChangeKind.CREATED:
        return f"{alert.get('severity', '')} alert on {place}".lstrip()
    if kind == ChangeKind.UPDATED:
        return f"{alert.get('severity', '')} alert on {place} changed".lstrip()
    if kind == ChangeKind.WITHDRAWN:
        return f"alert on {place} withdrawn"
    if kind == ChangeKind.VERDICT:
        return f"{document['feedback']['actor']} judged the alert on {place}: {_words(document['feedback']['verdict'])}"
    change = document["change"]
    if kind == ChangeKind.TRANSITION:
        return f"{change['actor']} moved the alert on {place}: {_words(change['from_status'])} → {_words(change['to_status'])}"
    return f"{change['actor']} on the alert on {place}"


def _seen(text: str) -> str:
    """Without what would turn the direction of the text around it: a name could look like another's."""
    return _OVERRIDES.sub("", text)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
