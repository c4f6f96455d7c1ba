"""The endpoints that were scored."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import CursorQuery, StoreDep
from api.problems import BAD_CURSOR, INVALID_REQUEST, documented
from api.schemas import EndpointPage

__all__ = ["router"]

router = APIRouter(prefix="/endpoints", tags=["endpoints"])


@router.get("", responses=documented(INVALID_REQUEST, BAD_CURSOR))
def list_endpoints(
    store: StoreDep,
    tenant: str | None = None,
    limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
    cursor: CursorQuery = None,
) -> EndpointPage:
    """Endpoints by tenant and name, with their newest window and open alerts."""
    return store.endpoints(tenant=tenant, limit=limit, cursor=cursor)
