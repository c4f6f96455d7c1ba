"""Changes of alerts to Prometheus' Alertmanager, as alerts of its API v2.

Labels name an alert there: those of ours that never change, and the severity, by which it is routed. Where the severity has
changed, the alert under the old one is ended in the same request. Annotations tell the rest.

Source: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml (postableAlerts).
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from pipelines.sinks.changes import Document
from pipelines.sinks.deliveries import Change, Refused
from pipelines.sinks.webhook import HttpTarget
from pipelines.sinks.wording import details, headline, is_over

__all__ = ["Alertmanager", "postable_alerts"]

# Alertmanager ends what nobody repeats; an alert of ours stays until somebody closes it
_STAYS = timedelta(days=30)


class Alertmanager:
    """An Alertmanager; the same change twice is no second alert there.

    Args:
        target: address of its ``/api/v2/alerts``.
    """

    def __init__(self, target: HttpTarget) -> None:
        self._target = target

    def __call__(self, changes: Sequence[Change]) -> None:
        """Hand changes on in one request; see `HttpTarget.post`."""
        alerts = [alert for change in changes for alert in postable_alerts(change.document)]
        if not alerts:
            raise Refused("is of an alert that is gone")
        self._target.post(json.dumps(alerts).encode(), {"Content-Type": "application/json"})


def postable_alerts(document: Document) -> list[Document]:
    """What Alertmanager is to know after a change; nothing where the alert is gone.

    Args:
        document: by ``pipelines/schemas/alert_change.v1.json``.
    """
    alert = document["alert"]
    if alert is None:
        return []
    happened_at = datetime.fromisoformat(document["happened_at"])
    found = [_postable(document, alert["severity"], happened_at if is_over(document) else happened_at + _STAYS)]
    if "severity" in document["previous"]:
        found.insert(0, _postable(document, document["previous"]["severity"], happened_at))
    return found


def _postable(document: Document, severity: str, ends_at: datetime) -> Document:
    alert = document["alert"]
    starts_at = datetime.fromisoformat(alert["created_at"])
    told = {label.replace(" ", "_"): text for label, text in details(document)}
    labels = {"alertname": "LogsterAlert", "severity": severity.lower()}
    labels |= {name: alert[name] for name in ("alert_id", "tenant", "endpoint", "platform")}
    return {
        "labels": labels,
        "annotations": {"summary": headline(document), **told},
        "startsAt": _text(starts_at),
        "endsAt": _text(max(ends_at, starts_at + timedelta(milliseconds=1))),  # it must not lie before the start
    }


def _text(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
