"""ASGI middleware that lets nobody in who may not: who asks, how often, and whether its role covers the method.

What a caller sees is bound in ``api.queries``; here is only told who it is, as ``request.state.caller``.
"""

import asyncio
from datetime import UTC, datetime

import structlog
from starlette.datastructures import URL, Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access.callers import ON_THIS_MACHINE, Caller
from api.access.exposure import needs_keys
from api.access.keys import Keys, find_key
from api.access.loopback import is_loopback
from api.access.provider import read_provider
from api.access.rates import Rates, neighbourhood
from api.access.tokens import Tokens, is_token
from api.errors import (
    GIVE_A_KEY,
    ForbiddenError,
    RequestError,
    TooManyRequestsError,
    UnauthenticatedError,
    WrongKeyError,
)
from api.limits import has_body
from api.problems import LAKE_UNAVAILABLE, problem, problem_of, problem_response
from pipelines.errors import LakeError
from pipelines.schemas.access import Role
from pipelines.settings import Settings

__all__ = ["OPEN_PATHS", "READS", "Door", "is_open"]

OPEN_PATHS = frozenset({"/health", "/docs", "/openapi.json"})
"""What needs no key: whether the API is alive, and what anyone can read in the repository."""

_OPEN_FOLDER = "/ui/"  # pages and their files, which hold no data (`api.alert_page`)

READS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

_PASSED_ON = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")

_LOG = structlog.get_logger("logster.api")


class Door:
    """Passes on requests with ``request.state.caller``, None on an open path without a key; answers the others itself."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._keys = Keys(settings)
        self._needs_keys = needs_keys(settings)
        provider = read_provider(settings)
        self._tokens = None if provider is None else Tokens(provider)
        self._per_minute = settings.api_requests_per_minute
        self._rates = Rates(self._per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer why not."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing of ours speaks WebSocket
            await send({"type": "websocket.close", "code": 1008})
            return
        # a body that nobody reads would keep the connection open for as long as it pleases to arrive
        closing = {"Connection": "close"} if has_body(Headers(scope=scope)) else {}
        try:
            caller = await self._counted_caller(scope)
            if caller is not None:
                _check_role(caller, scope["method"])
        except RequestError as error:
            await problem_response(problem_of(error), {**error.headers, **closing})(scope, receive, send)
            return
        except LakeError as error:
            _LOG.error("nobody is let in", reason=str(error))  # who asks need not know where the table is
            detail = "the API keys cannot be read, so that nobody is let in; see the API's log"
            await problem_response(problem(LAKE_UNAVAILABLE, detail), closing)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _counted_caller(self, scope: Scope) -> Caller | None:
        """Who asks, noted in the state; whoever asks too often is refused, also where it shows no key or a wrong one."""
        address = neighbourhood(scope["client"][0]) if scope.get("client") else ""
        try:
            caller = scope.setdefault("state", {})["caller"] = await self._caller(scope)
        except RequestError:
            self._count(address)
            raise
        if caller is not ON_THIS_MACHINE:  # who has the machine can take the API from others by other ways
            self._count(caller.counted_as or address if caller is not None else address)
        return caller

    def _count(self, who: str) -> None:
        if wait_seconds := self._rates.wait_seconds(who):
            raise TooManyRequestsError(self._per_minute, wait_seconds)

    async def _caller(self, scope: Scope) -> Caller | None:
        headers = Headers(scope=scope)
        if self._tokens is not None and (token := _credential(headers)) is not None and is_token(token):
            return await self._tokens.caller(token)
        keys = self._keys.by_id() if self._keys.is_fresh else await asyncio.to_thread(self._keys.by_id)
        if not keys and not self._needs_keys:
            _refuse_outsiders(scope, headers)
            return ON_THIS_MACHINE
        written = _credential(headers)
        if written is None:
            if is_open(scope["path"]):
                return None
            raise UnauthenticatedError(GIVE_A_KEY)
        key = find_key(keys, written)
        if key is None:
            raise WrongKeyError("the key is none of ours")
        if (state := key.state(datetime.now(UTC))) != "valid":
            raise WrongKeyError(f"the key {key.key_id} is {state}")
        return Caller(key.name, key.role, key.tenant, key_id=key.key_id)


def is_open(path: str) -> bool:
    """Say whether a path needs no key: `OPEN_PATHS`, and the pages for people."""
    return path in OPEN_PATHS or path.startswith(_OPEN_FOLDER)


def _credential(headers: Headers) -> str | None:
    """What the caller shows; None where it shows nothing.

    Raises:
        UnauthenticatedError: it is of another form, or there are several.
    """
    shown = set(headers.getlist("x-api-key"))
    for authorization in headers.getlist("authorization"):
        scheme, _, rest = authorization.strip().partition(" ")
        if scheme.lower() != "bearer":
            raise UnauthenticatedError("`Authorization` must be `Bearer` and a key or token")
        shown.add(rest.strip())
    if len(shown) > 1:
        raise UnauthenticatedError("there are several keys or tokens; give one")
    return shown.pop() if shown else None


def _check_role(caller: Caller, method: str) -> None:
    needed = Role.READER if method in READS else Role.ANALYST
    if not caller.role.covers(needed):
        raise ForbiddenError(f"{method} needs role '{needed}', and '{caller.name}' has '{caller.role}'")


def _refuse_outsiders(scope: Scope, headers: Headers) -> None:
    """Refuse what a page of another site makes a browser on this machine ask, and what a proxy says that it passes on.

    Without keys whoever asks from this machine is let in. A browser does so for any page, under a name of the page's where
    that resolves to 127.0.0.1; a proxy for anyone. A proxy that says nothing of the kind and asks by 127.0.0.1 is this
    machine: who puts one in front makes keys.
    """
    client = scope.get("client")  # None at a socket of this machine's file system
    named = [f"//{headers.get('host', '')}", *headers.getlist("origin")]
    is_ours = (client is None or is_loopback(client[0])) and all(is_loopback(_host(url)) for url in named)
    if not is_ours or any(name in headers for name in _PASSED_ON):
        raise ForbiddenError(
            "without API keys only this machine is answered, by its own name (127.0.0.1, localhost), and through no proxy; "
            "`logster keys create` makes a key"
        )


def _host(url: str) -> str:
    try:
        return URL(url).hostname or ""
    except ValueError:  # a bracket too many
        return ""
