"""Analysts' verdicts, which later training learns from."""

from fastapi import APIRouter, status

from api.deps import NowDep, StoreDep
from api.schemas import Feedback, FeedbackRequest, Problem

__all__ = ["router"]

router = APIRouter(prefix="/feedback", tags=["feedback"])


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses={
        400: {"model": Problem, "description": "the body is not JSON"},
        404: {"model": Problem, "description": "no such alert"},
    },
)
def add_feedback(store: StoreDep, now: NowDep, request: FeedbackRequest) -> Feedback:
    """Record a verdict on an alert; its status stays as it is."""
    return store.add_feedback(request, now=now)
