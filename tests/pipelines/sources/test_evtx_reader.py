"""Windows event logs: whole, torn, cut, packed; ones made here, and a real one against the library's own reading of it."""

import gzip
import importlib.util
import io
import random
from pathlib import Path

import pytest
from evtx import PyEvtxParser

from pipelines.settings import Settings
from pipelines.sources.file_reader import read_records
from pipelines.sources.ingest import ingest_file
from pipelines.sources.line_reader import FileLimits

pytestmark = pytest.mark.fast

_CHUNK, _HEADER = 1 << 16, 4096


def _read(content: bytes, limits: FileLimits | None = None) -> list[dict]:
    batches = read_records(io.BytesIO(content), limits=limits or FileLimits())
    return [row for batch in batches for row in batch.to_pylist()]


@pytest.fixture(scope="module", params=["made", "real"])
def log(request: pytest.FixtureRequest) -> bytes:
    """A log of several chunks, without damage."""
    if request.param == "made":
        return _made_log()
    path = request.getfixturevalue("shared_data") / "windows/evtx-samples/security.evtx.gz"
    return gzip.decompress(path.read_bytes())


def _made_log() -> bytes:
    spec = importlib.util.spec_from_file_location("evtx_file", Path(__file__).with_name("evtx_file.py"))
    assert spec and spec.loader
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    event = "<Event><System><EventID>{}</EventID></System><EventData><Data Name='x'>a &lt; ä</Data></EventData></Event>"
    return writer.evtx(*[[event.format(number) for number in range(150)] for _ in range(5)])


@pytest.fixture
def number(log: bytes) -> int:
    """How many records the library reads in the log."""
    return len(list(PyEvtxParser(io.BytesIO(log), number_of_threads=1).records()))


def _sound(rows: list[dict]) -> list[dict]:
    return [row for row in rows if row["source_problem"] is None]


def test_every_record_is_there_with_its_place(log: bytes, number: int) -> None:
    rows = _read(log)
    assert len(rows) == len(_sound(rows)) == number > 700
    assert all(log.startswith(b"**\x00\x00", row["offset"]) for row in rows)
    assert len({row["offset"] for row in rows}) == number
    told = [record["data"] for record in PyEvtxParser(io.BytesIO(log), number_of_threads=1, indent=False).records()]
    assert [row["record"] for row in rows] == [
        text.removeprefix('<?xml version="1.0" encoding="utf-8"?>\n') for text in told
    ]
    assert _read(gzip.compress(log, 1)) == rows


def test_a_torn_chunk_is_one_row_and_its_sound_records_are_kept(log: bytes) -> None:
    start = _HEADER + 3 * _CHUNK
    whole = _read(log)
    in_chunk = [row for row in whole if start <= row["offset"] < start + _CHUNK]
    torn = log[: start + 30_000] + bytes(_CHUNK - 30_000) + log[start + _CHUNK :]
    rows = _read(torn)
    problems = [row for row in rows if row["source_problem"]]
    assert [row["offset"] for row in problems] == [start]
    kept = [row for row in _sound(rows) if start <= row["offset"] < start + _CHUNK]
    assert 10 < len(kept) < len(in_chunk) and kept == in_chunk[: len(kept)]
    assert f"{len(kept)} of {len(in_chunk)} records" in problems[0]["source_problem"]
    assert [row for row in _sound(rows) if row not in kept] == [row for row in whole if row not in in_chunk]


def test_damage_never_ends_the_reading_and_is_always_told(log: bytes) -> None:
    rng = random.Random(20261125)
    whole = _read(log[: _HEADER + 3 * _CHUNK])
    for _ in range(150):
        at, size = rng.randrange(_HEADER, _HEADER + 2 * _CHUNK), rng.choice((1, 4, 20, 500))
        noise = rng.choice((rng.randbytes(size), bytes(size), b"\xff" * size))
        damaged = log[:at] + noise + log[at + size : _HEADER + 3 * _CHUNK]
        rows = _read(damaged)
        problems = [row for row in rows if row["source_problem"]]
        begun, end = (at - _HEADER) // _CHUNK, (at + size - 1 - _HEADER) // _CHUNK
        touched = {_HEADER + chunk * _CHUNK for chunk in range(begun, end + 1)}
        assert {row["offset"] for row in problems} <= touched
        if rows != whole:
            assert problems
        assert {row["offset"] for row in _sound(rows)} >= {
            row["offset"] for row in whole
            if not any(start <= row["offset"] < start + _CHUNK for start in touched)
        }  # fmt: skip


def test_a_log_that_is_cut_keeps_what_came_before(log: bytes) -> None:
    cut = _HEADER + _CHUNK + 20_000
    rows = _read(log[:cut])
    assert rows[-1]["offset"] == _HEADER + _CHUNK and "ends within" in rows[-1]["source_problem"]
    assert len(_sound(rows)) > 100


def test_a_torn_header_of_the_file_spoils_nothing(log: bytes, number: int) -> None:
    assert len(_read(log[:8] + bytes(_HEADER - 8) + log[_HEADER:])) == number


def test_a_record_over_the_limit_is_told(log: bytes) -> None:
    rows = _read(log[: _HEADER + _CHUNK], FileLimits(max_record_bytes=100))
    assert all("longer than 100" in row["source_problem"] for row in rows) and len(rows) > 90


def test_a_log_is_taken_at_the_door(log: bytes, number: int, tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "security.evtx"
    path.write_bytes(log)
    landed = ingest_file(path, settings)
    assert (landed.n_lines, landed.n_problems) == (number, 0)


def test_what_has_no_header_or_no_chunk_is_told() -> None:
    assert [row["source_problem"] for row in _read(b"ElfFile\x00" + bytes(99))] == [
        "file is a Windows event log (.evtx) that ends within its header"
    ]
    noise = b"ElfFile\x00" + bytes(_HEADER - 8) + b"\x01" * _CHUNK
    assert [(row["offset"], row["source_problem"]) for row in _read(noise)] == [
        (_HEADER, "chunk of a Windows event log without its header")
    ]
