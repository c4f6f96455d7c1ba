"""How large a request may be."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import TOO_LARGE, problem, problem_response

__all__ = ["MAX_BODY_BYTES", "BodyLimit"]

MAX_BODY_BYTES = 262_144
"""Longer bodies are refused; a bulk change of 500 alerts with the longest note, all of it escaped, has 160 KB."""


class BodyLimit:
    """ASGI middleware that refuses long bodies before they are read whole."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, at most so far, and pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        messages: list[Message] = []
        n_bytes, more = 0, True
        while more and n_bytes <= MAX_BODY_BYTES:
            message = await receive()
            messages.append(message)
            n_bytes += len(message.get("body", b""))
            more = message.get("more_body", False)
        if n_bytes > MAX_BODY_BYTES:
            refusal = problem_response(problem(TOO_LARGE, f"the body has more than {MAX_BODY_BYTES} bytes"))
            # what is left of the body is not read: the connection cannot be used again
            refusal.headers["Connection"] = "close"
            await refusal(scope, receive, send)
            return

        async def replayed() -> Message:
            return messages.pop(0) if messages else await receive()

        await self._app(scope, replayed, send)
