import gzip
import io
import os

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sources.file_reader import read_records
from pipelines.sources.line_reader import FileLimits

pytestmark = pytest.mark.fast


def _read(content: bytes, limits: FileLimits | None = None) -> list[tuple[int, str, str | None]]:
    batches = read_records(io.BytesIO(content), limits=limits or FileLimits())
    return [(row["offset"], row["record"], row["source_problem"]) for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress, zstandard.ZstdCompressor().compress])
def test_lines_are_the_same_however_the_file_is_packed(pack) -> None:
    assert _read(pack(b"one\r\n\n  \ntwo\nlast")) == [(0, "one", None), (9, "two", None), (13, "last", None)]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), max_size=20))
def test_offsets_point_at_the_lines(lines: list[str]) -> None:
    content = "\n".join(lines).encode()
    for offset, record, problem in _read(content):
        assert problem is None
        assert content[offset:].startswith(record.encode())


def test_members_of_a_gzip_file_are_read_one_after_another() -> None:
    assert [row[1] for row in _read(gzip.compress(b"a\n") + gzip.compress(b"b\n"))] == ["a", "b"]


def test_truncated_gzip_keeps_what_came_before_and_says_so() -> None:
    lines = b"\n".join(os.urandom(40).hex().encode() for _ in range(20_000))
    rows = _read(gzip.compress(lines)[:-10])
    assert len(rows) > 15_000
    assert rows[-1][1] == "" and "truncated or damaged" in rows[-1][2]


def test_truncated_zstd_says_so() -> None:
    rows = _read(zstandard.ZstdCompressor().compress(b"a\nbb\n" * 100_000)[:-3])
    assert "truncated or damaged" in rows[-1][2]


def test_invalid_utf8_spoils_its_line_only() -> None:
    rows = _read(b"ok\n\xff\xfe bad\nok too\n")
    assert [row[2] is None for row in rows] == [True, False, True]
    assert "UTF-8" in rows[1][2]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_files_with_a_mark_are_decoded(encoding: str) -> None:
    assert [row[1] for row in _read("hä\nx".encode(encoding))] == ["hä", "x"]


@pytest.mark.parametrize("content", [os.urandom(5_000), b"ElfFile\x00" + bytes(500), bytes(100)])
def test_binary_files_are_one_problem(content: bytes) -> None:
    rows = _read(content)
    assert len(rows) == 1 and rows[0][2].startswith("file is")


def test_overlong_line_is_cut_and_its_neighbours_kept() -> None:
    rows = _read(b"first\n" + b"x" * 50_000_000 + b"\nlast\n")
    assert [(row[0], row[1][:5]) for row in rows] == [(0, "first"), (6, "xxxxx"), (50_000_007, "last")]
    assert "50000000 bytes" in rows[1][2] and len(rows[1][1]) < 100_000


def test_bomb_is_stopped() -> None:
    bomb = gzip.compress(b"a" * 200_000_000, 9)
    rows = _read(bomb, FileLimits(max_compression_ratio=100))
    assert "100 times its size" in rows[-1][2]


def test_file_over_the_limit_is_stopped() -> None:
    rows = _read(b"line\n" * 2_000_000, FileLimits(max_file_bytes=5_000_000))
    assert "more than 5000000 bytes" in rows[-1][2] and len(rows) > 100
