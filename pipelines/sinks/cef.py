r"""Changes of alerts as lines of ArcSight's Common Event Format, for syslog.

Source: ArcSight Common Event Format, implementation standard, version 26: in the header ``|`` and ``\`` are escaped and a line's
end becomes a space; in the extension ``=`` and ``\`` are, and a line's end is ``\n``.
"""

from datetime import UTC, datetime
from typing import Any

from pipelines.schemas.outbox import SCHEMA_VERSION
from pipelines.sinks.changes import Document
from pipelines.sinks.wording import headline

__all__ = ["cef_line"]

_SEVERITIES = {"MEDIUM": 5, "HIGH": 8, "CRITICAL": 10}
_NAME = 512  # characters of a header's name
_MESSAGE = 1_023  # and of `msg`


def cef_line(document: Document) -> str:
    """A change in one line, without an end.

    Args:
        document: by ``pipelines/schemas/alert_change.v1.json``.
    """
    alert: Document = document["alert"] or {}
    said, judged = document["change"] or {}, document["feedback"] or {}
    severity = _SEVERITIES.get(alert.get("severity", ""), 3)
    events = alert.get("contributing_events") or [{}]
    extension: dict[str, Any] = {
        "rt": _millis(document["happened_at"]),
        "externalId": document["change_id"],
        "act": document["kind"],
        "dvchost": alert.get("endpoint"),
        "start": _millis(alert.get("first_seen")),
        "end": _millis(alert.get("last_seen")),
        "cnt": alert.get("window_count"),
        "cfp1": alert.get("attack_prob"),
        "cfp1Label": "attackProb" if alert else None,
        "cs1": document["alert_id"],
        "cs1Label": "alertId",
        "cs2": document["tenant"],
        "cs2Label": "tenant",
        "cs3": ",".join(alert.get("ttp_techniques", [])),
        "cs3Label": "techniques" if alert.get("ttp_techniques") else None,
        "cs4": ",".join(alert.get("related_endpoints", [])),
        "cs4Label": "relatedEndpoints" if alert.get("related_endpoints") else None,
        "outcome": alert.get("status"),
        "suser": said.get("actor") or judged.get("actor"),
        "reason": judged.get("verdict"),
        "msg": (said.get("note") or judged.get("comment") or events[0].get("summary") or "")[:_MESSAGE],
    }
    told = " ".join(f"{key}={_value(value)}" for key, value in extension.items() if value not in (None, ""))
    header = (
        "CEF:0",
        "Logster",
        "Logster",
        str(SCHEMA_VERSION),
        f"alert-{document['kind']}",
        headline(document)[:_NAME],
        severity,
    )
    return "|".join(_header(part) for part in header) + "|" + told


def _header(value: object) -> str:
    return " ".join(str(value).splitlines()).replace("\\", "\\\\").replace("|", "\\|").replace("\0", "")


def _value(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace("=", "\\=").replace("\0", "")
    # other ends of lines that Python knows (vertical tab, U+2028) may be ends to a receiver as well
    return "\\n".join(text.splitlines())


def _millis(time: str | None) -> int | None:
    """Milliseconds since 1970, as CEF has times."""
    if time is None:
        return None
    return round((datetime.fromisoformat(time) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
