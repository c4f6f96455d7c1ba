"""Records in envelopes of Splunk's HTTP Event Collector, by file or Kafka: the events of the same records without."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from api.collector.envelopes import read_envelopes
from api.collector.records import records_of_envelope
from pipelines.ingestion import raw_rows
from pipelines.normalise.records import parse_records
from pipelines.sources.files import SOURCE_LINES
from tests.pipelines.normalise.conftest import RECEIVED_AT

pytestmark = pytest.mark.slow

CASES = [path for path in (Path(__file__).parent / "cases").glob("*/input.*") if path.parent.name != "hec_envelopes"]
_OF_THE_RECORD = ("event_id", "record_id", "record_ids")
AUDIT = 'type=CWD msg=audit(1700000000.000:1): cwd="/"'
XML = (
    '<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event">\n<System><Provider Name="Microsoft-Windows-Sysmon"/>'
    '<EventID>5</EventID><TimeCreated SystemTime="2026-01-01T10:00:00.5Z"/><Computer>WS-01</Computer></System>\n'
    '<EventData><Data Name="ProcessId">77</Data></EventData></Event>'
)
TEXT = (
    "01/01/2026 11:00:00 AM\nLogName=Security\nEventCode=4624\nComputerName=DC-01\n"
    "SourceName=Microsoft Windows security auditing.\nRecordNumber=7\nMessage=On."
)
SECURE = "Jan  1 11:00:00 web-01 sshd[99]: Accepted publickey for ann from 192.0.2.7 port 50022 ssh2"
BEAT = {
    "winlog": {"computer_name": "WS-2", "event_id": "1", "provider_name": "P", "channel": "C", "event_data": {"a": "b"}}
}


TEN = "2026-01-01T10:00:00.000000Z"


def told(events: list[dict[str, Any]]) -> list[str]:
    """Events as text, without what is made of the record's own text."""
    rest = [{name: value for name, value in one.items() if name not in _OF_THE_RECORD} for one in events]
    return sorted(json.dumps(one, sort_keys=True) for one in rest)


def seconds(hour: int) -> float:
    return datetime(2026, 1, 1, hour, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("is_object", [False, True], ids=["as text", "as object"])
def test_every_case_is_read_in_envelopes_as_without(normalise, make_line, case_records, is_object: bool) -> None:
    bare, wrapped = [], []
    for case in CASES:
        for number, record in enumerate(case_records(case)):
            if is_object and not record.startswith("{"):
                continue
            where = {"tenant": case.parent.name, "origin": str(number)}
            bare.append(make_line(record, **where))
            event = record if is_object else json.dumps(record)
            wrapped.append(make_line(f'{{"sourcetype": "x", "event": {event}, "fields": {{"a": "b"}}}}', **where))
    expected, found = normalise(bare), normalise(wrapped)
    assert told(found.events) == told(expected.events)
    if is_object:  # an object that is torn has no envelope around it that is whole
        return
    reasons = [
        {(row["tenant"], row["origin"]): (row["source"], row["reason"]) for row in one.quarantine}
        for one in (expected, found)
    ]
    assert reasons[0].keys() == reasons[1].keys()
    unlike = [(one, reasons[1][key]) for key, one in reasons[0].items() if one != reasons[1][key]]
    assert set(unlike) <= {
        (("unknown", "no format recognises the record"), ("unknown", "no format recognises the event in the envelope")),
        (("unknown", "empty line"), ("unknown", "no event in the envelope")),
    }


# event, what else the envelope says; endpoint and time of the event that it becomes
ENVELOPES = {
    "audit": (AUDIT, {"host": "Web-01", "time": 1}, "web-01", "2023-11-14T22:13:20.000000Z"),
    "audit with its node": (f"node=db-1 {AUDIT}", {"host": "relay"}, "db-1", "2023-11-14T22:13:20.000000Z"),
    "audit, no host": (AUDIT + "\n", {}, "unknown", "2023-11-14T22:13:20.000000Z"),
    "audit, no host that can be": (AUDIT, {"host": "web 1"}, "unknown", "2023-11-14T22:13:20.000000Z"),
    "XML": (XML, {"host": "relay", "time": "1.5"}, "ws-01", "2026-01-01T10:00:00.500000Z"),
    "text, time as number": (TEXT, {"host": "relay", "time": seconds(10) + 0.25}, "dc-01", "2026-01-01T10:00:00.250000Z"),
    "text, time as text": (TEXT.partition("\n")[2], {"time": "1767261600.1234567"}, "dc-01", "2026-01-01T10:00:00.123456Z"),
    "text, no time": (TEXT, {"time": "soon"}, "dc-01", "2026-01-01T11:00:00.000000Z"),
    "secure log": (SECURE, {"time": seconds(10)}, "web-01", TEN),
    "secure log, no time": (SECURE, {"host": "relay"}, "web-01", "2026-01-01T11:00:00.000000Z"),
    "syslog with priority": (f"<86>{SECURE}", {"time": seconds(10)}, "web-01", TEN),
    "syslog with its zone": (
        "2026-01-01T11:00:00+01:00 web-01 sshd[9]: hi", {"time": 5}, "web-01", TEN,
    ),
    "syslog of today": (
        "<13>1 2026-01-01T10:00:00Z web-01 app 1 - - hi", {"time": 5}, "web-01", TEN,
    ),
    "LAUREL's": ({"ID": "1767261600.000:7", "CWD": {"cwd": "/"}}, {"host": "Web-2"}, "web-2", TEN),
    "evtx_dump's": (
        {"Event": {"System": {"EventID": 1, "TimeCreated": {"#attributes": {"SystemTime": "2026-01-01T10:00:00Z"}}}}},
        {"host": "WS-4", "time": 1}, "ws-4", TEN,
    ),
    "object": (BEAT, {"host": "relay", "time": seconds(10)}, "ws-2", TEN),
    "object as text": (json.dumps(BEAT, indent=1), {"host": "ws-2", "time": seconds(10)}, "ws-2", TEN),
    "object with time and host": (
        {**BEAT, "@timestamp": "2026-01-01T09:00:00Z", "host": {"name": "ws-3"}}, {"host": "relay", "time": 9}, "ws-2",
        "2026-01-01T09:00:00.000000Z",
    ),
    "syslog-ng's JSON": (
        {"MESSAGE": "session opened", "PROGRAM": "su", "ISODATE": "2026-01-01T10:00:00+00:00", "HOST": "db-9"}, {"host": "x"},
        "db-9", TEN,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def read(normalise, make_line):
    """What envelopes become, as they are and by the collector."""
    as_they_are, collected = [], []
    for name, (event, more, *_) in ENVELOPES.items():
        text = json.dumps({**more, "sourcetype": "x", "index": "main", "event": event})
        as_they_are.append(make_line(text, tenant="files", origin=name))
        (envelope,), refused = read_envelopes(text.encode())
        assert refused is None
        for record in records_of_envelope(envelope):
            collected.append(make_line(record.text, tenant="http", origin=name, endpoint_hint=record.endpoint))
    return normalise([*as_they_are, *collected])


def by_name(found, tenant: str) -> dict[str, dict[str, Any]]:
    return {
        origin: event
        for event in found.events if event["tenant"] == tenant
        for one in event["record_ids"] for _, origin in found.origins[one]
    }  # fmt: skip


@pytest.mark.parametrize("name", ENVELOPES)
def test_host_and_time_count_where_the_event_has_none(read, name: str) -> None:
    *_, endpoint, ts = ENVELOPES[name]
    event = by_name(read, "files")[name]
    assert (event["endpoint"], event["ts"]) == (endpoint, ts)


def test_by_file_and_by_the_collector_they_are_the_same_events(read) -> None:
    files, http = (
        [{**one, "tenant": ""} for one in read.events if one["tenant"] == tenant] for tenant in ("files", "http")
    )
    assert read.quarantine == []
    assert told(files) == told(http)


REFUSED = {
    "unknown": ('{"event": "hello", "host": "a"}', "no format recognises the event in the envelope"),
    "metric": ('{"time": 1, "event": null, "fields": {}}', "no event in the envelope"),
    "blank": ('{"time": 1, "event": " \\n"}', "no event in the envelope"),
    "twice": (json.dumps({"event": AUDIT})[:-1] + ', "event": "x"}', "a member of the envelope stands twice"),
    "two": (json.dumps({"event": AUDIT}) * 2, "text after the envelope"),
    "lines of audit": (json.dumps({"event": f"{AUDIT}\n{AUDIT}"}), "several records in one envelope"),
    "lines of syslog": (json.dumps({"event": f"{SECURE}\n{SECURE}"}), "several records in one envelope"),
    "torn XML": (json.dumps({"event": XML[:-20]}), "the <Event> is cut off before its end"),
    "events": (json.dumps({"event": XML * 2}), "more than one <Event> in the record"),
    "torn": (json.dumps({"event": AUDIT})[:-9], "no format recognises the record"),
    "number": ('{"event": 7}', "no format recognises the event in the envelope"),
    "no time": (json.dumps({"event": BEAT}), "no time"),
    "late": (json.dumps({"event": TEXT, "time": 99_999_999_999}), "time outside 1970 to 2200"),
}


def test_what_cannot_be_read_is_one_row_with_a_reason_and_its_text(normalise, make_line) -> None:
    found = normalise([make_line(record, origin=name) for name, (record, _) in REFUSED.items()])
    assert found.events == []
    assert {row["origin"]: row["reason"] for row in found.quarantine} == {
        name: why for name, (_, why) in REFUSED.items()
    }
    assert len(found.quarantine) == len(REFUSED)


@pytest.mark.parametrize(
    "record",
    [
        '{"event": {"code": "1"}, "host": {"name": "a"}, "source": {"ip": "192.0.2.1"}}',
        '{"event": "x", "host": "a", "message": "m", "program": "su"}',
        '{"host": "a", "source": "b"}',
    ],
)
def test_other_objects_with_such_members_have_no_envelope(normalise, make_line, record: str) -> None:
    found = normalise([make_line(record)])
    assert [row["reason"] for row in found.quarantine] in ([], ["no format recognises the record"])


def test_a_record_stays_as_it_came_and_an_asked_format_is_that_of_the_event(spark, make_line) -> None:
    read, refused = json.dumps({"event": AUDIT, "host": "a"}), json.dumps({"event": BEAT, "host": "a"})
    lines = [
        make_line(read, source="auditd", endpoint_hint="hint"),
        make_line(refused, source="winlogbeat", endpoint_hint="hint"),
        make_line(read[:20], source_problem="cut off"),
    ]
    table = pa.Table.from_pylist([vars(line) for line in lines], schema=SOURCE_LINES)
    parsed = parse_records(raw_rows(spark.createDataFrame(table), batch_id="test/0", received_at=RECEIVED_AT))
    rows = [
        (row["record"], row["endpoint_hint"], row["source"], row["endpoint"], row["reason"])
        for row in parsed.orderBy("source").collect()
    ]
    assert rows[0] == (read, "hint", "auditd", "a", None)
    assert rows[1][:3] == (read[:20], None, "unknown") and rows[1][4] == "cut off"
    assert rows[2] == (refused, "hint", "winlogbeat", "ws-2", "no time")
