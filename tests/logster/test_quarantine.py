"""`logster quarantine list` and `show`, as processes over a lake without Spark."""

import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from pipelines.schemas.tables import table_named

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def refused(tmp_path):
    """Three records of two reasons, a minute apart."""
    told = [
        ("auditd", "no readable audit stamp", "type=X"),
        ("unknown", "no format recognises it", "[bold]x\x1b[2J" + "y" * 300),
    ]
    rows = [
        {
            "tenant": tenant, "received_at": NOON + timedelta(minutes=number), "record_id": f"{number:064x}",
            "source": source, "origin": f"file#{number}", "endpoint_hint": None, "clock_offset_seconds": None,
            "batch_id": "s/0", "source_problem": None, "record": record, "reason": reason, "parser_version": "1",
        }
        for number, (tenant, (source, reason, record)) in enumerate(
            [("acme", told[0]), ("acme", told[1]), ("globex", told[1])]
        )
    ]  # fmt: skip
    schema = table_named("quarantine").schema.remove_metadata()
    write_deltalake(str(tmp_path / "lake" / "quarantine"), pa.Table.from_pylist(rows, schema))
    return rows


def as_json(shown):
    return [json.loads(line) for line in shown.stdout.splitlines()]


def test_reasons_are_counted_most_first(logster, refused):
    found = as_json(logster("quarantine", "list", "--json"))
    assert [(row["n_records"], row["source"]) for row in found] == [(2, "unknown"), (1, "auditd")]
    assert (found[0]["first"], found[0]["last"]) == ("2026-03-01T12:01:00Z", "2026-03-01T12:02:00Z")
    assert "no readable audit stamp" in logster("quarantine", "list").stdout


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ((), [2, 1, 0]),
        (("--tenant", "acme"), [1, 0]),
        (("--source", "auditd"), [0]),
        (("--reason", "recognises"), [2, 1]),
        (("--reason", "%"), []),
        (("--from", "2026-03-01T12:01:00", "--to", "2026-03-01T12:02:00"), [1]),
        (("--limit", "1"), [2]),
    ],
)
def test_records_are_chosen_by_what_is_asked(logster, refused, options, numbers):
    found = as_json(logster("quarantine", "show", "--json", *options))
    assert [int(row["record_id"], 16) for row in found] == numbers


def test_records_are_shown_cut_and_without_control_characters(logster, refused):
    shown = logster("quarantine", "show", "--tenant", "globex").stdout
    assert "[bold]x\N{REPLACEMENT CHARACTER}[2J" in shown
    assert "\x1b" not in shown
    assert "y" * 150 in shown
    assert "y" * 250 not in shown


def test_an_empty_quarantine_says_so(logster, tmp_path):
    (tmp_path / "lake").mkdir()
    assert logster("quarantine", "show").stdout == "nothing in quarantine\n"
    assert logster("quarantine", "list", "--json").stdout == ""


def test_replay_refuses_an_unknown_format(logster, refused):
    ended = logster("quarantine", "replay", "--format", "syslogg")
    assert ended.returncode == 1
    assert "no format 'syslogg'; there are " in ended.stderr
    assert " auditd, " in ended.stderr
