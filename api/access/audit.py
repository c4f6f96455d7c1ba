"""ASGI middleware that notes in the log who changed, or tried to change, what.

The rows of ``alert_changes`` and ``feedback`` say what was changed in whose name, and stay; here is what they do not hold: the
key, the address, and what was refused. Bodies and keys are not noted.
"""

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.callers import Caller
from api.access.door import READS

__all__ = ["Audit"]

_LOG = structlog.get_logger("logster.audit")


class Audit:
    """Stands outside of the door, so that it sees what the door refuses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note it where it is one that changes something."""
        if scope["type"] != "http" or scope["method"] in READS:
            await self._app(scope, receive, send)
            return
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            caller: Caller | None = scope.get("state", {}).get("caller")
            _LOG.info(
                "write",
                method=scope["method"],
                path=scope.get("raw_path", b"").decode("latin-1"),  # escaped, so one line
                status=status,
                name=caller and caller.name,
                key_id=caller and caller.key_id,
                subject=caller and caller.subject,
                tenant=caller and caller.tenant,
                address=scope["client"][0] if scope.get("client") else None,
            )
