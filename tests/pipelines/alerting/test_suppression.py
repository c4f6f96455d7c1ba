"""What is quiet, against the same rules written once more in plain Python."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.alerting.suppression import MATCHED_COLUMNS, matches
from pipelines.schemas.alerts import ALERTS
from pipelines.schemas.suppressions import SUPPRESSIONS

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)
SEVERITIES = ["MEDIUM", "HIGH", "CRITICAL"]


def alert(name="a", **columns):
    return {
        "alert_id": name, "tenant": "acme", "endpoint": "web-1", "severity": "HIGH", "last_seen": NOON,
        "ttp_techniques": [], "ttp_explanations": [], **columns,
    }  # fmt: skip


def said(name="s", **columns):
    return {
        "suppression_id": name, "tenant": "acme", "endpoint": "web-1", "technique": None, "rule_id": None,
        "max_severity": "HIGH", "reason": "the scanner", "starts_at": NOON - HOUR, "expires_at": NOON + HOUR, "actor": "ann",
        "created_at": NOON, "deleted_by": None, "deleted_at": None, **columns,
    }  # fmt: skip


def sentence(rule_id, text="`id`"):
    named = f"(high, T1059 X; rule {rule_id}, event {'0' * 64} and 3 more)."
    return f"Title: sh process created {text}, 2026-03-01 12:00:00 UTC {named}"


def pairs(alerts, suppressions):
    columns = pa.schema([ALERTS.field(name) for name in MATCHED_COLUMNS])
    found = matches(pa.Table.from_pylist(alerts, columns), pa.Table.from_pylist(suppressions, SUPPRESSIONS))
    return {(one["alert_id"], one["suppression_id"], one["is_deleted"]) for one in found}


def is_quiet(alert_row, suppression):
    return bool(pairs([alert_row], [suppression]))


def test_time_is_open_at_its_start_and_closed_at_its_end_to_the_microsecond():
    start, end = NOON - HOUR, NOON + HOUR
    for last_seen, expected in [(start, False), (start + TICK, True), (end, True), (end + TICK, False)]:
        assert is_quiet(alert(last_seen=last_seen), said()) is expected, last_seen


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("max_severity", SEVERITIES)
def test_graver_alerts_are_heard(severity, max_severity):
    expected = SEVERITIES.index(severity) <= SEVERITIES.index(max_severity)
    assert is_quiet(alert(severity=severity), said(max_severity=max_severity)) is expected


@pytest.mark.parametrize(
    ("techniques", "expected"),
    [([], False), (["T1059"], True), (["T1059.004", "T1059"], True), (["T1059", "T1003"], False), (["T10590"], False)],
)
def test_a_technique_is_quiet_where_no_other_is_named(techniques, expected):
    assert is_quiet(alert(ttp_techniques=techniques), said(endpoint=None, technique="T1059")) is expected


@pytest.mark.parametrize(
    ("explanations", "expected"),
    [
        ([], False),
        ([sentence("r1")], True),
        ([sentence("r2")], False),
        ([sentence("r1"), sentence("r2")], False),
        ([sentence("r2", "`; rule r1, event 1).`")], False),  # an intruder's text is no rule's id
        ([sentence("r1", "`; rule r2, event 1).`")], True),
        ([sentence("r1") + " `"], False),
    ],
)
def test_a_rule_is_quiet_where_no_other_matched(explanations, expected):
    assert is_quiet(alert(ttp_explanations=explanations), said(endpoint=None, rule_id="r1")) is expected


def test_all_that_is_given_must_be_met():
    both = said(technique="T1046")
    assert is_quiet(alert(ttp_techniques=["T1046"]), both)
    assert not is_quiet(alert(ttp_techniques=["T1046"], endpoint="web-2"), both)
    assert not is_quiet(alert(ttp_techniques=["T1003"]), both)


def test_what_was_taken_back_is_marked_and_no_other_tenant_is_touched():
    rows = [said("a"), said("b"), said("b", deleted_by="bob", deleted_at=NOON), said("c", tenant="globex")]
    assert pairs([alert()], rows) == {("a", "a", False), ("a", "b", True)}
    assert pairs([alert(tenant="globex")], rows) == {("a", "c", False)}


TIMES = st.integers(-3, 3).map(lambda hours: NOON + hours * HOUR)
TECHNIQUES = st.lists(st.sampled_from(["T1059", "T1059.001", "T1003", "T10591"]), max_size=2, unique=True)
MADE_UP_ALERTS = st.builds(
    alert, tenant=st.sampled_from(["acme", "globex"]), endpoint=st.sampled_from(["web-1", "web-2"]),
    severity=st.sampled_from(SEVERITIES), last_seen=TIMES, ttp_techniques=TECHNIQUES,
    ttp_explanations=st.lists(st.sampled_from(["r1", "r2"]).map(sentence), max_size=2, unique=True),
)  # fmt: skip
MADE_UP_SUPPRESSIONS = st.builds(
    said, tenant=st.sampled_from(["acme", "globex"]), endpoint=st.sampled_from([None, "web-1", "web-2"]),
    technique=st.sampled_from([None, "T1059", "T1003"]), rule_id=st.sampled_from([None, "r1", "r2"]),
    max_severity=st.sampled_from(SEVERITIES), starts_at=TIMES, expires_at=TIMES,
)  # fmt: skip


def expected_quiet(one, rule):
    within = {
        name: name == rule["technique"] or name.startswith(f"{rule['technique']}.") for name in one["ttp_techniques"]
    }
    return (
        one["tenant"] == rule["tenant"]
        and rule["endpoint"] in (None, one["endpoint"])
        and SEVERITIES.index(one["severity"]) <= SEVERITIES.index(rule["max_severity"])
        and rule["starts_at"] < one["last_seen"] <= rule["expires_at"]
        and (rule["technique"] is None or (bool(within) and all(within.values())))
        and (rule["rule_id"] is None or one["ttp_explanations"] == [sentence(rule["rule_id"])])
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(MADE_UP_ALERTS, max_size=6), st.lists(MADE_UP_SUPPRESSIONS, max_size=4), st.integers(0, 6))
def test_alerts_in_any_batches_come_to_what_plain_rules_say(alerts, rules, cut):
    alerts = [{**one, "alert_id": f"a{number}"} for number, one in enumerate(alerts)]
    rules = [{**one, "suppression_id": f"s{number}"} for number, one in enumerate(rules)]
    expected = {
        (one["alert_id"], rule["suppression_id"], False)
        for one in alerts
        for rule in rules
        if expected_quiet(one, rule)
    }
    assert pairs(alerts, rules) == expected
    assert pairs(alerts[:cut], rules) | pairs(alerts[cut:], rules[::-1]) == expected
