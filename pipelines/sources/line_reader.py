"""Reading landed files as Arrow batches of records, most of them lines, with everything that can be wrong with a file.

Plain, gzip and zstd are told apart by content. A file is never an exception: what cannot be read becomes a row with a
``source_problem``, and the lines before it are kept. Which records are no lines is told by
``pipelines.sources.record_cuts``, what they mean by ``pipelines.formats``.
"""

import codecs
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import zstandard

from pipelines.sources.record_cuts import Piece, RecordCuts

__all__ = [
    "LINES", "FileLimits", "FileProblem", "lines_of", "problem_of", "too_long", "unpacked_within",
]  # fmt: skip

LINES = pa.schema(
    [
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("record", pa.string(), nullable=False),
        pa.field("source_problem", pa.string()),
    ]
)
"""Byte offset of a line in the unpacked file, the line without its end, and why it cannot be read (else null)."""

_CHUNK = 4 << 20
_SAMPLE = 1 << 16
_KEPT_OF_LONG_LINE = 1 << 16
_RATIO_MATTERS_FROM = 64 << 20  # small files may pack very well without being bombs
_BINARY_SHARE = 0.05
_TEXT_CONTROLS = b"\t\n\r\x0c\x1b\x1d\x01"  # 0x1d and 0x01 are auditd's


@dataclass(frozen=True)
class FileLimits:
    """How much a file may be before it is taken for an attack on the reader.

    Attributes:
        max_record_bytes: longest line.
        max_file_bytes: most that a file may unpack to.
        max_compression_ratio: most that a file may unpack to, in multiples of its own size.
    """

    max_record_bytes: int = 4 << 20
    max_file_bytes: int = 8 << 30
    max_compression_ratio: int = 1000


class FileProblem(Exception):
    """Reading must stop here; carries the reason."""


def lines_of(unpacked_chunks: Iterator[bytes], limits: FileLimits) -> Iterator[pa.RecordBatch]:
    """Yield the records of a text as batches of `LINES`; blank lines are none.

    Args:
        unpacked_chunks: its unpacked bytes in pieces of any size.
        limits: what is too much.
    """
    carry, offset = b"", 0
    skipped = 0  # bytes of an overlong line that were dropped so far
    problem: str | None = None
    cuts = RecordCuts(limits.max_record_bytes)
    chunks = _decoded(unpacked_chunks)
    while True:
        try:
            chunk = next(chunks, b"")
        except FileProblem as stop:
            chunk, problem = b"", str(stop)
        data = carry + chunk
        end = len(data) if not chunk else data.rfind(b"\n") + 1
        if chunk:
            end += cuts.end_of_whole(data[end:])
        if end:
            block = data[:end]
            lines = block.split(b"\n")
            if block.endswith(b"\n"):
                lines.pop()
            if cuts.concern(block):
                yield from _batch_of(cuts.cut(lines, offset, skipped), limits.max_record_bytes)
            else:
                yield from _batches(lines, _starts(lines, offset, skipped), limits.max_record_bytes, {0: skipped})
            offset += end + skipped
            skipped = 0
        carry = data[end:]
        if len(carry) > limits.max_record_bytes + _KEPT_OF_LONG_LINE:
            # keep the head only: a 50 MB line must not cost 50 MB times its chunks
            skipped += len(carry) - (limits.max_record_bytes + 1)
            carry = carry[: limits.max_record_bytes + 1]
        if not chunk:
            break
    yield from _batch_of(cuts.finish(), limits.max_record_bytes)
    if problem is not None:
        yield problem_of(problem, offset)


def _is_binary(sample: bytes) -> bool:
    """Say whether a file's first bytes are no text: too many control bytes."""
    if not sample:
        return False
    controls = sum(1 for byte in sample if byte < 0x20 and byte not in _TEXT_CONTROLS)
    return controls / len(sample) > _BINARY_SHARE


def _unpacked(stream: BinaryIO) -> Iterator[bytes]:
    """Yield a file's content in chunks; gzip, zstd and plain are told apart by the first bytes.

    Raises:
        EOFError, zlib.error, zstandard.ZstdError, OSError: the file is truncated or damaged; all that could be
            unpacked was yielded before.
    """
    head = stream.read(4)
    if head[:2] == b"\x1f\x8b":
        yield from _gunzip(head, stream)
    elif head == b"\x28\xb5\x2f\xfd":
        yield from _unzstd(head, stream)
    else:
        chunk = head + stream.read(_SAMPLE)
        while chunk:
            yield chunk
            chunk = stream.read(_CHUNK)


def _gunzip(head: bytes, stream: BinaryIO) -> Iterator[bytes]:
    # not gzip.GzipFile: it throws away what it unpacked before the damage
    member = zlib.decompressobj(wbits=31)
    data = head + stream.read(_SAMPLE)
    while data:
        yield member.decompress(data, _CHUNK)
        if member.eof:
            data = member.unused_data.lstrip(b"\0") or stream.read(_SAMPLE)  # members may be padded with zeros
            member = zlib.decompressobj(wbits=31) if data else member
        else:
            data = member.unconsumed_tail or stream.read(_SAMPLE)
    if not member.eof:
        raise EOFError("gzip data ends early")


def _unzstd(head: bytes, stream: BinaryIO) -> Iterator[bytes]:
    frame = zstandard.ZstdDecompressor().decompressobj()
    data = head
    # 4 KiB at a time: one call cannot be told how much to unpack at most, and zstd packs up to 30,000 times
    while data or (data := stream.read(4096)):
        yield frame.decompress(data)
        data = b""
        if frame.eof:
            data = frame.unused_data or stream.read(4096)
            if not data:
                return
            frame = zstandard.ZstdDecompressor().decompressobj()
    raise EOFError("zstd data ends early")


class _Counted:
    """Counts the packed bytes that were read."""

    def __init__(self, inner: BinaryIO) -> None:
        self._inner = inner
        self.count = 0

    def read(self, size: int) -> bytes:
        data = bytes(self._inner.read(size))
        self.count += len(data)
        return data


def unpacked_within(stream: BinaryIO, limits: FileLimits) -> Iterator[bytes]:
    """Yield a file's content in chunks, none of them empty, up to what is too much.

    Raises:
        FileProblem: the file is damaged or unpacks to too much; what came before was yielded.
    """
    counted = _Counted(stream)
    total = 0
    try:
        for chunk in _unpacked(counted):  # type: ignore[arg-type]  # needs no more of a file than read()
            if not chunk:
                continue
            total += len(chunk)
            if total > limits.max_file_bytes:
                raise FileProblem(f"file unpacks to more than {limits.max_file_bytes} bytes; stopped there")
            if total > _RATIO_MATTERS_FROM and total > counted.count * limits.max_compression_ratio:
                raise FileProblem(f"file unpacks to over {limits.max_compression_ratio} times its size; stopped there")
            yield chunk
    except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
        raise FileProblem(f"file is truncated or damaged after {total} unpacked bytes: {error}") from None


def _decoded(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield text as UTF-8.

    Raises:
        FileProblem: it is no text, or what yields it says so.
    """
    first = next(chunks, b"")
    text, decode = _opened(first)
    yield decode(text) if decode else text
    for chunk in chunks:
        yield decode(chunk) if decode else chunk


def _opened(chunk: bytes) -> tuple[bytes, Callable[[bytes], bytes] | None]:
    """Take the mark off a file's first bytes and choose how the rest is decoded."""
    if chunk[:2] in (b"\xff\xfe", b"\xfe\xff"):
        name = "utf-16-le" if chunk[:2] == b"\xff\xfe" else "utf-16-be"
        decoder = codecs.getincrementaldecoder(name)("replace")
        return chunk[2:], lambda part: decoder.decode(part).encode("utf-8", "replace")
    if _is_binary(chunk[:_SAMPLE]):
        raise FileProblem("file is binary, not text")
    return chunk.removeprefix(b"\xef\xbb\xbf"), None


def _batch_of(pieces: Iterator[Piece], longest: int) -> Iterator[pa.RecordBatch]:
    found = list(pieces)
    if found:
        starts = pa.array([piece.start for piece in found], pa.int64())
        dropped = {at: piece.dropped for at, piece in enumerate(found) if piece.dropped}
        yield from _batches([piece.record for piece in found], starts, longest, dropped)


def _starts(lines: list[bytes], offset: int, skipped: int) -> pa.Array:
    """Where lines begin that follow each other, the first without ``skipped`` bytes of its own."""
    lengths = pc.binary_length(pa.array(lines, pa.large_binary()))
    starts = pc.subtract(pc.add(pc.cumulative_sum(pc.add(lengths, 1)), pa.scalar(offset + skipped - 1)), lengths)
    return pa.concat_arrays([pa.array([offset], pa.int64()), starts.cast(pa.int64())[1:]])


def _batches(
    lines: list[bytes], starts: pa.Array, longest: int, dropped: Mapping[int, int]
) -> Iterator[pa.RecordBatch]:
    """Turn records into one batch; only those that are wrong are looked at one by one."""
    raw = pa.array(lines, pa.large_binary())
    lengths = pc.binary_length(raw)
    try:
        text = raw.cast(pa.large_string())
        problems = None
    except pa.ArrowInvalid:
        text, problems = _replaced(lines)
    if (pc.max(lengths).as_py() or 0) > longest or any(dropped.values()):
        text, problems = _shortened(text, problems, lines, longest, dropped)
    text = pc.utf8_rtrim(text, "\r")
    keep = pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(text)), 0)
    columns = [
        starts,
        text.cast(pa.string()),
        problems if problems is not None else pa.nulls(len(lines), pa.string()),
    ]
    batch = pa.RecordBatch.from_arrays(columns, schema=LINES).filter(keep)
    if batch.num_rows:
        yield batch


def _replaced(lines: list[bytes]) -> tuple[pa.Array, pa.Array]:
    text: list[str] = []
    problems: list[str | None] = []
    for line in lines:
        try:
            text.append(line.decode())
            problems.append(None)
        except UnicodeDecodeError as error:
            text.append(line.decode(errors="replace"))
            problems.append(f"not valid UTF-8 at byte {error.start} of the line")
    return pa.array(text, pa.large_string()), pa.array(problems, pa.string())


def _shortened(
    text: pa.Array, problems: pa.Array | None, lines: list[bytes], longest: int, dropped: Mapping[int, int]
) -> tuple[pa.Array, pa.Array]:
    texts, found = text.to_pylist(), problems.to_pylist() if problems is not None else [None] * len(lines)
    for index, line in enumerate(lines):
        more = dropped.get(index, 0)
        size = len(line) + more
        if more or size > longest:
            texts[index] = line[:_KEPT_OF_LONG_LINE].decode(errors="ignore")
            found[index] = _over(size, longest)
    return pa.array(texts, pa.large_string()), pa.array(found, pa.string())


def problem_of(problem: str, offset: int = 0) -> pa.RecordBatch:
    """A batch of one row without a record: what is wrong with the file from an offset on."""
    return pa.RecordBatch.from_pylist([{"offset": offset, "record": "", "source_problem": problem}], schema=LINES)


def too_long(record: str, longest: int) -> tuple[str, str | None]:
    """A record and why it cannot be read: of one that is too long its start is kept."""
    if len(record) <= longest // 4:  # characters have four bytes at most
        return record, None
    data = record.encode(errors="replace")
    if len(data) <= longest:
        return record, None
    return data[:_KEPT_OF_LONG_LINE].decode(errors="ignore"), _over(len(data), longest)


def _over(size: int, longest: int) -> str:
    return f"record of {size} bytes is longer than {longest} (LOGSTER_MAX_RECORD_BYTES); kept its start"
