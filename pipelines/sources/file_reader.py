"""Reading one landed file of whatever kind, told by its first bytes: event log, table as CSV, other text, archive of such."""

from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.sources.csv_reader import is_query_result, rows_of_csv
from pipelines.sources.evtx_reader import EVTX_MAGIC, read_evtx
from pipelines.sources.line_reader import LINES, FileLimits, FileProblem, lines_of, problem_of, unpacked_within
from pipelines.sources.tar_reader import files_of_tar, is_tar

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
    yield from _read(first, chunks, limits)


def _read(first: bytes, rest: Iterator[bytes], limits: FileLimits) -> Iterator[pa.RecordBatch]:
    whole = chain((first,), rest)
    yield from _read_archive(whole, limits) if is_tar(first) else _read_one(first, whole, limits)


def _read_one(first: bytes, whole: Iterator[bytes], limits: FileLimits) -> Iterator[pa.RecordBatch]:
    if first.startswith(EVTX_MAGIC):
        return read_evtx(whole, limits)
    return rows_of_csv(whole, limits) if is_query_result(first) else lines_of(whole, limits)


def _read_archive(chunks: Iterator[bytes], limits: FileLimits) -> Iterator[pa.RecordBatch]:
    """The records of all files of an archive, with their places in it; an archive within is no text."""
    try:
        for file in files_of_tar(chunks):
            pieces = file.chunks()
            first = next(pieces, b"")
            for batch in _read_one(first, chain((first,), pieces), limits):
                yield batch.set_column(0, LINES.field("offset"), pc.add(batch.column("offset"), file.offset))
    except FileProblem as stop:
        yield problem_of(str(stop))
