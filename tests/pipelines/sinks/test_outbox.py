import json
import threading
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import jsonschema_rs
import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipelines.lake_reader import table_uri
from pipelines.schemas.outbox import DOCUMENT_SCHEMA
from pipelines.settings import Settings
from pipelines.sinks.outbox import Outbox
from tests.pipelines.sinks.alert_tables import NOON, alert, append, change, merge_alerts, outbox_rows, verdict

VALIDATOR = jsonschema_rs.Draft202012Validator(json.loads(DOCUMENT_SCHEMA.read_text()), validate_formats=True)


def told(settings: Settings) -> list[tuple[int, str]]:
    """Number of the alert and kind of each change, in order; every document is checked against the schema."""
    rows = outbox_rows(settings)
    assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))
    assert len({row["change_id"] for row in rows}) == len(rows)
    for row in rows:
        document = json.loads(row["document"])
        VALIDATOR.validate(document)
        assert [document[name] for name in ("change_id", "alert_id", "tenant", "kind")] == [
            row[name] for name in ("change_id", "alert_id", "tenant", "kind")
        ]
    return [(int(row["alert_id"], 16), row["kind"]) for row in rows]


def documents(settings: Settings) -> list[dict]:
    return [json.loads(row["document"]) for row in outbox_rows(settings)]


def test_each_change_is_told_once_and_a_second_look_finds_nothing(settings):
    outbox = Outbox(settings)
    assert outbox.tell(now=NOON) == 0
    merge_alerts(settings, [alert(1), alert(2)])
    assert outbox.tell(now=NOON) == 2
    merge_alerts(settings, [alert(1, state=1, severity="CRITICAL", attack_prob=0.97, related_endpoints=["db-1"])])
    append(settings, "alert_changes", change("c1", 1))
    append(settings, "alert_changes", change("c2", 1, second=1, from_status="acknowledged", note="looks bad"))
    append(settings, "feedback", verdict("f1", 1))
    assert outbox.tell(now=NOON) == 4
    merge_alerts(settings, [], gone=[f"{2:064x}"])
    assert outbox.tell(now=NOON) == 1
    assert [outbox.tell(now=NOON), Outbox(settings).tell(now=NOON)] == [0, 0]

    assert sorted(told(settings)[:2]) == [(1, "created"), (2, "created")]
    assert told(settings)[2:] == [(1, "updated"), (1, "transition"), (1, "note"), (1, "verdict"), (2, "withdrawn")]
    _, _, updated, transition, note, judged, withdrawn = documents(settings)
    assert updated["previous"] == {
        "severity": "HIGH", "attack_prob": 0.9, "window_count": 1, "related_endpoints": [],
        "last_seen": "2026-03-01T12:03:00Z", "updated_at": "2026-03-01T12:00:00Z",
    }  # fmt: skip
    assert updated["alert"]["severity"] == "CRITICAL"
    assert (transition["change"]["change_id"], transition["alert"]["status"]) == ("c1", "acknowledged")
    assert (note["change"]["note"], note["alert"]["window_count"]) == ("looks bad", 2)
    assert (judged["feedback"]["verdict"], judged["change"]) == ("true_positive", None)
    assert withdrawn["alert"]["endpoint"] == "web-2"


def test_an_alert_that_comes_back_to_an_earlier_state_is_told_again(settings):
    outbox = Outbox(settings)
    for second, severity in enumerate(["HIGH", "CRITICAL", "HIGH"]):
        merge_alerts(settings, [alert(1, state=second, window_count=1, last_seen=NOON, severity=severity)])
        outbox.tell(now=NOON)
    assert told(settings) == [(1, "created"), (1, "updated"), (1, "updated")]


def test_a_withdrawn_alert_may_be_raised_again(settings):
    outbox = Outbox(settings)
    for step in range(3):
        if step == 1:
            merge_alerts(settings, [], gone=[f"{1:064x}"])
        else:
            merge_alerts(settings, [alert(1, state=step, created_at=alert(1, state=step)["updated_at"])])
        outbox.tell(now=NOON)
    assert told(settings) == [(1, "created"), (1, "withdrawn"), (1, "created")]


def test_small_files_put_together_change_nothing_and_cost_no_commit(settings):
    outbox = Outbox(settings)
    for number in range(4):
        append(settings, "alerts", alert(number))
        append(settings, "alert_changes", change(f"c{number}", number))
    assert outbox.tell(now=NOON) == 8
    for name in ("alerts", "alert_changes", "outbox"):
        DeltaTable(table_uri(settings, name)).optimize.compact()
    version = DeltaTable(table_uri(settings, "outbox")).version()
    assert [outbox.tell(now=NOON), outbox.tell(now=NOON), Outbox(settings).tell(now=NOON)] == [0, 0, 0]
    assert DeltaTable(table_uri(settings, "outbox")).version() == version
    append(settings, "alert_changes", change("c9", 1, second=1))
    assert outbox.tell(now=NOON) == 1


def test_after_a_standstill_longer_than_replaced_files_are_kept_nothing_is_lost_or_doubled(settings):
    merge_alerts(settings, [alert(1), alert(2), alert(3)])
    append(settings, "alert_changes", change("c1", 1))
    Outbox(settings).tell(now=NOON)
    merge_alerts(settings, [alert(1, state=1), alert(4)], gone=[f"{2:064x}"])
    append(settings, "alert_changes", change("c2", 1, second=1))
    for name in ("alerts", "alert_changes"):
        table = DeltaTable(table_uri(settings, name))
        table.optimize.compact()
        table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert Outbox(settings).tell(now=NOON) == 4
    kinds = told(settings)[4:]
    assert sorted(kinds) == [(1, "transition"), (1, "updated"), (2, "withdrawn"), (4, "created")]
    updated = next(each for each in documents(settings) if each["kind"] == "updated")
    assert updated["previous"]["window_count"] == 1


def test_two_writers_at_once_tell_each_change_once(settings):
    append(settings, "outbox")
    for round_ in range(5):
        merge_alerts(settings, [alert(number, state=round_) for number in range(6)])
        ready, added = threading.Barrier(3), []

        def tell(ready: threading.Barrier = ready, added: list[int] = added) -> None:
            outbox = Outbox(settings)
            ready.wait()
            added.append(outbox.tell(now=NOON))

        threads = [threading.Thread(target=tell) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(added) == [0, 0, 6]
    assert len(told(settings)) == 30


def test_an_alert_whose_analyst_was_first_is_created_first(settings):
    append(settings, "alert_changes", change("c1", 1, changed_at=NOON))
    merge_alerts(settings, [alert(1, state=3)])
    Outbox(settings).tell(now=NOON)
    assert told(settings) == [(1, "created"), (1, "transition")]


def test_a_change_of_an_alert_that_is_gone_is_told_without_it(settings):
    append(settings, "alert_changes", change("c1", 1))
    Outbox(settings).tell(now=NOON)
    assert told(settings) == [(1, "transition")]
    assert documents(settings)[0]["alert"] is None


def test_what_is_no_number_in_json_is_told_as_null(settings):
    events = [{"event_id": "e1", "weight": float("nan"), "summary": 'é "\u2028'}]
    merge_alerts(settings, [alert(1, contributing_events=events)])
    Outbox(settings).tell(now=NOON)
    told(settings)
    assert documents(settings)[0]["alert"]["contributing_events"] == [
        {"event_id": "e1", "weight": None, "summary": 'é "\u2028'}
    ]


def test_rows_come_in_order_and_in_part(settings):
    outbox = Outbox(settings)
    for number in range(5):
        append(settings, "alerts", alert(number))
        outbox.tell(now=NOON)
    assert [row["sequence"] for row in outbox.rows_after(1, at_most=3)] == [2, 3, 4]
    assert [row["sequence"] for row in outbox.rows_after(4, at_most=3)] == [5]
    assert outbox.rows_after(5, at_most=3) == []
    assert outbox.last_sequence() == 5


STEP = st.one_of(
    st.tuples(st.just("alert"), st.integers(0, 3)),
    st.tuples(st.just("gone"), st.integers(0, 3)),
    st.tuples(st.just("change"), st.integers(0, 3)),
    st.tuples(st.just("verdict"), st.integers(0, 3)),
    st.tuples(st.just("compact"), st.integers(0, 0)),
)


@pytest.mark.slow
@given(steps=st.lists(STEP, min_size=1, max_size=8), looks=st.lists(st.integers(0, 2), min_size=8, max_size=8))
@hypothesis_settings(max_examples=25, deadline=None)
def test_however_often_and_by_whom_it_is_called_it_comes_to_the_same(steps, looks):
    """Looks of one kept writer or of new ones, never, once or twice after each step, and one at the end."""
    with TemporaryDirectory() as folder:
        settings = Settings(lake=str(Path(folder) / "lake"), _env_file=None)
        kept, alerts, said, states = Outbox(settings), {}, set(), defaultdict(int)
        for number, ((what, about), times) in enumerate(zip(steps, looks, strict=False)):
            alert_id = f"{about:064x}"
            if what == "alert":
                states[about] += 1
                alerts[alert_id] = alert(about, state=states[about])
                merge_alerts(settings, [alerts[alert_id]])
            elif what == "gone":
                merge_alerts(settings, [], gone=[alert_id])
                alerts.pop(alert_id, None)
            elif what == "change":
                append(settings, "alert_changes", change(f"c{number}", about, second=number))
                said.add(f"c{number}")
            elif what == "verdict":
                append(settings, "feedback", verdict(f"f{number}", about))
                said.add(f"f{number}")
            elif DeltaTable.is_deltatable(table_uri(settings, "alerts")):
                DeltaTable(table_uri(settings, "alerts")).optimize.compact()
            for look in range(times):
                (kept if look else Outbox(settings)).tell(now=NOON)
        kept.tell(now=NOON)
        assert Outbox(settings).tell(now=NOON) == 0

        told(settings)
        found = documents(settings)
        # what a person said is told each by itself, whenever it was looked for
        persons = [each["change"] or each["feedback"] for each in found if each["change"] or each["feedback"]]
        assert sorted(one.get("feedback_id") or one["change_id"] for one in persons) == sorted(said)
        # of the pipeline's states those between two looks may be passed over; the last one is always told
        last = {each["alert_id"]: each for each in found if each["kind"] in ("created", "updated", "withdrawn")}
        there = {alert_id: each["alert"] for alert_id, each in last.items() if each["kind"] != "withdrawn"}
        assert {alert_id: one["window_count"] for alert_id, one in there.items()} == {
            alert_id: row["window_count"] for alert_id, row in alerts.items()
        }
