"""Reading a body within its limits: so many bytes after unpacking, and so many seconds."""

import asyncio
import zlib
from datetime import timedelta

from fastapi import Request
from starlette.requests import ClientDisconnect

from api.collector.answers import INVALID_DATA, TIMED_OUT, TOO_LARGE, UNKNOWN_ENCODING, RefusedError

__all__ = ["most_bytes", "read_body"]

_ARRIVES_WITHIN = timedelta(seconds=60)
_GZIP = 31  # zlib's word for gzip with its header


def most_bytes(request: Request, limit: int) -> int:
    """How many bytes a body may come to, before it is read.

    Raises:
        RefusedError: it says itself that it is too large.
    """
    length = request.headers.get("content-length", "")
    if not length.isdigit():
        return limit
    if int(length) > limit:
        raise RefusedError(TOO_LARGE)
    return limit if _encoding(request) else int(length)


async def read_body(request: Request, limit: int) -> bytes:
    """Read a body, unpacked where it is gzip.

    Args:
        request: nothing of its body was read yet.
        limit: so many bytes at most, unpacked; what is more is never unpacked.

    Raises:
        RefusedError: it is too large, damaged, packed otherwise, or does not arrive in time.
    """
    encoding = _encoding(request)
    if encoding not in ("", "gzip"):
        raise RefusedError(UNKNOWN_ENCODING)
    unpack = _Gunzip(limit) if encoding else None
    body = bytearray()
    try:
        async with asyncio.timeout(_ARRIVES_WITHIN.total_seconds()):
            async for chunk in request.stream():
                body += unpack.unpacked(chunk, limit - len(body)) if unpack else chunk
                if len(body) > limit:
                    raise RefusedError(TOO_LARGE)
    except TimeoutError:
        raise RefusedError(TIMED_OUT) from None
    except (ClientDisconnect, zlib.error):
        raise RefusedError(INVALID_DATA) from None
    if unpack and not unpack.is_whole:
        raise RefusedError(INVALID_DATA)
    return bytes(body)


def _encoding(request: Request) -> str:
    return request.headers.get("content-encoding", "").strip().lower().removeprefix("identity")


class _Gunzip:
    """Unpacks one gzip text, of one member or several, as it arrives."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
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
