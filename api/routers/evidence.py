"""What lies behind an alert: events, processes, windows."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import AlertId, CursorQuery, StoreDep
from api.evidence import events_of, process_tree_of, timeline_of
from api.evidence_schemas import AlertEventPage, ProcessTree, Timeline
from api.problems import BAD_CURSOR, INVALID_REQUEST, UNKNOWN_ALERT, documented

__all__ = ["router"]

router = APIRouter(prefix="/alerts/{alert_id}", tags=["evidence"])


@router.get("/events", responses=documented(UNKNOWN_ALERT, INVALID_REQUEST, BAD_CURSOR))
def list_events(
    store: StoreDep, alert_id: AlertId, limit: Annotated[int, Query(ge=1, le=500)] = 100, cursor: CursorQuery = None
) -> AlertEventPage:
    """The raw events behind an alert, one page: the contributing ones, heaviest first, then the others by time."""
    return events_of(store, alert_id, limit=limit, cursor=cursor)


@router.get("/process-tree", responses=documented(UNKNOWN_ALERT, INVALID_REQUEST))
def read_process_tree(
    store: StoreDep,
    alert_id: AlertId,
    max_nodes: Annotated[int, Query(ge=1, le=500, description="nodes at most")] = 200,
) -> ProcessTree:
    """The processes of an alert's span, from the roots down.

    Where there are more than `max_nodes`, those of contributing events stay, then what they come from, then what came of
    them, then the earliest others.
    """
    return process_tree_of(store, alert_id, max_nodes=max_nodes)


@router.get("/timeline", responses=documented(UNKNOWN_ALERT, INVALID_REQUEST))
def read_timeline(
    store: StoreDep,
    alert_id: AlertId,
    around_minutes: Annotated[int, Query(ge=0, le=1440, description="so long before and after the alert")] = 30,
) -> Timeline:
    """The probability that each window of the endpoint holds an attack, over the time around the alert."""
    return timeline_of(store, alert_id, around=timedelta(minutes=around_minutes))
