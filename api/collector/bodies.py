"""Reading a body within its limits: so many bytes after unpacking, and so many seconds."""

import asyncio
import zlib
from collections.abc import Callable
from datetime import timedelta

from fastapi import Request
from starlette.requests import ClientDisconnect

from api.collector.answers import INVALID_DATA, TIMED_OUT, TOO_LARGE, UNKNOWN_ENCODING, RefusedError

__all__ = ["read_body"]

_ARRIVES_WITHIN = timedelta(seconds=60)
_GZIP = 31  # zlib's word for gzip with its header


async def read_body(request: Request, limit: int, hold: Callable[[int], None]) -> bytes:
    """Read a body, unpacked where it is gzip.

    Args:
        request: nothing of its body was read yet.
        limit: so many bytes at most, unpacked; what is more is never unpacked.
        hold: is told how many bytes come to be held, as they come; may refuse.

    Raises:
        RefusedError: it is too large, damaged, packed otherwise, or does not arrive in time.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip"):
        raise RefusedError(UNKNOWN_ENCODING)
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise RefusedError(TOO_LARGE)
    unpack = _Gunzip() if encoding == "gzip" else None
    body = bytearray()
    try:
        async with asyncio.timeout(_ARRIVES_WITHIN.total_seconds()):
            async for chunk in request.stream():
                more = unpack.unpacked(chunk, limit - len(body)) if unpack else chunk
                if len(body) + len(more) > limit:
                    raise RefusedError(TOO_LARGE)
                hold(len(more))
                body += more
    except TimeoutError:
        raise RefusedError(TIMED_OUT) from None
    except (ClientDisconnect, zlib.error):
        raise RefusedError(INVALID_DATA) from None
    if unpack and not unpack.is_whole:
        raise RefusedError(INVALID_DATA)
    return bytes(body)


class _Gunzip:
    """Unpacks one gzip text, of one member or several, as it arrives."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=_GZIP)
        self.is_whole = True

    def unpacked(self, packed: bytes, room: int) -> bytes:
        """Unpack what came, one byte more than there is room for at most.

        Raises:
            zlib.error: it is no gzip.
        """
        found = bytearray()
        while packed and len(found) <= room:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=_GZIP)
            found += self._member.decompress(packed, room - len(found) + 1)
            packed = self._member.unconsumed_tail or self._member.unused_data
            self.is_whole = self._member.eof
        return bytes(found)
