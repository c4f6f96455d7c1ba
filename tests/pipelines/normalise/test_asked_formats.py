import json

import pytest

pytestmark = pytest.mark.slow

_WINLOGBEAT = json.dumps(
    {"@timestamp": "2024-03-05T08:15:30Z", "winlog": {"event_id": "1", "provider_name": "X", "computer_name": "a"}}
)
_AUDIT = 'type=CWD msg=audit(1700000000.000:1): cwd="/"'


def test_format_that_was_asked_for_is_taken_at_its_word(normalise, make_line) -> None:
    found = normalise(
        [
            make_line(_WINLOGBEAT, origin="right", source="winlogbeat"),
            make_line(_WINLOGBEAT, origin="wrong", tenant="b", source="auditd"),
            make_line(_AUDIT, origin="not json", source="winlogbeat"),
            make_line(_AUDIT, origin="nameless", endpoint_hint="Web-01", clock_offset_seconds=-3600),
            make_line("anything", origin="no such", source="nosuch"),
            make_line(" ", origin="blank"),
            make_line(_AUDIT, origin="spoiled", tenant="b", source_problem="not valid UTF-8 at byte 3 of the line"),
        ]
    )
    events = {found.origins[event["record_id"]][0][1]: event for event in found.events}
    assert {origin: (event["source"], event["endpoint"]) for origin, event in events.items()} == {
        "right": ("winlogbeat", "a"),
        "nameless": ("auditd", "web-01"),
    }
    assert events["nameless"]["ts"] == "2023-11-14T21:13:20.000000Z"
    assert {row["origin"]: row["reason"] for row in found.quarantine} == {
        "wrong": "no readable audit stamp: expected audit(seconds.milliseconds:serial)",
        "not json": "not a JSON object of this format",
        "no such": "there is no format nosuch",
        "blank": "empty line",
        "spoiled": "not valid UTF-8 at byte 3 of the line",
    }
