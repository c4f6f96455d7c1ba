"""Analysts' verdicts, which later training learns from."""

from fastapi import APIRouter, Response, status

from api import changes
from api.deps import REPLAYED, CallerDep, KeyHeader, NowDep, StoreDep, mark_replay
from api.problems import (
    FORBIDDEN,
    INVALID_REQUEST,
    KEY_REUSED,
    NOT_JSON,
    OTHER_ACTOR,
    TOO_LARGE,
    TOO_SLOW,
    UNKNOWN_ALERT,
    documented,
)
from api.schemas import Feedback, FeedbackRequest

__all__ = ["router"]

router = APIRouter(prefix="/feedback", tags=["feedback"])


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses={
        **documented(FORBIDDEN, OTHER_ACTOR, NOT_JSON, UNKNOWN_ALERT, TOO_LARGE, TOO_SLOW, INVALID_REQUEST, KEY_REUSED),
        201: {"headers": REPLAYED},
    },
)
def add_feedback(
    store: StoreDep,
    caller: CallerDep,
    now: NowDep,
    response: Response,
    request: FeedbackRequest,
    idempotency_key: KeyHeader = None,
) -> Feedback:
    """Record a verdict on an alert; its status stays as it is."""
    request = request.model_copy(update={"actor": caller.actor(request.actor)})
    feedback, is_replay = changes.add_feedback(store, request, now=now, key=idempotency_key)
    mark_replay(response, is_replay)
    return feedback
