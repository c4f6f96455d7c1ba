"""Records of every format and the events that they become, as pairs of files under ``cases/``.

``cases/<name>/input.log`` holds the records, one a line (``input.txt``: cut as a landed file is), ``expected.json`` the
events (with the numbers of their records, from 1) and what was refused. After a change that is meant, rewrite the
expected files and review the difference:

    LOGSTER_TEST_REWRITE=1 .venv/bin/python -m pytest -m "" tests/pipelines/normalise/test_cases.py
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pipelines.formats.registry import formats_by_priority

CASES = sorted((Path(__file__).parent / "cases").glob("*/input.*"))
_ALWAYS_THE_SAME = ("tenant", "ingested_at", "record_id", "record_ids", "parser_version")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(normalise, make_line, case_records) -> dict[str, dict[str, Any]]:
    """All cases in one job; a case's name is its tenant."""
    lines = [
        make_line(record, tenant=case.parent.name, origin=str(number))
        for case in CASES
        for number, record in enumerate(case_records(case), start=1)
    ]
    got = _by_case(normalise(lines))
    if os.environ.get("LOGSTER_TEST_REWRITE"):
        for case in CASES:
            text = json.dumps(got[case.parent.name], indent=1, ensure_ascii=False, sort_keys=False)
            case.with_name("expected.json").write_text(text + "\n")
    return got


def _by_case(found) -> dict[str, dict[str, Any]]:
    got: dict[str, dict[str, Any]] = {case.parent.name: {"events": [], "quarantine": []} for case in CASES}
    for event in found.events:
        numbers = sorted(int(origin) for one in event["record_ids"] for _, origin in found.origins[one])
        told = {name: value for name, value in event.items() if name not in _ALWAYS_THE_SAME}
        got[event["tenant"]]["events"].append({"lines": numbers, **told})
    for row in sorted(found.quarantine, key=lambda row: int(row["origin"])):
        got[row["tenant"]]["quarantine"].append(
            {"line": int(row["origin"]), "source": row["source"], "reason": row["reason"]}
        )
    for result in got.values():
        result["events"].sort(key=lambda event: event["lines"])
    return got


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.parent.name)
def test_records_become_the_events_expected(results, case: Path) -> None:
    assert results[case.parent.name] == json.loads(case.with_name("expected.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.parent.name)
def test_every_line_is_in_one_event_or_in_quarantine(results, case_records, case: Path) -> None:
    in_events = [number for event in results[case.parent.name]["events"] for number in event["lines"]]
    refused = [row["line"] for row in results[case.parent.name]["quarantine"]]
    assert sorted([*in_events, *refused]) == list(range(1, len(case_records(case)) + 1))


def test_a_batch_of_few_formats_is_read_as_among_all(normalise, make_line, case_records, results) -> None:
    """A plan that has no other formats than a batch makes the same of it."""
    lines_of: dict[frozenset[str], list[Any]] = {}
    for case in CASES:
        expected = json.loads(case.with_name("expected.json").read_text())
        sources = [row["source"] for kind in ("events", "quarantine") for row in expected[kind]]
        lines = [
            make_line(record, tenant=case.parent.name, origin=str(number))
            for number, record in enumerate(case_records(case), start=1)
        ]
        lines_of.setdefault(frozenset(sources), []).extend(lines)
    assert len(lines_of) > len(formats_by_priority())  # each by itself, and mixed
    for formats, lines in lines_of.items():
        got = _by_case(normalise(lines, formats))
        for name in {line.tenant for line in lines}:
            assert got[name] == results[name], (name, formats)
