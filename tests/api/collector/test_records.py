"""What lands of what was sent, and that a file of it is read as exactly these records."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.collector.envelopes import read_envelopes
from api.collector.records import records_of_envelope, records_of_text
from pipelines.sources.file_reader import read_records
from pipelines.sources.line_reader import FileLimits

pytestmark = pytest.mark.fast

CASES = Path(__file__).resolve().parents[2] / "pipelines" / "normalise" / "cases"
AUDIT = 'type=CWD msg=audit(1700000000.000:1): cwd="/"'
SYSLOG = "Mar  2 10:02:11 web-01 sshd[99]: closed"
XML = "<Event xmlns='x'>\n <System>\n\n  <EventID>1</EventID></System>\n</Event>"
TEXT = "03/02/2026 11:02:11 AM\nLogName=Security\r\nEventCode=4688\nMessage=A\tprocess.\n\nSubject:"


def landed(event, **more):
    (envelope,), _ = read_envelopes(json.dumps({"event": event, **more}).encode())
    return [tuple(record) for record in records_of_envelope(envelope)]


@pytest.mark.parametrize(
    ("event", "more", "expected"),
    [
        (AUDIT, {}, [(AUDIT, None)]),
        (AUDIT, {"host": "Web-1"}, [(f"node=Web-1 {AUDIT}", None)]),
        (AUDIT, {"host": "web 1"}, [(AUDIT, None)]),
        (AUDIT, {"host": "web\ud800"}, [(AUDIT, None)]),
        (f"node=a {AUDIT}", {"host": "b"}, [(f"node=a {AUDIT}", None)]),
        (f"{AUDIT}\r\n{AUDIT}\n", {"host": "w"}, [(f"node=w {AUDIT}", None)] * 2),
        (SYSLOG, {"host": "b"}, [(SYSLOG, None)]),
        (SYSLOG, {"time": 1772445731.5}, [("2026-03-02T10:02:11.500000+00:00 web-01 sshd[99]: closed", None)]),
        (f"<86>{SYSLOG}\n{SYSLOG}", {"time": 1772445731.5}, [(f"<86>{SYSLOG}", None), (SYSLOG, None)]),
        (XML, {"host": "b"}, [(XML, None)]),
        (f"{XML}\n{XML}", {}, [(XML, None)] * 2),
        (TEXT, {}, [("03/02/2026 11:02:11 AM#012LogName=Security#012EventCode=4688#012Message=A\tprocess.#012#012Subject:", None)]),
        (
            TEXT.partition("\n")[2], {"time": 1772445731.5},
            [("03/02/2026 10:02:11.500000 AM#012LogName=Security#012EventCode=4688#012Message=A\tprocess.#012#012Subject:", None)],
        ),
        ({"winlog": {}, "@timestamp": "t"}, {"host": "b", "time": 1}, [('{"winlog": {}, "@timestamp": "t"}', None)]),
        ({"winlog": {}}, {"time": 1}, [('{"winlog": {},"@timestamp":"1970-01-01T00:00:01+00:00"}', None)]),
        ({"message": "m", "time": 1}, {"host": "b"}, [('{"message": "m", "time": 1}', "b")]),
        ({"ID": "1.000:1", "SYSCALL": {}}, {"host": "b"}, [('{"ID": "1.000:1", "SYSCALL": {},"NODE":"b"}', None)]),
        ('{"winlog": {},\n "@timestamp": 1}', {}, [('{"winlog": {},  "@timestamp": 1}', None)]),
    ],
)  # fmt: skip
def test_known_forms_are_taken_out_of_their_envelope(event, more, expected):
    assert landed(event, **more) == expected


@pytest.mark.parametrize(
    "event",
    [
        "hello", 1, [], {}, "a\nb", f"{AUDIT}\nmore", XML[:30], TEXT.replace("EventCode", "X"), "LogName=x",
        TEXT + "#012", f"{AUDIT}\x00", f"{SYSLOG}\ud800", f"<14>{SYSLOG} <Event >",
        "</Event></Event>", f"<14>{SYSLOG} </Event></Event>", '{"a": torn', "\ufeff" + SYSLOG, "<Events>",
    ],
)  # fmt: skip
def test_what_fits_no_form_stays_in_its_envelope(event):
    assert landed(event, host="web-1") == [(json.dumps({"event": event, "host": "web-1"}), None)]


def test_text_lands_as_it_is_unless_it_could_run_into_others():
    body = f"{AUDIT}\nhello\r\n\n{SYSLOG}\n<Event >\nhalf".encode() + b"\xff"
    found = [record.text for record in records_of_text(body, "web-1", None)]
    assert found[:3] == [f"node=web-1 {AUDIT}", "hello", SYSLOG]
    assert json.loads(found[3])["event"].encode(errors="surrogateescape") == b"<Event >\nhalf\xff"


EVENTS = st.one_of(
    st.sampled_from([AUDIT, SYSLOG, XML, TEXT, TEXT.partition("\n")[2], XML[:30], "LogName=x", TEXT[:22], "<14>x <Event >"]),
    st.text(st.characters(codec="utf-8"), min_size=1),
    st.lists(st.sampled_from(["<Event >", "</Event>", "LogName=", "EventCode=", AUDIT, SYSLOG, '{"', "}", "\n", "x", "\r", "\0",
                              "01/01/2026 1:00:00 AM"]), min_size=1).map("".join),
    st.dictionaries(st.text(max_size=3), st.text(max_size=5)),
).filter(lambda event: not isinstance(event, str) or event.strip())  # fmt: skip


@settings(deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=8), st.booleans())
def test_a_file_of_them_is_read_as_exactly_these_records(events, is_text):
    if is_text:
        records = [
            record for event in events if isinstance(event, str)
            for record in records_of_text(event.encode(), "w", None)
        ]  # fmt: skip
    else:
        found, refused = read_envelopes(
            "".join(json.dumps({"host": "w", "time": 1, "event": one}) for one in events).encode()
        )
        assert refused is None
        records = [record for envelope in found for record in records_of_envelope(envelope)]
        assert len(records) >= len(events)
    content = "".join(f"{record.text}\n" for record in records).encode()
    rows = [row for batch in read_records(io.BytesIO(content), limits=FileLimits()) for row in batch.to_pylist()]
    assert [row["record"] for row in rows] == [
        record.text.rstrip() if "\n" in record.text else record.text for record in records
    ]
    assert not any(row["source_problem"] for row in rows)


@pytest.mark.parametrize("case", ["auditd_plain", "windows_xml", "winlogbeat", "syslog_lines", "laurel"])
def test_cases_of_the_formats_land_as_they_are_read_from_files(case):
    path = CASES / case / "input.log"
    with path.open("rb") as stream:
        expected = [row["record"] for batch in read_records(stream, limits=FileLimits()) for row in batch.to_pylist()]
    content = "".join(f"{record.text}\n" for record in records_of_text(path.read_bytes(), None, None)).encode()
    rows = [row for batch in read_records(io.BytesIO(content), limits=FileLimits()) for row in batch.to_pylist()]
    told = [row["record"] for row in rows]
    unlike = [(one, other) for one, other in zip(expected, told, strict=True) if one != other]
    assert all(json.loads(other)["event"] == one for one, other in unlike)
    assert len(unlike) < len(told) / 2
