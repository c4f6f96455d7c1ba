"""How large a request may be, and how long its body may take."""

import asyncio
from datetime import timedelta

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import TOO_LARGE, TOO_SLOW, ProblemKind, problem, problem_response

__all__ = ["ARRIVES_WITHIN", "MAX_BODY_BYTES", "BodyLimit", "has_body"]

MAX_BODY_BYTES = 262_144
"""Longer bodies are refused; a bulk change of 500 alerts with the longest note, all of it escaped, has 160 KB."""

ARRIVES_WITHIN = timedelta(seconds=30)
"""Slower bodies are refused: 70 kbit/s are enough for the longest. The server has no such limit of its own."""


def has_body(headers: Headers) -> bool:
    """Say whether a request has a body, which may not have arrived yet."""
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


class BodyLimit:
    """ASGI middleware that refuses long and slow bodies before they are read whole."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, at most so far, and pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        messages: list[Message] = []
        n_bytes, more = 0, True
        try:
            async with asyncio.timeout(ARRIVES_WITHIN.total_seconds()):
                while more and n_bytes <= MAX_BODY_BYTES:
                    message = await receive()
                    messages.append(message)
                    n_bytes += len(message.get("body", b""))
                    more = message.get("more_body", False)
        except TimeoutError:
            seconds = ARRIVES_WITHIN.total_seconds()
            await _refuse(TOO_SLOW, f"the body did not arrive within {seconds:.0f} s")(scope, receive, send)
            return
        if n_bytes > MAX_BODY_BYTES:
            await _refuse(TOO_LARGE, f"the body has more than {MAX_BODY_BYTES} bytes")(scope, receive, send)
            return

        async def replayed() -> Message:
            return messages.pop(0) if messages else await receive()

        await self._app(scope, replayed, send)


def _refuse(kind: ProblemKind, detail: str) -> Response:
    # what is left of the body is not read: the connection cannot be used again
    return problem_response(problem(kind, detail), {"Connection": "close"})
