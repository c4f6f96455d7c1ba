"""The alert queue: list, look at, and move an alert through its life."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response

from api import changes
from api.deps import REPLAYED, AlertId, CallerDep, CursorQuery, KeyHeader, NowDep, StoreDep, TimeQuery, mark_replay
from api.problems import (
    BAD_CURSOR,
    FORBIDDEN,
    ILLEGAL_TRANSITION,
    INVALID_REQUEST,
    KEY_REUSED,
    NOT_JSON,
    OTHER_ACTOR,
    STALE_ETAG,
    TOO_LARGE,
    TOO_SLOW,
    UNKNOWN_ALERT,
    documented,
)
from api.schemas import AlertDetail, AlertPage, AlertPatch, BulkPatch, BulkResult
from api.store import AlertFilter
from pipelines.schemas.alerts import AlertStatus, Severity

__all__ = ["router"]

router = APIRouter(prefix="/alerts", tags=["alerts"])

_ETAG: dict[str, Any] = {"ETag": {"description": "this state of the alert", "schema": {"type": "string"}}}


@router.get("", responses=documented(INVALID_REQUEST, BAD_CURSOR))
def list_alerts(
    store: StoreDep,
    status: Annotated[list[AlertStatus] | None, Query(description="any of these")] = None,
    severity: Annotated[list[Severity] | None, Query(description="any of these")] = None,
    endpoint: Annotated[str | None, Query(description="exact name, in any case of letters")] = None,
    tenant: str | None = None,
    technique: Annotated[str | None, Query(description="ATT&CK id, e.g. T1059; sub-techniques count")] = None,
    start: Annotated[
        TimeQuery | None, Query(alias="from", description="last seen after this; UTC where no zone")
    ] = None,
    end: Annotated[TimeQuery | None, Query(alias="to", description="first seen before this; UTC where no zone")] = None,
    suppressed: Annotated[
        Literal["false", "true", "all"],
        Query(description="`false`: those that are not suppressed; `true`: those that are; `all`"),
    ] = "false",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: CursorQuery = None,
) -> AlertPage:
    """Newest alerts first, one page.

    Alerts that come in while you turn pages do not shift those that follow.
    """
    wanted = AlertFilter(
        tenant=tenant,
        endpoint=endpoint,
        severities=severity,
        statuses=status,
        technique=technique,
        start=start,
        end=end,
        is_suppressed=None if suppressed == "all" else suppressed == "true",
    )
    return store.alerts(wanted, limit=limit, cursor=cursor)


@router.patch("", responses=documented(FORBIDDEN, OTHER_ACTOR, NOT_JSON, TOO_LARGE, TOO_SLOW, INVALID_REQUEST))
def change_alerts(
    store: StoreDep, caller: CallerDep, now: NowDep, patch: BulkPatch, idempotency_key: KeyHeader = None
) -> BulkResult:
    """Make the same change to several alerts.

    Each that may take it is changed, all in one commit; what became of each is in the answer, which is 200 all the same.
    """
    wanted = patch.wanted(caller.actor(patch.actor))
    return changes.change_alerts(store, patch.ids, wanted, now=now, key=idempotency_key)


@router.get("/{alert_id}", responses={**documented(UNKNOWN_ALERT, INVALID_REQUEST), 200: {"headers": _ETAG}})
def read_alert(store: StoreDep, response: Response, alert_id: AlertId) -> AlertDetail:
    """One alert with its contributing events and history."""
    alert = store.alert(alert_id)
    response.headers["ETag"] = alert.etag
    return alert


@router.patch(
    "/{alert_id}",
    responses={
        **documented(
            FORBIDDEN,
            OTHER_ACTOR,
            NOT_JSON,
            UNKNOWN_ALERT,
            ILLEGAL_TRANSITION,
            STALE_ETAG,
            TOO_LARGE,
            TOO_SLOW,
            INVALID_REQUEST,
            KEY_REUSED,
        ),
        200: {"headers": {**_ETAG, **REPLAYED}},
    },
)
def change_alert(
    store: StoreDep,
    caller: CallerDep,
    now: NowDep,
    response: Response,
    alert_id: AlertId,
    patch: AlertPatch,
    idempotency_key: KeyHeader = None,
    if_match: Annotated[
        str | None,
        Header(
            max_length=1000, description="ETag of the alert as you read it: it is changed only where it is still so"
        ),
    ] = None,
) -> AlertDetail:
    """Move an alert on, assign it, or add a note.

    The way is open → acknowledged → investigating → resolved | false_positive; steps may be left out, an alert may go back
    to open, and a closed one be reopened (investigating) or judged anew.
    """
    wanted = patch.wanted(caller.actor(patch.actor))
    alert, is_replay = changes.change_alert(store, alert_id, wanted, now=now, if_match=if_match, key=idempotency_key)
    response.headers["ETag"] = alert.etag
    mark_replay(response, is_replay)
    return alert
