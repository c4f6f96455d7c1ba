"""What lies behind an alert: events, processes, windows; and all of it for others, as STIX."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from api.deps import AlertId, CursorQuery, StoreDep
from api.evidence import events_of, process_tree_of, stix_of, timeline_of
from api.evidence_schemas import AlertEventPage, ProcessTree, StixBundle, Timeline
from api.problems import BAD_CURSOR, INVALID_REQUEST, UNKNOWN_ALERT, documented
from api.stix import MEDIA_TYPE

__all__ = ["router"]

router = APIRouter(prefix="/alerts/{alert_id}", tags=["evidence"])

_LOGSTER = "identity--195ee7de-82b8-4d31-8740-06403f535148"
_EXAMPLE: dict[str, Any] = {
    "type": "bundle",
    "id": "bundle--f1c5a3be-21d7-4b52-9a47-5f7a9d1f7a55",
    "objects": [
        {
            "type": "ipv4-addr", "spec_version": "2.1", "id": "ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4",
            "value": "198.51.100.3",
        },
        {
            "type": "observed-data", "spec_version": "2.1", "id": "observed-data--0d2e3a47-6a53-4b55-8a52-1f3c83a1a0d4",
            "created": "2026-03-01T12:04:00.000Z", "modified": "2026-03-01T12:04:00.000Z", "created_by_ref": _LOGSTER,
            "first_observed": "2026-03-01T12:00:00.000Z", "last_observed": "2026-03-01T12:03:00.000Z", "number_observed": 1,
            "object_refs": ["ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4"],
        },
    ],
}  # fmt: skip


class _StixResponse(JSONResponse):
    media_type = MEDIA_TYPE


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


@router.get(
    "/stix",
    response_class=_StixResponse,
    responses={
        **documented(UNKNOWN_ALERT, INVALID_REQUEST),
        200: {"model": StixBundle, "content": {MEDIA_TYPE: {"example": _EXAMPLE}}},
    },
)
def read_stix(
    store: StoreDep,
    alert_id: AlertId,
    max_events: Annotated[int, Query(ge=1, le=500, description="events at most, the contributing ones first")] = 50,
) -> Any:  # noqa: ANN401 - described by its model; STIX has more members than could be named there
    """The alert as a STIX 2.1 bundle: the same alert with the same events gives the same, ids as well."""
    return _StixResponse(stix_of(store, alert_id, max_events=max_events))
