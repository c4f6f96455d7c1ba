"""Which columns of ``events`` each shipper's records fill, written from what the tests of every format expect.

``docs/conformance.md`` is this, and `tests/test_conformance.py` fails where it is not. After a change that is meant:

    .venv/bin/python -m tests.conformance
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from pipelines.schemas.telemetry import EVENTS
from tests.pipelines.normalise.test_event_ids import KINDS, LAYOUTS

__all__ = ["PAGE", "SHIPPERS", "conformance_page"]

PAGE = Path(__file__).resolve().parent.parent / "docs" / "conformance.md"
SHIPPERS = {
    "winlogbeat": "Winlogbeat 7, 8 and 9",
    "winlogbeat6": "Winlogbeat 6",
    "nxlog": "NXLog",
    "winevent": "flattened event JSON",
    "evtx_json": "`.evtx` files as JSON, as `evtx_dump` writes them",
    "log_analytics": "Microsoft Sentinel's `SecurityEvent`, `WindowsEvent` and `Event`, exported as JSON",
    "device_tables": "Defender's `Device…Events` and VM insights' `VMConnection`, exported as JSON",
    "windows_xml": "Windows Event Forwarding, `renderXml` of Splunk's forwarder, `.evtx` files",
    "splunk_text": "Splunk's forwarder on Windows, classic rendering",
    "auditd": "auditd's log, by itself or carried by rsyslog, syslog-ng, Splunk's forwarder, journald, the kernel's log",
    "auditbeat": "Auditbeat and Filebeat's auditd module",
    "laurel": "LAUREL",
    "sysmon_linux": "Sysmon for Linux by rsyslog, syslog-ng, journald",
    "syslog": "programs' lines by rsyslog, syslog-ng, Splunk's forwarder, Filebeat, journald",
    "table-row": "rows of a Delta table, by a mapping",
}
"""Who sends records of a format."""

_CASES = Path(__file__).parent / "pipelines" / "normalise" / "cases"
# of every event, or of none before its process is looked up
_EVERYWHERE = {
    "event_id", "tenant", "endpoint", "platform", "ts", "ingested_at", "source", "provider", "event_code", "category",
    "action", "record_id", "record_ids", "parser_version", "fields",
}  # fmt: skip
_INTRODUCTION = """# Which fields are filled, by shipper, format and event

Written by `python -m tests.conformance` from what the tests of every format expect of the real parsers
([records and events](../tests/pipelines/normalise/cases/), [every Windows event
id](../tests/pipelines/normalise/test_event_ids.py)); a test fails where this page is not what they say. So a field that is
named here was filled by at least one record of the tests, and one that is not named may be filled by a record that tells more.

All events have `event_id`, `tenant`, `endpoint`, `platform`, `ts`, `ingested_at`, `source`, `provider`, `event_code`,
`category`, `action`, `record_id`, `record_ids` and `parser_version`; what has no field of its own is in `fields`.
`process_key`, `parent_key` and `target_key`, and of audit records the parent's path and command line, are filled when the
events are written, from the starts of processes that are known by then.

A record of any format that stands in an envelope of Splunk's HTTP Event Collector fills what it would without.
"""


def conformance_page() -> str:
    """The page, as Markdown."""
    found = sorted(_of_cases(), key=lambda one: (list(SHIPPERS).index(one[0]), one[1:4], one[4]))
    parts = [_INTRODUCTION, _windows_part()]
    for source, rows in groupby(found, key=lambda one: one[0]):
        parts.append(f"## `{source}`: {SHIPPERS[source]}\n\n{_table(row[1:] for row in rows)}")
    return "\n".join(parts)


def _windows_part() -> str:
    named = ", ".join(f"`{layout}` ({SHIPPERS[layout]})" for layout in LAYOUTS)
    rows = (
        (provider, code, category, action, _filled({**told, "channel": 1}))
        for provider, code, _, category, action, told in KINDS
    )
    return f"## Windows events in every layout\n\nThe same columns in each of {named}.\n\n{_table(rows)}"


def _of_cases() -> Iterator[tuple[str, str, str, str, str, tuple[str, ...]]]:
    """Source, provider, event id, category, action, and the columns that any of such events fills."""
    told: dict[tuple[str, str, str, str, str], dict[str, Any]] = {}
    for file in _CASES.glob("*/expected.json"):
        for event in json.loads(file.read_text())["events"]:
            key = (event["source"], event["provider"], event["event_code"], event["category"], event["action"])
            told.setdefault(key, {}).update(event)
    for key, columns in told.items():
        yield *key, _filled(columns)


def _filled(columns: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in EVENTS.names if name in columns and name not in _EVERYWHERE)


def _table(rows: Iterable[tuple[str, str, str, str, tuple[str, ...]]]) -> str:
    lines = ["| provider | event | category | action | filled |", "| --- | --- | --- | --- | --- |"]
    for provider, code, category, action, filled in rows:
        lines.append(f"| {provider} | {code} | {category} | {action} | {', '.join(filled) or '–'} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(conformance_page())
