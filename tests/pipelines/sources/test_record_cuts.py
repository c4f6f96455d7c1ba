"""Events over several lines and several events on one line, as a file of them is read: whole, torn, huge, hostile."""

import io
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sources.file_reader import read_records
from pipelines.sources.line_reader import FileLimits

pytestmark = pytest.mark.fast

_XML = (
    "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'>\n  <System>\n    <EventID>{}</EventID>\n"
    "  </System>\n</Event>"
)
_ONE_LINE = "<Event><System><EventID>{}</EventID></System></Event>"
_TEXT = "03/02/2026 10:02:11 AM\nLogName=Security\nEventCode={}\nMessage=A process.\n\nSubject:\n\tAccount Name:\t\tmia\n\nProse."
_AUDIT = 'type=CWD msg=audit(1700000000.000:{}): cwd="/"'
_JSON = '{{"winlog": {}}}'
_SYSLOG = "Mar  2 10:02:11 web-01 sshd[{}]: closed"


class _Dribble(io.RawIOBase):
    """A file that is read in pieces of any size."""

    def __init__(self, content: bytes, size: int) -> None:
        self._inner, self._size = io.BytesIO(content), size

    def read(self, size: int = -1) -> bytes:
        return self._inner.read(min(size, self._size))


def _read(content: str | bytes, *, size: int = 1 << 22, longest: int = 4 << 20) -> list[tuple[int, str, str | None]]:
    data = content.encode() if isinstance(content, str) else content
    batches = read_records(_Dribble(data, size), limits=FileLimits(max_record_bytes=longest))
    return [(row["offset"], row["record"], row["source_problem"]) for batch in batches for row in batch.to_pylist()]


def _records(content: str | bytes, **options: int) -> list[str]:
    return [record for _, record, _ in _read(content, **options)]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([_XML, _ONE_LINE, _TEXT, _AUDIT, _JSON]), st.integers(0, 99)), max_size=12),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
    st.integers(5, 400),
)
def test_records_of_any_kinds_are_found_with_their_places_however_a_file_comes(kinds, newline: str, size: int) -> None:
    records = [kind.format(number) for kind, number in kinds]
    if newline == "\r\n":
        records = [record.replace("\n", "\r\n") for record in records]
    content = newline.join(records)
    found = _read(content, size=size)
    assert [record for _, record, _ in found] == records
    assert all(content.encode()[offset:].startswith(record.encode()) for offset, record, _ in found)


@pytest.mark.parametrize("size", [7, 100, 1 << 22])
def test_an_export_on_one_line_is_cut_into_its_events(size: int) -> None:
    events = [_ONE_LINE.format(number) for number in range(50)]
    rows = _read('<?xml version="1.0" encoding="utf-8"?><Events>' + "".join(events) + "</Events>", size=size)
    assert [row[1].removeprefix('<?xml version="1.0" encoding="utf-8"?><Events>') for row in rows] == events
    assert len({row[0] for row in rows}) == 50


def test_the_lines_around_events_are_no_records() -> None:
    one = _XML.format(1)
    assert _records(f"<?xml version='1.0'?>\n<Events>\n{one}\n{one}\n</Events>\n") == [one, one]


@pytest.mark.parametrize("size", [50, 1 << 22])
def test_a_torn_event_is_one_record_and_the_next_is_whole(size: int) -> None:
    torn = _XML.format(1)[:100].rstrip()
    assert _records(f"{torn}\n{_XML.format(2)}\n{torn}", size=size) == [torn, _XML.format(2), torn]


def test_half_a_text_at_the_end_of_a_file_is_one_record() -> None:
    half = _TEXT.format(2)[:60]
    assert _records(f"{_TEXT.format(1)}\n{half}") == [_TEXT.format(1), half]


def test_a_time_without_an_event_is_a_line_like_any_other() -> None:
    assert _records("03/02/2026 10:02:11 AM\nnext\n03/02/2026 10:02:11 AM") == [
        "03/02/2026 10:02:11 AM", "next", "03/02/2026 10:02:11 AM",
    ]  # fmt: skip


def test_text_without_times_begins_at_its_first_line() -> None:
    records = [_TEXT.format(number).partition("\n")[2] for number in range(3)]
    assert _records("\n".join(records)) == records


def test_an_event_behind_a_syslog_header_ends_where_the_next_header_is() -> None:
    cut = "<14>Mar  2 10:02:11 web-01 sysmon: <Event><System><EventID>1</EventID></System><EventData><Data"
    assert _records(f"{cut}\n{_SYSLOG.format(1)}\n{cut}\n{cut}") == [cut, _SYSLOG.format(1), cut, cut]


@pytest.mark.parametrize("opened", ["<Event >", _XML[:80], "03/02/2026 10:02:11 AM\nLogName=Security"])
def test_who_can_write_a_line_does_not_hide_the_lines_after_it(opened: str) -> None:
    others = [_AUDIT.format(number) for number in range(2_000)]
    for longest in (4 << 20, 5_000):
        records = _records("\n".join([opened, *others]), longest=longest)
        assert records[-len(others) :] == others


def test_an_event_over_the_limit_is_one_record_and_the_next_is_whole() -> None:
    for head, tail in (("<Event>\n", "</Event>"), ("03/02/2026 10:02:11 AM\nLogName=Security\n", "end")):
        content = head + "<Data>x</Data>\n" * 100_000 + tail + "\n" + _XML.format(2)
        rows = _read(content, longest=50_000)
        assert [row[1][:7] for row in rows] == [head[:7], "<Event "]
        assert rows[0][0] == 0 and "is longer than 50000" in rows[0][2]
        assert content.encode()[rows[1][0] :] == _XML.format(2).encode()


def test_an_event_over_the_limit_on_an_endless_line_spoils_no_other() -> None:
    content = _ONE_LINE.format(1) + "<Event>" + "x" * 300_000 + "</Event>" + _ONE_LINE.format(2)
    rows = _read(content, size=10_000, longest=50_000)
    assert [row[2] is None for row in rows] == [True, False, True]
    assert rows[2][1] == _ONE_LINE.format(2) and content[rows[2][0] :] == rows[2][1]


@pytest.mark.parametrize("between", ["", " "])
@pytest.mark.parametrize("size", [33, 1 << 22])
def test_envelopes_on_one_line_are_cut_and_what_is_torn_stays_together(between: str, size: int) -> None:
    envelopes = [json.dumps({"time": number, "event": 'ä}{"x'}, ensure_ascii=False) for number in range(20)]
    torn = '{"time": 21, "event": "half'
    assert [record.rstrip() for record in _records(between.join([*envelopes, torn]), size=size)] == [*envelopes, torn]


def test_objects_on_one_line_that_are_no_envelopes_stay_one_record() -> None:
    for line in ('{"a": 1}{"b": 2}', '{"event": 1}x', '{"a": "}{\\"event\\""}', "[" * 100_000, '{"a":' * 50_000):
        assert _records(line) == [line]


@pytest.mark.parametrize("size", [3, 40, 1 << 22])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("is_list", [False, True])
def test_objects_over_several_lines_are_one_record_each(size: int, newline: str, is_list: bool) -> None:
    objects = [
        {"Event": {"System": {"EventID": number}, "EventData": {"a": "}\n{", "b": [], "c": {}}}} for number in range(5)
    ]
    text = json.dumps(objects, indent=2) if is_list else "\n".join(json.dumps(one, indent=2) for one in objects)
    content = text.replace("\n", newline) + newline
    rows = _read(content, size=size)
    assert [json.loads(row[1]) for row in rows] == objects
    assert all(content[offset:].startswith(record) for offset, record, _ in rows)


def test_an_object_that_has_no_end_hides_no_line_after_it() -> None:
    torn = '{\n  "Event": {'
    others = [_AUDIT.format(1), _ONE_LINE.format(2), _JSON.format(3)]
    for other in others:
        assert _records(f"{torn}\n{other}\n{torn}\n{_XML.format(4)}") == [torn, other, torn, _XML.format(4)]
    assert _records("\n".join([torn, *others])) == [torn, *others]


def test_braces_by_themselves_are_lines_in_a_file_that_does_not_begin_with_one() -> None:
    lines = [_AUDIT.format(1), "{", "  x", "}", "]", _AUDIT.format(2)]
    assert _records("\n".join(lines)) == lines


def test_time_grows_with_the_files_size() -> None:
    """Of what costs most: an event that never ends, and lines that each could end it."""

    def seconds(n: int) -> float:
        content = ("<Event>\n" + "x\n" * n + _SYSLOG + "\n").encode() * 2
        start = time.process_time()
        _read(content, longest=1 << 30)
        return time.process_time() - start

    seconds(1_000)
    # the least of some: what else the machine does counts as well
    assert min(seconds(80_000) for _ in range(3)) < 12 * seconds(20_000) + 0.5
