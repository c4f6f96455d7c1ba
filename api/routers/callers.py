"""Who asks, as the API sees it."""

from fastapi import APIRouter

from api.deps import CallerDep
from api.schemas import CallerInfo
from pipelines.schemas.access import Role

__all__ = ["router"]

router = APIRouter(prefix="/caller", tags=["operation"])


@router.get("")
def read_caller(caller: CallerDep) -> CallerInfo:
    """Who you are: a page or a program offers only what will not be refused."""
    return CallerInfo(
        name=caller.name,
        is_named=caller.is_named,
        role=caller.role,
        tenant=caller.tenant,
        may_change=caller.role.covers(Role.ANALYST),
    )
