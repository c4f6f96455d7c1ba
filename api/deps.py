"""What routes have in common: dependencies and parameters as annotated aliases, and headers of their answers."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query, Request, Response
from pydantic import AfterValidator, BeforeValidator

from api.access.callers import Caller
from api.errors import GIVE_A_KEY, UnauthenticatedError
from api.store import Store
from pipelines.settings import Settings

__all__ = [
    "REPLAYED", "AlertId", "CallerDep", "CursorQuery", "KeyHeader", "NowDep", "SettingsDep", "StoreDep", "SuppressionId",
    "TimeQuery", "VisitorDep", "WholeStoreDep", "mark_replay", "refuse_below_admin", "refuse_one_tenant",
]  # fmt: skip

_HAS_DATE = re.compile(r"\d{4}-").match

REPLAYED: dict[str, Any] = {
    "Idempotency-Replayed": {
        "description": "`true` where the request had been answered before, and did nothing this time",
        "schema": {"type": "string"},
    }
}
"""The header that `mark_replay` sets, for OpenAPI."""


def mark_replay(response: Response, is_replay: bool) -> None:
    """Say in a header that the request had been answered before."""
    if is_replay:
        response.headers["Idempotency-Replayed"] = "true"


def _visitor(request: Request) -> Caller | None:
    # an AttributeError where no door was passed: a mistake of ours, which opens nothing
    visitor: Caller | None = request.state.caller
    return visitor


def _caller(visitor: "VisitorDep") -> Caller:
    if visitor is None:
        raise UnauthenticatedError(GIVE_A_KEY)
    return visitor


def refuse_one_tenant(caller: "CallerDep") -> None:
    """Let in who sees every tenant's data only."""
    caller.refuse_one_tenant()


def refuse_below_admin(caller: "CallerDep") -> None:
    """Let admins in only."""
    caller.refuse_below_admin()


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _whole_store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


def _store(store: "WholeStoreDep", caller: "CallerDep") -> Store:
    return store.of(caller.tenant)


def _now() -> datetime:
    return datetime.now(UTC)


def _no_number(value: object) -> object:
    # pydantic would take it for seconds since 1970, which is no date-time of OpenAPI
    if isinstance(value, str) and not _HAS_DATE(value):
        raise ValueError("give a time such as 2026-03-02T10:00:00Z")
    return value


def _as_utc(time: datetime) -> datetime:
    """Read a time without zone as UTC; refuse one that has no UTC form (year 1 east of Greenwich)."""
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (OverflowError, ValueError):
        raise ValueError("must lie between the years 1 and 9999 in UTC") from None


VisitorDep = Annotated[Caller | None, Depends(_visitor)]
"""Who asks; None where that is not known, on a path that is open to all."""
CallerDep = Annotated[Caller, Depends(_caller)]
"""Who asks."""
WholeStoreDep = Annotated[Store, Depends(_whole_store)]
"""The lake with every tenant's data; routes take `StoreDep`."""
StoreDep = Annotated[Store, Depends(_store)]
"""The lake as the caller may see it."""
NowDep = Annotated[datetime, Depends(_now)]
SettingsDep = Annotated[Settings, Depends(_settings)]
TimeQuery = Annotated[datetime, BeforeValidator(_no_number), AfterValidator(_as_utc)]
CursorQuery = Annotated[
    str | None, Query(max_length=4096, description="`next_cursor` of the page before; leave out for the first page")
]
AlertId = Annotated[str, Path(max_length=200, description="`alert_id`, 64 hex digits")]
SuppressionId = Annotated[str, Path(max_length=200, description="`suppression_id`, a UUID, or `file:` and a name")]
KeyHeader = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="a name of your own for this request, e.g. a UUID: sent again, it is answered again and done once",
    ),
]
