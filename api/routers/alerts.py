"""The alert queue: list, look at, and move an alert through its life."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.deps import CursorQuery, NowDep, StoreDep, TimeQuery
from api.schemas import AlertDetail, AlertPage, AlertPatch, Problem
from api.store import AlertFilter
from pipelines.schemas.alerts import AlertStatus, Severity

__all__ = ["router"]

router = APIRouter(prefix="/alerts", tags=["alerts"])

_AlertId = Annotated[str, Path(description="`alert_id`, 64 hex digits")]


@router.get("")
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
    )
    return store.alerts(wanted, limit=limit, cursor=cursor)


@router.get("/{alert_id}", responses={404: {"model": Problem, "description": "no such alert"}})
def read_alert(store: StoreDep, alert_id: _AlertId) -> AlertDetail:
    """One alert with its contributing events and history."""
    return store.alert(alert_id)


@router.patch(
    "/{alert_id}",
    responses={
        400: {"model": Problem, "description": "the body is not JSON"},
        404: {"model": Problem, "description": "no such alert"},
        409: {"model": Problem, "description": "it may not go to that status; names those it may"},
    },
)
def change_alert(store: StoreDep, now: NowDep, alert_id: _AlertId, patch: AlertPatch) -> AlertDetail:
    """Move an alert on: open → acknowledged → investigating → resolved | false_positive; or add a note."""
    return store.change_alert(alert_id, patch, now=now)
