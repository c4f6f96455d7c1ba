"""Thousands of damaged records at once: none may fail the batch, and each is in an event or in quarantine, never both."""

import json
import random
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from pipelines.schemas.telemetry import EVENT_CATEGORIES, EVENTS, PLATFORMS
from tests.pipelines.normalise.damages import damaged

pytestmark = pytest.mark.slow

_SEED, _N_RECORDS = 20240305, 1500


def _damaged_records(whole: list[str]) -> list[str]:
    rng = random.Random(_SEED)
    mutations = [damaged(rng.choice(whole), rng) for _ in range(_N_RECORDS - len(whole))]
    long = "y" * (1 << 20)
    return [
        *whole,
        *mutations,
        json.dumps({"@timestamp": "2024-03-05T08:15:30Z", "winlog": {
            "event_id": "1", "computer_name": "a", "event_data": {"Image": long}}}),
        f'type=EXECVE msg=audit(1700000000.000:1): argc=1 a0="{long}"',
        f"type=PROCTITLE msg=audit(1700000000.000:2): proctitle={'41' * (1 << 19)}",
        "type=SYSCALL msg=audit(1700000000.000:3): " + "a=1 " * 50_000,
        'type=SYSCALL msg=audit(1700000000.000:4): success=yes _records=1 _cwd="/" __cwd=2',  # names that Logster adds
        "<Event><System><EventID>1</EventID></System><EventData>" + "<Data Name='x'>" * 50_000,
        "<!DOCTYPE a [" + "<!ENTITY b 'c'>" * 50_000 + "]><Event>&b;</Event>",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def result(normalise, make_line, case_records):
    rng = random.Random(_SEED + 1)
    whole = [
        record for path in sorted((Path(__file__).parent / "cases").glob("*/input.*")) for record in case_records(path)
    ]
    records = _damaged_records(whole)
    offsets = (None, None, None, 0, -3600, 10**12, 2**63 - 1, -(2**63))
    lines = [
        make_line(
            record,
            origin=str(number),
            clock_offset_seconds=rng.choice(offsets),
            endpoint_hint=rng.choice((None, "Hint", "")),
        )
        for number, record in enumerate(records)
    ]
    return normalise(lines)


def test_every_damaged_record_is_in_an_event_or_in_quarantine(result) -> None:
    in_events = [one for event in result.events for one in event["record_ids"]]
    assert [one for one, times in Counter(in_events).items() if times > 1] == []
    refused = {row["record_id"] for row in result.quarantine}
    assert not refused & set(in_events)
    assert refused | set(in_events) == set(result.origins)
    n_lines = sum(len(lines) for lines in result.origins.values())
    assert len(result.quarantine) == n_lines - sum(len(result.origins[one]) for one in in_events)


def test_every_refusal_has_a_reason(result) -> None:
    assert result.quarantine and all(row.get("reason") for row in result.quarantine)


def test_events_of_damaged_records_keep_to_the_schema(result) -> None:
    required = [field.name for field in EVENTS if not field.nullable]
    for event in result.events:
        assert {name: event.get(name) for name in required if event.get(name) is None} == {}, event
        assert event["category"] in EVENT_CATEGORIES and event["platform"] in PLATFORMS
        assert 1970 <= datetime.fromisoformat(event["ts"]).year < 2200
