"""Tables as CSV: rows under the names above, told from other text, and what is wrong with one."""

import csv
import io
import json

import pytest

from pipelines.sources.file_reader import read_records
from pipelines.sources.line_reader import FileLimits

pytestmark = pytest.mark.fast

_NAMES = ["", "TimeGenerated [UTC]", "Computer", "EventID", "CommandLine"]
_ROWS = [
    ["0", "2026-03-02 10:00:01.5", "ws-07", "4688", 'p.exe "a, b"'],
    ["1", "2026-03-02 10:00:02", "ws-08", "4688", "line\none ä"],
    ["2", "2026-03-02 10:00:03", "ws-09", "4688", ""],
]


def _table(rows: list[list[str]], newline: str = "\n") -> bytes:
    target = io.StringIO()
    csv.writer(target, lineterminator=newline).writerows([_NAMES, *rows])
    return target.getvalue().encode()


class _Dribble(io.RawIOBase):
    def __init__(self, content: bytes) -> None:
        self._inner = io.BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self._inner.read(min(size, 1 + self._inner.tell() // 7 * 3) if self._inner.tell() > 100 else size)


def _read(content: bytes, longest: int = 4 << 20) -> list[tuple[int, str, str | None]]:
    batches = read_records(_Dribble(content), limits=FileLimits(max_record_bytes=longest))
    return [(row["offset"], row["record"], row["source_problem"]) for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_each_row_is_an_object_with_its_place(newline: str, mark: bytes) -> None:
    content = mark + _table(_ROWS, newline)
    rows = _read(content)
    expected = [{name: cell for name, cell in zip(_NAMES, row, strict=True) if name and cell} for row in _ROWS]
    assert [json.loads(record) for _, record, _ in rows] == expected
    assert [content[at:].decode()[0] for at, _, _ in rows] == ["0", "1", "2"]


@pytest.mark.parametrize(
    "line", ["a,b,c", '{"TimeGenerated": 1, "Computer": 2, "x": 3}', "TimeGenerated Computer", "Computer,EventID"]
)
def test_other_text_is_lines(line: str) -> None:
    assert [record for _, record, _ in _read(f"{line}\n1,2,3\n".encode())] == [line, "1,2,3"]


def test_a_row_of_another_width_is_a_problem_of_its_own() -> None:
    rows = _read(_table([_ROWS[0], ["3", "x"], _ROWS[2]]))
    assert [problem for _, _, problem in rows] == [None, "row of 2 cells in a table of 5 columns", None]


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        (b'3,2026,"ws', "cannot be read beyond here"),
        (b"3,\xff\n", "not valid UTF-8"),
        (b"x" * 9_000, "longer than 4000"),
    ],
)
def test_what_cannot_be_read_further_is_one_row_behind_what_was_sound(tail: bytes, reason: str) -> None:
    rows = _read(_table(_ROWS) + tail, longest=4_000)
    assert [problem for _, _, problem in rows[:-1]] == [None] * 3
    assert rows[-1][2] and reason in rows[-1][2]
