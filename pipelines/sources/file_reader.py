"""Reading one landed file of whatever kind, told by its first bytes: a Windows event log, or text."""

from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

import pyarrow as pa

from pipelines.sources.evtx_reader import EVTX_MAGIC, read_evtx
from pipelines.sources.line_reader import FileLimits, FileProblem, lines_of, problem_of, unpacked_within

__all__ = ["read_records"]


def read_records(stream: BinaryIO, *, limits: FileLimits) -> Iterator[pa.RecordBatch]:
    """Yield the records of one file as batches of `pipelines.sources.line_reader.LINES`.

    Args:
        stream: the file's bytes, from its start; plain, gzip or zstd.
        limits: what is too much.
    """
    chunks = unpacked_within(stream, limits)
    try:
        first = next(chunks, b"")
    except FileProblem as stop:
        yield problem_of(str(stop))
        return
    whole = chain((first,), chunks)
    yield from read_evtx(whole, limits) if first.startswith(EVTX_MAGIC) else lines_of(whole, limits)
