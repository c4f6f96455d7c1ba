"""Reading a query's result as CSV, as Log Analytics and Defender export it: each row as a JSON object under the names above.

Only files whose first line names a time and a machine as these services do are taken for such a table. What a row means is
told by ``pipelines.formats``, as of the same row exported as JSON.
"""

import codecs
import csv
import json
from collections.abc import Iterator

import pyarrow as pa

from pipelines.sources.line_reader import LINES, FileLimits, FileProblem, problem_of, too_long

__all__ = ["is_query_result", "rows_of_csv"]

_TIMES = {"TimeGenerated", "TimeGenerated [UTC]", "Timestamp"}
_MACHINES = {"Computer", "DeviceName"}
_HEAD = 1 << 16  # the names stand within so many bytes
_BATCH_ROWS = 2_000
_MARK = b"\xef\xbb\xbf"


def is_query_result(first: bytes) -> bool:
    """Say whether a file that begins like this is a table of one of the services."""
    line = first[:_HEAD].removeprefix(_MARK).partition(b"\n")[0]
    if line[:1] in (b"{", b"<", b"[") or b"," not in line:
        return False
    names = {name.strip(' "\r') for name in line.decode(errors="replace").split(",")}
    return bool(names & _TIMES) and bool(names & _MACHINES)


def rows_of_csv(chunks: Iterator[bytes], limits: FileLimits) -> Iterator[pa.RecordBatch]:
    """Yield a table's rows as batches of `LINES`, each with the offset at which it begins in the file.

    Args:
        chunks: the unpacked file in pieces of any size.
        limits: what is too much.
    """
    lines = _Lines(chunks, limits.max_record_bytes)
    csv.field_size_limit(limits.max_record_bytes)
    reader = csv.reader(lines, strict=True)
    rows: list[tuple[int, str, str | None]] = []
    problem: str | None = None
    try:
        names = [name.strip() for name in next(reader)]
        start = lines.offset
        for cells in reader:
            if cells:
                rows.append((start, *_record(names, cells, limits)))
            start = lines.offset
            if len(rows) == _BATCH_ROWS:
                yield _batch(rows)
                rows = []
    except csv.Error as error:
        problem = f"table as CSV cannot be read beyond here: {error}"
    except FileProblem as stop:
        problem = str(stop)
    if rows:
        yield _batch(rows)
    if problem is not None:
        yield problem_of(problem, lines.offset)


def _record(names: list[str], cells: list[str], limits: FileLimits) -> tuple[str, str | None]:
    if len(cells) != len(names):
        return json.dumps(cells, ensure_ascii=False), f"row of {len(cells)} cells in a table of {len(names)} columns"
    # the first column of some exports is a row's number and has no name
    told = {name: cell for name, cell in zip(names, cells, strict=True) if name and cell}
    return too_long(json.dumps(told, ensure_ascii=False), limits.max_record_bytes)


def _batch(rows: list[tuple[int, str, str | None]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([dict(zip(LINES.names, row, strict=True)) for row in rows], schema=LINES)


class _Lines:
    """The lines of a text with their ends, for the CSV reader, and where the next one begins."""

    def __init__(self, chunks: Iterator[bytes], longest: int) -> None:
        self._chunks, self._longest = chunks, longest
        self._held = b""
        self.offset = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        parts = [self._held]
        size = len(self._held)
        while b"\n" not in parts[-1]:
            if size > self._longest:
                raise FileProblem(
                    f"a line is longer than {self._longest} bytes (LOGSTER_MAX_RECORD_BYTES); stopped there"
                )
            piece = next(self._chunks, b"")
            if not piece:
                break
            parts.append(piece)
            size += len(piece)
        line, end, self._held = b"".join(parts).partition(b"\n")
        line += end
        if not line:
            raise StopIteration
        self.offset += len(line)
        try:
            return codecs.decode(line.removeprefix(_MARK) if self.offset == len(line) else line, "utf-8")
        except UnicodeDecodeError as error:
            raise FileProblem(f"not valid UTF-8 at byte {error.start} of the line") from None
