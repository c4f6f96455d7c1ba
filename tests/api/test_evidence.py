from datetime import timedelta

import pytest

from pipelines.schemas.telemetry import EVENTS
from tests.api.conftest import NOON

ALERT = f"/alerts/{1:064x}"
ROUTES = ("events", "process-tree", "timeline")


@pytest.fixture
def alert(write, make_alert):
    """An alert of 11:57 to 12:03 that three events have raised, one of which is gone."""
    named = [
        {"event_id": name, "weight": weight, "summary": "?"}
        for name, weight in (("c2", 0.9), ("gone", 0.5), ("c1", 0.4))
    ]
    first, last = NOON - timedelta(minutes=3), NOON + timedelta(minutes=3)
    write("alerts", make_alert(1, first_seen=first, last_seen=last, contributing_events=named))


@pytest.mark.parametrize("route", ROUTES)
def test_unknown_alert_is_404_and_known_one_without_telemetry_is_empty(api, alert, route):
    assert api.get(f"/alerts/nope/{route}").status_code == 404
    body = api.ok(f"{ALERT}/{route}")
    assert next(value for value in body.values() if isinstance(value, list)) == []


def test_events_come_by_weight_then_by_time_and_only_from_the_alert(api, write, alert, make_event):
    write(
        "events",
        make_event("late", 180), make_event("c1", 20), make_event("b", 30), make_event("early", -181),
        make_event("a", 30), make_event("c2", 100), make_event("first", -180),
        make_event("other-endpoint", 1, endpoint="db-1"), make_event("other-tenant", 1, tenant="b"),
    )  # fmt: skip
    events = api.ok(f"{ALERT}/events")["events"]
    assert [(event["event_id"], event["weight"]) for event in events] == [
        ("c2", 0.9), ("c1", 0.4), ("first", None), ("a", None), ("b", None),
    ]  # fmt: skip
    assert [event["is_contributing"] for event in events] == [True, True, False, False, False]


def test_pages_of_events_hold_each_once(api, write, alert, make_event):
    write(
        "events", *[make_event(f"e{number}", number // 3) for number in range(20)], make_event("c1"), make_event("c2")
    )
    whole = [event["event_id"] for event in api.ok(f"{ALERT}/events", limit=500)["events"]]
    for limit in (1, 2, 7):
        seen, cursor = [], None
        while True:
            page = api.ok(f"{ALERT}/events", limit=limit, **({"cursor": cursor} if cursor else {}))
            seen += [event["event_id"] for event in page["events"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == whole
    assert api.get(f"{ALERT}/events", params={"cursor": "WzFd"}).json()["type"].endswith(":bad-cursor")


def test_event_shows_all_columns_as_they_are_stored(api, write, alert, make_event):
    line = "sh -c '<b>\x1b[31m\u202e'; =1+1"
    write("events", make_event("c1", 1, command_line=line, fields=[("exe", "/bin/sh"), ("key", None)], dst_port=443))
    event = api.ok(f"{ALERT}/events")["events"][0]
    assert set(event) == {*EVENTS.names, "is_contributing", "weight"}
    assert (event["command_line"], event["dst_port"], event["ts"]) == (line, 443, "2026-03-01T12:00:01Z")
    assert event["fields"] == {"exe": "/bin/sh", "key": None}
    assert event["record_ids"] == ["rc1"]


def test_process_tree_links_children_to_parents_and_marks_contributors(api, write, alert, make_event):
    shell = {
        "process_key": "sh",
        "process_pid": 7,
        "process_path": "/bin/sh",
        "command_line": "sh -c id",
        "user": "www",
    }
    write(
        "events",
        make_event("x", 5, **shell, parent_key="nginx", parent_pid=3, parent_path="/usr/sbin/nginx"),
        make_event("c1", 9, process_key="id", process_pid=8, process_path="/bin/id", parent_key="sh", parent_pid=7),
        make_event("y", 9, process_pid=99, target_path="/bin/Victim"),
        make_event("z", 10, category="network"),
    )
    tree = api.ok(f"{ALERT}/process-tree")
    told = [(node["id"], node["parent_id"], node["depth"], node["is_contributing"]) for node in tree["nodes"]]
    assert told == [
        ("nginx", None, 0, False), ("sh", "nginx", 1, False), ("id", "sh", 2, True),
        ("path:/bin/victim", None, 0, False), ("pid:99", None, 0, False),
    ]  # fmt: skip
    assert (tree["n_processes"], tree["is_cut"]) == (5, False)
    assert tree["nodes"][1] | {"id": 0} == {
        "id": 0, "parent_id": "nginx", "depth": 1, "pid": 7, "name": None, "path": "/bin/sh", "command_line": "sh -c id",
        "user": "www", "is_contributing": False, "first_seen": "2026-03-01T12:00:05Z", "n_events": 1,
    }  # fmt: skip
    cut = api.ok(f"{ALERT}/process-tree", max_nodes=2)
    assert [node["id"] for node in cut["nodes"]] == ["sh", "id"]
    assert (cut["n_processes"], cut["is_cut"]) == (5, True)


def test_timeline_shows_windows_around_the_alert_by_the_newest_champion(api, write, alert, make_score):
    write(
        "window_scores",
        make_score(-3, attack_prob=0.9),
        make_score(-3, attack_prob=0.8, model_version="10"),
        make_score(-3, attack_prob=0.1, model_version="11", role="challenger"),
        make_score(-1, attack_prob=0.4),
        make_score(-34, attack_prob=0.2), make_score(-33, attack_prob=0.3),
        make_score(32, attack_prob=0.5), make_score(33, attack_prob=0.6),
        make_score(1, attack_prob=0.99, endpoint="db-1"), make_score(1, attack_prob=0.99, tenant="b"),
    )  # fmt: skip
    windows = api.ok(f"{ALERT}/timeline")["windows"]
    assert [(window["attack_prob"], window["is_in_alert"]) for window in windows] == [
        (0.3, False), (0.8, True), (0.4, False), (0.5, False),
    ]  # fmt: skip
    assert [window["attack_prob"] for window in api.ok(f"{ALERT}/timeline", around_minutes=0)["windows"]] == [0.8, 0.4]


def test_long_timeline_is_cut_and_says_so(api, write, alert, make_score, monkeypatch):
    monkeypatch.setattr("api.evidence.MAX_WINDOWS", 2)
    write("window_scores", *[make_score(minute) for minute in range(3)])
    timeline = api.ok(f"{ALERT}/timeline")
    assert (len(timeline["windows"]), timeline["is_cut"]) == (2, True)
