"""What is to be quiet for a time."""

from typing import Annotated

from fastapi import APIRouter, Query, Response, status

from api import suppressions
from api.deps import REPLAYED, CallerDep, CursorQuery, KeyHeader, NowDep, StoreDep, SuppressionId, mark_replay
from api.problems import (
    BAD_CURSOR,
    FORBIDDEN,
    INVALID_REQUEST,
    KEY_REUSED,
    NOT_JSON,
    OTHER_ACTOR,
    SUPPRESSION_OF_FILE,
    TOO_LARGE,
    UNKNOWN_SUPPRESSION,
    documented,
)
from api.schemas import ANONYMOUS
from api.suppression_schemas import Suppression, SuppressionPage, SuppressionRequest, SuppressionState

__all__ = ["router"]

router = APIRouter(prefix="/suppressions", tags=["suppressions"])


@router.get("", responses=documented(INVALID_REQUEST, BAD_CURSOR))
def list_suppressions(
    store: StoreDep,
    now: NowDep,
    tenant: str | None = None,
    state: Annotated[list[SuppressionState] | None, Query(description="any of these")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: CursorQuery = None,
) -> SuppressionPage:
    """Suppressions, newest first, one page: those of the table and those of the file."""
    return suppressions.list_suppressions(store, now=now, tenant=tenant, states=state, limit=limit, cursor=cursor)


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses={
        **documented(FORBIDDEN, OTHER_ACTOR, NOT_JSON, TOO_LARGE, INVALID_REQUEST, KEY_REUSED),
        201: {"headers": REPLAYED},
    },
)
def add_suppression(
    store: StoreDep,
    caller: CallerDep,
    now: NowDep,
    response: Response,
    request: SuppressionRequest,
    idempotency_key: KeyHeader = None,
) -> Suppression:
    """Keep alerts quiet for a time: they send no notifications and leave the queue's counts; nothing of them is deleted."""
    request = request.model_copy(update={"actor": caller.actor(request.actor)})
    made, is_replay = suppressions.add_suppression(store, request, now=now, key=idempotency_key)
    mark_replay(response, is_replay)
    return made


@router.get("/{suppression_id}", responses=documented(UNKNOWN_SUPPRESSION, INVALID_REQUEST))
def read_suppression(store: StoreDep, now: NowDep, suppression_id: SuppressionId) -> Suppression:
    """One suppression with what it quiets, counted; also one that was taken back."""
    return suppressions.read_suppression(store, suppression_id, now=now)


@router.delete(
    "/{suppression_id}", responses=documented(FORBIDDEN, UNKNOWN_SUPPRESSION, SUPPRESSION_OF_FILE, INVALID_REQUEST)
)
def delete_suppression(store: StoreDep, caller: CallerDep, now: NowDep, suppression_id: SuppressionId) -> Suppression:
    """Take a suppression back: what it quieted is in the queue again. Asked again, nothing is done.

    Its rows stay, as who made it and who took it back.
    """
    return suppressions.delete_suppression(store, suppression_id, actor=caller.actor(ANONYMOUS), now=now)
