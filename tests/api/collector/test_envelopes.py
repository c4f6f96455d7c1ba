"""Stacked envelopes are cut exactly, however they are written; what is invalid is named and hides nothing before it."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.collector.envelopes import read_envelopes, read_time

pytestmark = pytest.mark.fast

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ['}{"event":"', '{"', "\\", "\n}\n{", '"', "ä}"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.dictionaries(TEXTS, VALUES, max_size=3) | st.text(min_size=1).filter(str.strip)
ENVELOPES = st.builds(
    lambda event, more: {**more, "event": event},
    EVENTS,
    st.dictionaries(st.sampled_from(["host", "fields", "x"]), VALUES),
)
WRITTEN = st.tuples(ENVELOPES, st.sampled_from([None, 1, "\t"]), st.booleans())


def as_text(envelope, indent, is_ascii):
    return json.dumps(envelope, indent=indent, ensure_ascii=is_ascii)


@settings(deadline=None)
@given(st.lists(WRITTEN, min_size=1, max_size=6), st.sampled_from(["", " ", "\n", "\r\n\r\n"]))
def test_envelopes_come_out_as_they_went_in(written, between):
    body = between.join(as_text(*one) for one in written).encode("utf-8", "surrogatepass")
    try:
        body.decode()
    except UnicodeDecodeError:  # half a pair, written out: no UTF-8
        return
    found, refused = read_envelopes(body)
    assert refused is None
    assert [json.loads(one.text) for one in found] == [envelope for envelope, _, _ in written]
    assert [one.event for one in found] == [envelope["event"] for envelope, _, _ in written]
    assert [json.loads(one.event_text) for one in found] == [one.event for one in found]
    assert not any("\n" in one.text or "\r" in one.text for one in found)


@settings(deadline=None)
@given(st.lists(WRITTEN, min_size=1, max_size=4), st.data())
def test_a_body_that_is_cut_off_gives_what_is_whole_and_the_number_of_the_rest(written, data):
    parts = [as_text(*one).encode("utf-8", "replace") for one in written]
    whole = data.draw(st.integers(0, len(parts) - 1))
    cut = data.draw(st.integers(1, len(parts[whole]) - 1))
    found, refused = read_envelopes(b"".join(parts[:whole]) + parts[whole][:cut])
    assert len(found) == whole
    assert (refused.answer.code, refused.number) == (6, whole)


@pytest.mark.parametrize(
    ("body", "n_taken", "code"),
    [
        (b"", 0, 5),
        (b" \r\n", 0, 5),
        (b'{"event":"a"}{"host":"b"}{"event":"c"}', 1, 12),
        (b'{"event":"a"}{"event":null}', 1, 12),
        (b'{"event":"a"} {"event":"\\n "}', 1, 13),
        (b'{"event":"a"}\n["event"]', 1, 6),
        (b'{"event":"a"},{"event":"b"}', 1, 6),
        (b'{"event":"a"}{"event":"\xff"}{"event":"c"}', 1, 6),
        (b'{"event":"a","event":"b"}', 0, 6),
        (b'{"event":NaN}', 0, 6),
        (b'{"event":"a",}', 0, 6),
        (b'{"event":' + b"[" * 100_000, 0, 6),
        (b'{"event":"raw\nline end"}', 0, 6),
    ],
)
def test_what_is_invalid_is_told(body, n_taken, code):
    found, refused = read_envelopes(body)
    assert len(found) == n_taken
    assert refused.answer.code == code
    assert refused.number == (None if code == 5 else n_taken)


def test_an_event_keeps_its_own_writing():
    body = b'{"event": {"a": 1.10, "b": 1e2,\n "a": "\\u00e4"}}'
    (found,), _ = read_envelopes(body)
    assert found.event_text == '{"a": 1.10, "b": 1e2,  "a": "\\u00e4"}'


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (1772445731.25, datetime(2026, 3, 2, 10, 2, 11, 250_000, UTC)),
        ("1772445731.000001", datetime(2026, 3, 2, 10, 2, 11, 1, UTC)),
        (True, None), (None, None), ("soon", None), (1e300, None), ("NaN", None), ("Infinity", None), ([], None),
    ],
)  # fmt: skip
def test_times_are_seconds(told, expected):
    assert read_time(told) == expected
