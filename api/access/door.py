"""ASGI middleware that lets nobody in who may not: who asks, and whether its role covers the method.

What a caller sees is bound in ``api.queries``; here is only told who it is, as ``request.state.caller``.
"""

import asyncio
from datetime import UTC, datetime

from starlette.datastructures import URL, Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access.callers import ON_THIS_MACHINE, Caller
from api.access.exposure import is_loopback
from api.access.keys import Keys, find_key
from api.errors import ForbiddenError, RequestError, UnauthenticatedError
from api.problems import problem_of, problem_response
from pipelines.errors import LogsterError
from pipelines.schemas.access import Role
from pipelines.settings import Settings

__all__ = ["OPEN_PATHS", "Door"]

OPEN_PATHS = frozenset({"/health", "/docs", "/openapi.json"})
"""What needs no key: whether the API is alive, and what anyone can read in the repository."""

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class Door:
    """Passes on requests with ``request.state.caller``, None on an open path without a key; answers the others itself."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._keys = Keys(settings)
        self._is_local = is_loopback(settings.api_host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            caller = await self._caller(scope)
            if caller is not None:
                _check_role(caller, scope["method"])
        except LogsterError as error:
            headers = error.headers if isinstance(error, RequestError) else {}
            await problem_response(problem_of(error), dict(headers))(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller | None:
        keys = self._keys.by_id() if self._keys.is_fresh else await asyncio.to_thread(self._keys.by_id)
        headers = Headers(scope=scope)
        if not keys and self._is_local:
            _refuse_foreign_pages(headers)
            return ON_THIS_MACHINE
        written = _credential(headers)
        if written is None:
            if scope["path"] in OPEN_PATHS:
                return None
            raise UnauthenticatedError("give an API key as `Authorization: Bearer …` or `X-API-Key`")
        key = find_key(keys, written)
        if key is None:
            raise UnauthenticatedError("the key is none of ours")
        if (state := key.state(datetime.now(UTC))) != "valid":
            raise UnauthenticatedError(f"the key {key.key_id} is {state}")
        return Caller(key.name, key.role, key.tenant, key_id=key.key_id)


def _credential(headers: Headers) -> str | None:
    """What the caller shows; None where it shows nothing.

    Raises:
        UnauthenticatedError: it is of another form, or there are several.
    """
    shown = set(headers.getlist("x-api-key"))
    for authorization in headers.getlist("authorization"):
        scheme, _, rest = authorization.strip().partition(" ")
        if scheme.lower() != "bearer":
            raise UnauthenticatedError("`Authorization` must be `Bearer` and an API key")
        shown.add(rest.strip())
    if len(shown) > 1:
        raise UnauthenticatedError("there are several keys; give one")
    return shown.pop() if shown else None


def _check_role(caller: Caller, method: str) -> None:
    needed = Role.READER if method in _READS else Role.ANALYST
    if not caller.role.covers(needed):
        raise ForbiddenError(f"{method} needs role '{needed}', and '{caller.name}' has '{caller.role}'")


def _refuse_foreign_pages(headers: Headers) -> None:
    """Refuse what a page of another site makes a browser on this machine ask, and what a proxy passes on.

    Without keys whoever asks from this machine is let in. A browser does so for any page, under a name of the page's where
    that resolves to 127.0.0.1; a proxy for anyone.
    """
    asked = URL(f"//{headers.get('host', '')}").hostname or ""
    origin = headers.get("origin")
    if not is_loopback(asked) or (origin is not None and not is_loopback(URL(origin).hostname or "")):
        raise ForbiddenError(
            "without API keys only this machine is answered, by its own name (127.0.0.1, localhost); "
            "`logster keys create` makes a key"
        )
