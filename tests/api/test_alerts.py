import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.store import AlertFilter, Store


def ids(page):
    return [int(alert["alert_id"], 16) for alert in page["alerts"]]


def test_fresh_lake_answers_empty_lists(api):
    assert api.ok("/alerts") == {"alerts": [], "next_cursor": None}
    assert api.ok("/endpoints") == {"endpoints": [], "next_cursor": None}


def test_newest_alerts_come_first_with_all_columns(api, write, make_alert):
    write("alerts", make_alert(1, 0), make_alert(2, 5), make_alert(3, 5, related_endpoints=["db-1"]))
    page = api.ok("/alerts")
    assert ids(page) == [2, 3, 1]
    assert page["alerts"][1] == {
        "alert_id": f"{3:064x}", "tenant": "acme", "endpoint": "web-1", "platform": "linux", "severity": "HIGH",
        "status": "open", "assignee": None, "attack_prob": 0.9,
        "first_seen": "2026-03-01T12:02:00Z", "last_seen": "2026-03-01T12:05:00Z",
        "window_count": 1, "model_name": "logster-linux", "model_version": "1", "ttp_techniques": [], "ttp_tactics": [],
        "related_endpoints": ["db-1"], "created_at": "2026-03-01T12:05:00Z", "updated_at": "2026-03-01T12:05:00Z",
        "suppressed_by": None, "suppressed_until": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"tenant": "acme"}, [3, 2, 1]),
        ({"tenant": "ACME"}, []),
        ({"endpoint": "DB-1"}, [2]),
        ({"severity": "CRITICAL"}, [3]),
        ({"severity": ["CRITICAL", "MEDIUM"]}, [3, 2]),
        ({"technique": "T1059"}, [3, 1]),
        ({"technique": "t1059.004"}, [1]),
        ({"technique": "T105"}, []),
        ({"status": "acknowledged"}, [2]),
        ({"status": ["acknowledged", "open"]}, [4, 3, 2, 1]),
        ({"from": "2026-03-01T12:10:00Z"}, [4, 3]),  # alert 2 was last seen at 12:10, half-open
        ({"to": "2026-03-01T12:07:00"}, [1]),  # alert 2 was first seen at 12:07
        ({"from": "2026-03-01T13:05:00+01:00", "to": "2026-03-01T12:20:00Z"}, [3, 2]),
        ({"tenant": "other' OR 1=1 --"}, []),
    ],
)
def test_filters_keep_only_what_matches(api, patch, write, make_alert, params, expected):
    write(
        "alerts",
        make_alert(1, 5, ttp_techniques=["T1059.004"]),
        make_alert(2, 10, endpoint="db-1", severity="MEDIUM"),
        make_alert(3, 15, severity="CRITICAL", ttp_techniques=["T1003", "T1059"]),
        make_alert(4, 60, tenant="other"),
    )
    patch(2, status="acknowledged")
    assert ids(api.ok("/alerts", **params)) == expected


def test_pages_hold_every_alert_once_though_new_ones_come_in(settings_of_page_test, write, make_alert):
    store = settings_of_page_test
    write("alerts", *[make_alert(number, number // 3) for number in range(40)])
    fresh = itertools.count(1000)

    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.integers(1, 17), min_size=1, max_size=40))
    def check(limits):
        seen, cursor = [], None
        for limit in itertools.chain(limits, itertools.repeat(500)):
            page = store.alerts(AlertFilter(), limit=limit, cursor=cursor)
            seen += page.alerts
            cursor = page.next_cursor
            if cursor is None:
                break
            assert len(page.alerts) == limit
            write("alerts", make_alert(next(fresh), 10_000 + len(seen)))
        old = [int(alert.alert_id, 16) for alert in seen if int(alert.alert_id, 16) < 1000]
        assert sorted(old) == list(range(40))
        order = [(-alert.last_seen.timestamp(), alert.alert_id) for alert in seen]
        assert order == sorted(set(order))

    check()


@pytest.fixture
def settings_of_page_test(settings):
    return Store(settings)


@pytest.mark.parametrize(
    "cursor", ["", "x", "////", "bnVsbA", "WzFd", "WzEsMl0", "WyJhIiwiYiJd", "é", "\0", "WzFlNDAwLCJhIl0"]
)
def test_foreign_cursor_is_refused(api, cursor):
    response = api.get("/alerts", params={"cursor": cursor})
    assert response.status_code == 422
    assert "next_cursor" in response.json()["detail"]


@pytest.mark.parametrize("time", ["55544", "1.5", "-7", "x", "", "0000-01-01T00:00:00Z"])
def test_what_is_no_time_is_refused(api, time):
    assert api.get("/alerts", params={"to": time}).status_code == 422


def test_unknown_alert_says_where_to_look(api):
    response = api.get("/alerts/nope")
    assert response.status_code == 404
    assert response.json()["type"] == "urn:logster:problem:unknown-alert"
    assert response.json()["detail"].startswith("no alert 'nope'; GET /alerts or `logster alerts --json` lists")


def test_detail_shows_events_history_and_feedback(api, patch, write, make_alert):
    write("alerts", make_alert(7))
    patch(7, status="acknowledged", note="mine", assignee="ann")
    patch(7, note="rang the owner")
    body = {"alert_id": f"{7:064x}", "verdict": "true_positive", "actor": "bob", "comment": "yes"}
    assert api("POST", "/feedback", json=body).status_code == 201
    alert = api.ok(f"/alerts/{7:064x}")
    assert (alert["status"], alert["assignee"]) == ("acknowledged", "ann")
    assert alert["contributing_events"] == [{"event_id": "e1", "weight": 0.5, "summary": "sh ran id"}]
    told = [(c["from_status"], c["to_status"], c["note"], c["actor"]) for c in alert["history"]]
    assert told == [("open", "acknowledged", "mine", "ann"), ("acknowledged", "acknowledged", "rang the owner", "ann")]
    assert [(f["verdict"], f["actor"], f["comment"]) for f in alert["feedback"]] == [("true_positive", "bob", "yes")]
    assert [(a["status"], a["assignee"]) for a in api.ok("/alerts")["alerts"]] == [("acknowledged", "ann")]
