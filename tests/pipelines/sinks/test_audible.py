"""What the outbox tells while suppressions stand."""

import json
from datetime import timedelta

import pytest

from pipelines.settings import Settings
from pipelines.sinks.outbox import Outbox
from tests.pipelines.sinks.alert_tables import NOON, alert, append, change, merge_alerts, outbox_rows, verdict

MINUTE = timedelta(minutes=1)


def suppress(settings: Settings, name: str = "s", **columns) -> None:
    """Quiet web-1 until five past noon: its alert's states 0 to 2."""
    append(settings, "suppressions", {
        "suppression_id": name, "tenant": "acme", "endpoint": "web-1", "technique": None, "rule_id": None,
        "max_severity": "HIGH", "reason": "the scanner", "starts_at": NOON - MINUTE, "expires_at": NOON + 5 * MINUTE,
        "actor": "ann", "created_at": NOON, "deleted_by": None, "deleted_at": None, **columns,
    })  # fmt: skip


def told(settings: Settings) -> list[tuple[int, str]]:
    rows = outbox_rows(settings)
    assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))
    return [(int(row["alert_id"], 16), row["kind"]) for row in rows]


@pytest.fixture
def tell(settings):
    kept = Outbox(settings)

    def look() -> int:
        n_told = kept.tell(now=NOON)
        assert Outbox(settings).tell(now=NOON) == 0, "who looks next finds nothing that was passed over"
        return n_told

    return look


def test_a_suppressed_alert_is_passed_over_and_others_are_told(settings, tell):
    suppress(settings)
    merge_alerts(settings, [alert(1), alert(2), alert(3, endpoint="web-1", tenant="globex")])
    assert tell() == 2
    assert sorted(told(settings)) == [(2, "created"), (3, "created")]


def test_an_alert_raised_in_the_quiet_is_created_once_it_is_heard(settings, tell):
    suppress(settings)
    for state in range(3):
        merge_alerts(settings, [alert(1, state=state)])
        assert tell() == 0
    merge_alerts(settings, [alert(1, state=3)])
    assert tell() == 1
    assert told(settings) == [(1, "created")]
    (document,) = [json.loads(row["document"]) for row in outbox_rows(settings)]
    assert (document["kind"], document["previous"], document["alert"]["window_count"]) == ("created", {}, 4)
    merge_alerts(settings, [alert(1, state=4)])
    assert tell() == 1
    assert told(settings)[1:] == [(1, "updated")]


def test_an_alert_that_was_known_before_tells_what_changed_since_it_was_heard(settings, tell):
    merge_alerts(settings, [alert(1)])
    assert tell() == 1
    suppress(settings)
    for state, n_told in ((1, 0), (2, 0), (3, 1)):
        merge_alerts(settings, [alert(1, state=state)])
        assert tell() == n_told
    assert told(settings) == [(1, "created"), (1, "updated")]
    document = json.loads(outbox_rows(settings)[-1]["document"])
    assert document["previous"]["window_count"] == 1
    assert document["alert"]["window_count"] == 4


@pytest.mark.parametrize(("max_severity", "expected"), [("HIGH", [(1, "created")]), ("CRITICAL", [])])
def test_an_alert_that_becomes_graver_breaks_through_unless_it_is_to_be_quiet(settings, tell, max_severity, expected):
    suppress(settings, max_severity=max_severity)
    merge_alerts(settings, [alert(1)])
    assert tell() == 0
    merge_alerts(settings, [alert(1, state=1, severity="CRITICAL", attack_prob=0.97)])
    assert tell() == len(expected)
    assert (told(settings) if expected else outbox_rows(settings)) == expected


def test_what_was_passed_over_is_not_told_because_the_suppression_is_taken_back(settings, tell):
    suppress(settings)
    merge_alerts(settings, [alert(1)])
    assert tell() == 0
    suppress(settings, deleted_by="bob", deleted_at=NOON + MINUTE)
    assert tell() == 0
    merge_alerts(settings, [alert(1, state=1)])  # what comes later is
    assert tell() == 1
    assert told(settings) == [(1, "created")]


def test_an_analysts_change_is_not_told_before_the_alert_is_when_its_suppression_was_taken_back(settings, tell):
    suppress(settings)
    merge_alerts(settings, [alert(1)])
    assert tell() == 0
    suppress(settings, deleted_by="bob", deleted_at=NOON + MINUTE)
    append(settings, "alert_changes", change("c1", 1))
    assert tell() == 0
    merge_alerts(settings, [alert(1, state=1)])
    append(settings, "alert_changes", change("c2", 1, second=1))
    assert tell() == 2
    assert told(settings) == [(1, "created"), (1, "transition")]


@pytest.mark.parametrize("ending", ["transition", "withdrawn"])
def test_what_an_alert_became_in_the_quiet_does_not_go_along_with_its_end(settings, tell, ending):
    merge_alerts(settings, [alert(1, severity="MEDIUM", attack_prob=0.75)])
    assert tell() == 1
    suppress(settings)
    merge_alerts(settings, [alert(1, state=1)])
    assert tell() == 0
    if ending == "transition":
        append(settings, "alert_changes", change("c1", 1))
    else:
        merge_alerts(settings, [], gone=[f"{1:064x}"])
    assert tell() == 1
    assert told(settings)[1:] == [(1, ending)]
    document = json.loads(outbox_rows(settings)[-1]["document"])
    # a receiver that keeps alerts by severity ends the one that it has
    assert (document["alert"]["severity"], document["alert"]["window_count"]) == ("MEDIUM", 1)
    assert document["alert"]["status"] == ("acknowledged" if ending == "transition" else "open")


def test_an_alert_that_begins_and_grows_in_the_quiet_is_not_looked_up(settings, monkeypatch):
    suppress(settings)
    outbox = Outbox(settings)
    monkeypatch.setattr(outbox, "_last_told", lambda *_: pytest.fail("read the whole outbox for nothing"))
    for state in range(2):
        merge_alerts(settings, [alert(1, state=state)])
        assert outbox.tell(now=NOON) == 0


def test_what_persons_do_in_the_quiet_is_told_where_the_alert_is_known(settings, tell):
    merge_alerts(settings, [alert(1, last_seen=NOON + 3 * MINUTE)])
    suppress(settings, starts_at=NOON + 3 * MINUTE)
    assert tell() == 1
    merge_alerts(settings, [alert(1, state=1), alert(7, endpoint="web-1", last_seen=NOON + 4 * MINUTE)])
    assert tell() == 0
    for number in (1, 7):
        append(settings, "alert_changes", change(f"c{number}", number))
        append(settings, "feedback", verdict(f"f{number}", number))
    assert tell() == 2
    assert told(settings)[1:] == [(1, "transition"), (1, "verdict")]


def test_a_withdrawal_is_told_where_the_alert_is_known(settings, tell):
    merge_alerts(settings, [alert(1)])
    assert tell() == 1
    suppress(settings)
    merge_alerts(settings, [alert(1, state=1), alert(5, endpoint="web-1")])
    assert tell() == 0
    merge_alerts(settings, [], gone=[f"{number:064x}" for number in (1, 5)])
    assert tell() == 1
    assert told(settings)[1:] == [(1, "withdrawn")]
    merge_alerts(settings, [alert(1, state=3)])  # raised anew: nobody knows of it
    assert tell() == 1
    assert told(settings)[2:] == [(1, "created")]


def test_the_file_quiets_as_the_table_does(settings, tmp_path):
    (tmp_path / "quiet.yml").write_text(
        "- {id: a, tenant: acme, endpoint: web-1, reason: scan,\n"
        "   starts_at: 2026-03-01T11:59:00Z, expires_at: 2026-03-01T12:05:00Z}\n"
    )
    outbox = Outbox(settings.model_copy(update={"suppressions": str(tmp_path / "quiet.yml")}))
    merge_alerts(settings, [alert(1), alert(2)])
    assert outbox.tell(now=NOON) == 1
    assert told(settings) == [(2, "created")]
