"""What routes depend on, as annotated aliases."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query, Request
from pydantic import AfterValidator

from api.store import Store

__all__ = ["CursorQuery", "NowDep", "StoreDep", "TimeQuery"]


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


def _now() -> datetime:
    return datetime.now(UTC)


def _as_utc(time: datetime) -> datetime:
    """Read a time without zone as UTC; refuse one that has no UTC form (year 1 east of Greenwich)."""
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (OverflowError, ValueError):
        raise ValueError("must lie between the years 1 and 9999 in UTC") from None


StoreDep = Annotated[Store, Depends(_store)]
NowDep = Annotated[datetime, Depends(_now)]
TimeQuery = Annotated[datetime, AfterValidator(_as_utc)]
CursorQuery = Annotated[
    str | None, Query(max_length=4096, description="`next_cursor` of the page before; leave out for the first page")
]
