"""What lies behind an alert: its raw events, its processes, its windows over time. Reads only."""

from datetime import timedelta
from typing import Any

from api.cursors import opened, sealed
from api.evidence_schemas import AlertEvent, AlertEventPage, ProcessTree, Timeline, TimelineWindow
from api.histories import micros
from api.process_tree import tree_of
from api.stix import bundle_of
from api.store import Store
from pipelines.schemas.alerts import SEVERITY_THRESHOLDS

__all__ = ["MAX_PROCESSES", "MAX_WINDOWS", "events_of", "process_tree_of", "stix_of", "timeline_of"]

MAX_PROCESSES = 20_000
"""Processes of a span that are looked at; those of contributing events come first."""

MAX_WINDOWS = 3_000
"""Windows that a timeline shows."""


def events_of(store: Store, alert_id: str, *, limit: int = 100, cursor: str | None = None) -> AlertEventPage:
    """One page of an alert's events: the contributing ones, heaviest first, then all others of its span by time.

    Raises:
        UnknownAlertError: there is none of that id.
        BadCursorError: the cursor is not one that a page gave out.
        LakeError: the lake cannot be read.
    """
    alert = store.alert_row(alert_id)
    place, after_us, after_id = opened(cursor, (int, int, str)) if cursor is not None else (None, None, None)
    named = {one["event_id"]: one for one in alert["contributing_events"]}
    rows = store.queries.rows(
        "alert_events",
        {
            **_span(alert),
            "n_contributing": len(named),
            "after_place": place,
            "after_us": after_us,
            "after_id": after_id,
            "limit": limit + 1,
        },
        ("events",),
    )
    page = [
        AlertEvent(
            **{**row, "fields": dict(row["fields"]) if row["fields"] is not None else None},
            is_contributing=row["event_id"] in named,
            weight=named.get(row["event_id"], {}).get("weight"),
        )
        for row in rows[:limit]
    ]
    last = rows[limit - 1] if len(rows) > limit else None
    return AlertEventPage(
        events=page, next_cursor=sealed(last["place"], micros(last["ts"]), last["event_id"]) if last else None
    )


def process_tree_of(store: Store, alert_id: str, *, max_nodes: int = 200) -> ProcessTree:
    """The processes of an alert's span; see `api.process_tree.tree_of`.

    Raises:
        UnknownAlertError: there is none of that id.
        LakeError: the lake cannot be read.
    """
    alert = store.alert_row(alert_id)
    rows = store.queries.rows("processes", {**_span(alert), "limit": MAX_PROCESSES}, ("events",))
    nodes = tree_of(rows, max_nodes=max_nodes)
    return ProcessTree(alert_id=alert_id, nodes=nodes, n_processes=len(rows), is_cut=len(nodes) < len(rows))


def timeline_of(store: Store, alert_id: str, *, around: timedelta) -> Timeline:
    """The windows of the alert's endpoint, from so long before its first to so long after its last.

    Raises:
        UnknownAlertError: there is none of that id.
        LakeError: the lake cannot be read.
    """
    alert = store.alert_row(alert_id)
    threshold = min(SEVERITY_THRESHOLDS.values())
    values = {
        "tenant": alert["tenant"],
        "endpoint": alert["endpoint"],
        "first": alert["first_seen"] - around,
        "last": alert["last_seen"] + around,
        "alert_first": alert["first_seen"],
        "alert_last": alert["last_seen"],
        "threshold": threshold,
        "limit": MAX_WINDOWS + 1,
    }
    rows = store.queries.rows("timeline", values, ("window_scores",))
    windows = [TimelineWindow(**row) for row in rows[:MAX_WINDOWS]]
    return Timeline(alert_id=alert_id, windows=windows, threshold=threshold, is_cut=len(rows) > MAX_WINDOWS)


def stix_of(store: Store, alert_id: str, *, max_events: int = 50) -> dict[str, Any]:
    """An alert as a STIX bundle; see `api.stix.bundle_of`. Of its events the contributing ones come first, heaviest first.

    Raises:
        UnknownAlertError: there is none of that id.
        LakeError: the lake cannot be read.
    """
    alert = store.alert_row(alert_id)
    values = {
        **_span(alert), "n_contributing": len(alert["contributing_events"]), "after_place": None, "after_us": None,
        "after_id": None, "limit": max_events,
    }  # fmt: skip
    return bundle_of(alert, store.queries.rows("alert_events", values, ("events",)))


def _span(alert: dict[str, Any]) -> dict[str, Any]:
    return {
        "tenant": alert["tenant"],
        "endpoint": alert["endpoint"],
        "first": alert["first_seen"],
        "last": alert["last_seen"],
        "contributing": [one["event_id"] for one in alert["contributing_events"]],
    }
