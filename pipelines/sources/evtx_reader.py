"""Reading Windows event logs (``.evtx``) as Arrow batches of records, each event as its XML.

A log is chunks of 64 KiB that each can be read alone, so a file is never held whole, and damage stays within its chunk:
the sound records of a torn chunk are kept, and one row with the chunk's offset says how many are missing. What XML a record is
comes from the ``evtx`` library (Rust); what it means is left to ``pipelines.formats.windows_xml``.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa
from evtx import PyEvtxParser

from pipelines.sources.line_reader import LINES, FileLimits, FileProblem, too_long

__all__ = ["EVTX_MAGIC", "read_evtx"]

EVTX_MAGIC = b"ElfFile\x00"
_CHUNK_MAGIC, _RECORD_MAGIC = b"ElfChnk\x00", b"**\x00\x00"
_FILE_HEADER, _CHUNK, _CHUNK_HEADER = 4096, 1 << 16, 512
_SMALLEST_RECORD = 28
_BATCH_CHARACTERS = 4 << 20
_PROLOGUE = '<?xml version="1.0" encoding="utf-8"?>\n'


class _Row(NamedTuple):
    offset: int
    record: str
    source_problem: str | None


def read_evtx(chunks: Iterator[bytes], limits: FileLimits) -> Iterator[pa.RecordBatch]:
    """Yield the records of one event log as batches of `LINES`, each with the offset at which it lies in the log.

    Args:
        chunks: the unpacked file in pieces of any size.
        limits: what is too much.
    """
    rows: list[_Row] = []
    size = 0
    for row in _rows(chunks, limits):
        rows.append(row)
        size += len(row.record)
        if size > _BATCH_CHARACTERS:
            yield _batch(rows)
            rows, size = [], 0
    if rows:
        yield _batch(rows)


def _batch(rows: list[_Row]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([row._asdict() for row in rows], schema=LINES)


def _rows(pieces: Iterator[bytes], limits: FileLimits) -> Iterator[_Row]:
    held, offset = b"", 0
    problem: str | None = None
    is_behind_header = False
    while True:
        try:
            piece = next(pieces, b"")
        except FileProblem as stop:
            piece, problem = b"", str(stop)
        held += piece
        if not is_behind_header:
            if len(held) < _FILE_HEADER and piece:
                continue
            if len(held) < _FILE_HEADER:
                yield _Row(0, "", problem or "file is a Windows event log (.evtx) that ends within its header")
                return
            held, offset, is_behind_header = held[_FILE_HEADER:], _FILE_HEADER, True
        at = 0
        while len(held) - at >= _CHUNK:
            yield from _rows_of_chunk(held[at : at + _CHUNK], offset + at, limits)
            at += _CHUNK
        held, offset = held[at:], offset + at
        if not piece:
            break
    if held:
        yield from _rows_of_chunk(held, offset, limits)
    if problem is not None:
        yield _Row(offset, "", problem)


def _rows_of_chunk(chunk: bytes, offset: int, limits: FileLimits) -> Iterator[_Row]:
    """Records of one chunk, and a row of its own where it is torn."""
    if not chunk.rstrip(b"\x00"):
        return  # logs are made larger ahead of need
    whole = chunk.ljust(_CHUNK, b"\x00")
    if not whole.startswith(_CHUNK_MAGIC):
        yield _Row(offset, "", "chunk of a Windows event log without its header")
        return
    places = dict(_places(whole))
    n_read, found = 0, ""
    for told in _records(whole):
        if isinstance(told, str):
            found = found or told
            continue
        number, text = told
        if number not in places:
            found = found or f"record {number} is torn"
            continue
        n_read += 1
        record = text.removeprefix(_PROLOGUE)
        kept, problem = too_long(record, limits.max_record_bytes)
        yield _Row(offset + places[number], kept, problem)
    n_told = _number_told(whole)
    is_sound = _checksums_are_right(whole) and len(chunk) == _CHUNK
    if found or n_read < n_told or not is_sound:
        reason = "the file ends within it" if len(chunk) < _CHUNK else found or "its checksum is wrong"
        yield _Row(
            offset, "", f"torn chunk of a Windows event log, {n_read} of {max(n_told, n_read)} records read: {reason}"
        )


def _records(chunk: bytes) -> Iterator[tuple[int, str] | str]:
    """Number and XML of each record that can be read, and why another cannot."""
    try:
        parser = PyEvtxParser(io.BytesIO(_HEADER_OF_ONE + chunk), number_of_threads=1, indent=False)
        records = parser.records()
        for _ in range(_CHUNK // _SMALLEST_RECORD):  # never more, whatever a record says of its length
            try:
                told: Any = next(records)
            except StopIteration:
                return
            except (RuntimeError, OSError, ValueError) as error:
                yield _first_line(error)
            else:
                yield int(told["event_record_id"]), str(told["data"])
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of the library is no Exception; the rest of this chunk is lost
        yield _first_line(error)


def _first_line(error: BaseException) -> str:
    return f"{error}".strip().partition("\n")[0][:300] or type(error).__name__


def _places(chunk: bytes) -> Iterator[tuple[int, int]]:
    """Number of each record that is there up to its end, and where it lies in its chunk."""
    at = _CHUNK_HEADER
    while chunk.startswith(_RECORD_MAGIC, at) and at + _SMALLEST_RECORD <= _CHUNK:
        size, number = struct.unpack_from("<IQ", chunk, at + 4)
        if not _SMALLEST_RECORD <= size <= _CHUNK - at:
            return
        # the library reads a record from its start and does not look whether its end, the size again, is there
        if struct.unpack_from("<I", chunk, at + size - 4) == (size,):
            yield number, at
        at += size


def _number_told(chunk: bytes) -> int:
    """How many records the chunk's header tells of, 0 where it tells nonsense."""
    first, last = struct.unpack_from("<QQ", chunk, 24)
    number = last - first + 1
    return number if 0 < number <= _CHUNK // _SMALLEST_RECORD else 0


def _checksums_are_right(chunk: bytes) -> bool:
    end, of_records = struct.unpack_from("<II", chunk, 48)
    of_header = int.from_bytes(chunk[124:128], "little")
    is_header_right = zlib.crc32(chunk[:120] + chunk[128:_CHUNK_HEADER]) == of_header
    return is_header_right and zlib.crc32(chunk[_CHUNK_HEADER:end]) == int(of_records)


def _header_of_one() -> bytes:
    """Header of a log of one chunk, so that a torn header does not spoil what comes after it."""
    told = EVTX_MAGIC + struct.pack("<QQQIHHHH", 0, 0, 1, 128, 1, 3, _FILE_HEADER, 1).ljust(112, b"\x00")
    return (told + struct.pack("<II", 0, zlib.crc32(told))).ljust(_FILE_HEADER, b"\x00")


_HEADER_OF_ONE = _header_of_one()
