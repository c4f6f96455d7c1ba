"""Where a page ended, as an opaque text that a caller hands back for the next page."""

import base64
import binascii
import json
from typing import Any

from api.errors import BadCursorError

__all__ = ["opened", "sealed"]


def sealed(*position: object) -> str:
    """Write down a position: the sort key of a page's last row."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def opened(cursor: str, kinds: tuple[type, ...]) -> tuple[Any, ...]:
    """Read a position back.

    Args:
        cursor: from a caller, so anything.
        kinds: types of the position's parts.

    Raises:
        BadCursorError: it is not one that `sealed` made of such parts.
    """
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        # a JSON text may hold half a surrogate pair, which nothing can store
        json.dumps(position, ensure_ascii=False).encode()
    except (ValueError, binascii.Error, RecursionError):
        raise BadCursorError from None
    if not isinstance(position, list) or [type(part) for part in position] != list(kinds):
        raise BadCursorError
    if any(isinstance(part, int) and abs(part) >= 2**63 for part in position):
        raise BadCursorError
    return tuple(position)
