"""Clocks that are hours off: the event is there, and its fields say so; what is only old is not flagged."""

import json
from datetime import datetime, timedelta

import pytest

from tests.pipelines.normalise.conftest import RECEIVED_AT

pytestmark = pytest.mark.slow

_FLAGS = ("clock_skew_seconds", "collection_delay_seconds", "collected")


def text(seconds: float) -> str:
    """A time so many seconds after receipt."""
    return _at(seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _at(seconds: float) -> datetime:
    return RECEIVED_AT + timedelta(seconds=seconds)


def beat(at: float, created: float | None = None, *, code: str = "1") -> str:
    event = {"code": code} | ({} if created is None else {"created": text(created)})
    log = {
        "computer_name": "ws",
        "provider_name": "Microsoft-Windows-Sysmon",
        "event_id": code,
        "event_data": {"a": "b"},
    }
    return json.dumps({"@timestamp": text(at), "event": event, "winlog": log})


def audit(at: float) -> str:
    return f'type=CWD msg=audit({_at(at).timestamp():.3f}:7): cwd="/"'


def relayed(reported: str, generated: str) -> str:
    return json.dumps(
        {
            "message": "hi",
            "hostname": "web-1",
            "programname": "su",
            "timereported": reported,
            "timegenerated": generated,
        }
    )


HOUR = 3_600
RECORDS = {
    "now": (beat(0, 1), {}),
    "just under an hour ahead": (beat(HOUR - 1), {}),
    "an hour ahead": (beat(HOUR), {"clock_skew_seconds": "3600"}),
    "years old, never said when collected": (beat(-70_000_000), {}),
    "years old, collected at once": (beat(-70_000_000, -70_000_000 + 5), {}),
    "collected in the next hour": (beat(-9_000, -5_410), {}),
    "collected before it happened": (beat(-70_000_000, -70_000_000 - 2 * HOUR), {"clock_skew_seconds": "7200"}),
    "collected late": (beat(-70_000_000, -70_000_000 + 5 * HOUR), {"collection_delay_seconds": "18000"}),
    "an unknown event, collected late": (beat(-90_000, HOUR - 90_000, code="9999"), {"collection_delay_seconds": "3600"}),
    "audit, now": (audit(0), {}),
    "audit, ahead": (audit(2 * HOUR), {"clock_skew_seconds": "7200"}),
    "audit, old": (audit(-90_000_000), {}),
    "syslog without a zone, two hours east": (f"{_at(2 * HOUR):%b %e %H:%M:%S} web-1 su: hi", {"clock_skew_seconds": "7200"}),
    "syslog by a relay": (relayed(text(-500), text(-499)), {}),
    "syslog by a relay, clock behind": (relayed(text(-9 * HOUR), text(-2 * HOUR)), {"collection_delay_seconds": "25200"}),
    "the same hour in another zone": (
        relayed("2026-03-05T08:15:30+00:00", "2026-03-05T08:15:30+05:00"), {"clock_skew_seconds": "18000"},
    ),
    "syslog by a relay without a zone": (relayed("2026-03-05T08:15:30", "2026-03-05T18:15:30Z"), {}),
    "a row of a table": (
        json.dumps({"logster_row": {"ts": text(HOUR), "event_code": "1", "endpoint": "a", "platform": "linux"}, "fields": {}}),
        {"clock_skew_seconds": "3600"},
    ),
}  # fmt: skip


def test_clocks_hours_off_are_flagged_and_no_event_is_dropped(normalise, make_line) -> None:
    found = normalise(
        [make_line(record, tenant=str(at), origin=name) for at, (name, (record, _)) in enumerate(RECORDS.items())]
    )
    assert found.quarantine == []
    told = {
        found.origins[event["record_ids"][0]][0][1]: {
            name: value for name, value in event.get("fields", {}).items() if name in _FLAGS
        }
        for event in found.events
    }
    assert told == {name: expected for name, (_, expected) in RECORDS.items()}


def test_a_source_whose_clock_is_corrected_is_measured_by_the_receipt_alone(normalise, make_line) -> None:
    lines = [
        make_line(beat(-9 * HOUR, -9 * HOUR + 1), clock_offset_seconds=5 * HOUR),
        make_line(beat(-9 * HOUR, -9 * HOUR + 1), clock_offset_seconds=10 * HOUR),
    ]
    flags = [event["fields"].get("clock_skew_seconds") for event in normalise(lines).events]
    assert flags == [None, str(HOUR)]
