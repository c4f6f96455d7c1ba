"""Whether the lake can be read, and how fresh it is."""

from fastapi import APIRouter

from api.deps import NowDep, VisitorDep, WholeStoreDep
from api.schemas import Health

__all__ = ["router"]

router = APIRouter(prefix="/health", tags=["operation"])


@router.get("")
def read_health(store: WholeStoreDep, visitor: VisitorDep, now: NowDep) -> Health:
    """200 while the lake can be read, else 503.

    Needs no key; how fresh the tables are is told to who sees all tenants.
    """
    return store.health(now=now, is_whole=visitor is not None and visitor.tenant is None)
