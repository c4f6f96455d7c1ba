"""Whether the lake can be read, and how fresh it is."""

from fastapi import APIRouter

from api.deps import NowDep, StoreDep
from api.schemas import Health

__all__ = ["router"]

router = APIRouter(prefix="/health", tags=["operation"])


@router.get("")
def read_health(store: StoreDep, now: NowDep) -> Health:
    """200 while the lake can be read, else 503."""
    return store.health(now=now)
