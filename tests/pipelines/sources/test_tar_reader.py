"""Archives of logs: each file in them is read as by itself, and damage of the archive is one row behind what was sound."""

import gzip
import io
import tarfile

import pytest

from pipelines.sources.file_reader import read_records
from pipelines.sources.line_reader import FileLimits

pytestmark = pytest.mark.fast

_FILES = {"a.log": b"one\ntwo\n", "empty.log": b"", "b/c.log": b"x" * 511 + b"\n" + b"last", "block.log": b"y" * 512}


def _archive(files: dict[str, bytes], kind: int = tarfile.PAX_FORMAT) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=kind) as archive:
        folder = tarfile.TarInfo("b")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        link = tarfile.TarInfo("passwd")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for name, content in files.items():
            told = tarfile.TarInfo(name)
            told.size = len(content)
            archive.addfile(told, io.BytesIO(content))
    return target.getvalue()


def _rows(content: bytes, limits: FileLimits | None = None) -> list[tuple[int, str, str | None]]:
    batches = read_records(io.BytesIO(content), limits=limits or FileLimits())
    return [(row["offset"], row["record"], row["source_problem"]) for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_the_lines_of_all_files_are_there_with_their_places_in_the_archive(kind: int, pack) -> None:
    name = "ü" * (40 if kind == tarfile.USTAR_FORMAT else 150)
    content = _archive({**_FILES, name: b"of a long name\n"}, kind)
    rows = _rows(pack(content))
    assert [record for _, record, _ in rows] == ["one", "two", "x" * 511, "last", "y" * 512, "of a long name"]
    assert all(problem is None and content[at:].startswith(record.encode()) for at, record, problem in rows)


def test_event_logs_in_an_archive_are_the_records_that_they_are_alone(shared_data) -> None:
    log = gzip.decompress((shared_data / "windows/evtx-samples/security.evtx.gz").read_bytes())
    alone = _rows(log)
    content = _archive({"Security.evtx": log, "note.txt": b"a line\n"})
    at = content.index(b"ElfFile")
    assert _rows(gzip.compress(content)) == [
        *[(offset + at, record, problem) for offset, record, problem in alone],
        (content.index(b"a line"), "a line", None),
    ]


def test_a_torn_archive_keeps_the_files_before_and_says_where_it_is_torn() -> None:
    whole = _archive(_FILES)
    at = whole.index(b"y" * 512)
    *kept, last = _rows(whole[: at + 100])
    assert [record for _, record, _ in kept] == ["one", "two", "x" * 511, "last", "y" * 100]
    assert last[2] == "tar archive ends within a file"
    header = whole.rindex(b"block.log", 0, at)
    *kept, last = _rows(whole[:header] + b"?" * 300 + whole[header + 300 :])
    assert [record for _, record, _ in kept] == ["one", "two", "x" * 511, "last"]
    assert last[2] and f"tar archive is damaged at byte {header}" in last[2]


def test_a_sparse_file_is_refused_for_its_size_is_only_told() -> None:
    told = tarfile.TarInfo("big")
    told.type, told.size = tarfile.GNUTYPE_SPARSE, 1 << 40
    (row,) = _rows(told.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    assert row[2] and "sparse file at byte 0" in row[2]


def test_an_archive_within_the_limits_only() -> None:
    *_, last = _rows(_archive({"a": b"x\n" * 50_000}), FileLimits(max_file_bytes=20_000))
    assert last[2] and "unpacks to more than 20000 bytes" in last[2]
