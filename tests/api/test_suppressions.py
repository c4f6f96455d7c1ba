"""Alerts that are kept quiet over the API: who may, what it changes, and what it leaves as it is."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from deltalake import DeltaTable

from api.app import create_app
from pipelines.errors import SettingsError
from pipelines.schemas.access import Role
from tests.api.conftest import NOON, Client

BODY = {"tenant": "acme", "endpoint": "WEB-1", "reason": "the scanner", "minutes": 60}


def ids(page):
    return [int(alert["alert_id"], 16) for alert in page["alerts"]]


def kind(response):
    return response.json()["type"].rpartition(":")[2]


@pytest.fixture
def recent(make_alert):
    """An alert that is seen so many seconds from now."""

    def make(number, seconds=600, **columns):
        seen = datetime.now(UTC) + timedelta(seconds=seconds)
        times = {"last_seen": seen, "first_seen": seen - timedelta(minutes=3), "updated_at": seen}
        return make_alert(number, **{**times, **columns})

    return make


def said(**columns):
    return {
        "suppression_id": "s", "tenant": "acme", "endpoint": "web-1", "technique": None, "rule_id": None,
        "max_severity": "HIGH", "reason": "x", "starts_at": NOON - timedelta(hours=1), "expires_at": NOON + timedelta(hours=1),
        "actor": "ann", "created_at": NOON, "deleted_by": None, "deleted_at": None, **columns,
    }  # fmt: skip


def test_what_is_made_quiets_and_what_is_taken_back_does_not(api, write, recent):
    write("alerts", recent(1), recent(2, endpoint="web-2"), recent(3, severity="CRITICAL"), recent(4, seconds=-60))
    made = api("POST", "/suppressions", json={**BODY, "actor": "ann"})
    assert made.status_code == 201, made.text
    one = made.json()
    assert {name: one[name] for name in ("tenant", "endpoint", "max_severity", "reason", "actor", "state", "n_alerts")} == {
        "tenant": "acme", "endpoint": "web-1", "max_severity": "HIGH", "reason": "the scanner", "actor": "ann",
        "state": "active", "n_alerts": 1,
    }  # fmt: skip
    place = f"/suppressions/{one['suppression_id']}"
    assert api.ok(place) == one
    assert api.ok("/suppressions") == {"suppressions": [one], "next_cursor": None}
    assert ids(api.ok("/alerts")) == ids(api.ok("/alerts", suppressed="false"))
    assert sorted(ids(api.ok("/alerts"))) == [2, 3, 4]
    assert sorted(ids(api.ok("/alerts", suppressed="all"))) == [1, 2, 3, 4]
    (quiet,) = api.ok("/alerts", suppressed="true")["alerts"]
    detail = api.ok(f"/alerts/{1:064x}")
    for alert in (quiet, detail):
        assert (alert["suppressed_by"], alert["suppressed_until"]) == (one["suppression_id"], one["expires_at"])
    assert one["last_hit"] == detail["last_seen"]
    # it can be worked on, and says so after a change as well
    changed = api("PATCH", f"/alerts/{1:064x}", json={"note": "noise"})
    assert (changed.status_code, changed.json()["suppressed_by"]) == (200, one["suppression_id"])

    gone = api("DELETE", place)
    assert (gone.status_code, gone.json()["state"], gone.json()["n_alerts"]) == (200, "deleted", 0)
    assert gone.json()["deleted_by"] == "anonymous"
    assert api("DELETE", place).json() == gone.json(), "once"
    assert api.ok(place) == gone.json()
    assert sorted(ids(api.ok("/alerts"))) == [1, 2, 3, 4]
    assert api.ok("/alerts", suppressed="true")["alerts"] == []


def test_reaching_back_quiets_what_is_there(api, write, recent):
    write("alerts", recent(1, seconds=-60), recent(2, seconds=-3600))
    assert api("POST", "/suppressions", json={**BODY, "back_minutes": 30}).json()["n_alerts"] == 1
    assert ids(api.ok("/alerts")) == [2]


def test_quiet_alerts_are_no_threat_and_not_open(api, write, make_alert):
    write("alerts", make_alert(1), make_alert(2, 90))
    (loud,) = api.ok("/endpoints")["endpoints"]
    write("suppressions", said())
    (quiet,) = api.ok("/endpoints")["endpoints"]
    assert (loud["n_alerts"], loud["open_alerts"], loud["threat"]) == (2, 2, 99.0)
    assert (quiet["n_alerts"], quiet["open_alerts"], quiet["threat"]) == (2, 1, 90.0)


def test_nothing_is_deleted_and_the_alerts_rows_stay_as_they_are(api, settings, write, make_alert):
    write("alerts", make_alert(1))
    before = DeltaTable(f"{settings.lake}/alerts").to_pyarrow_table()
    made = api("POST", "/suppressions", json=BODY).json()
    api("DELETE", f"/suppressions/{made['suppression_id']}")
    assert DeltaTable(f"{settings.lake}/alerts").to_pyarrow_table().equals(before)
    rows = DeltaTable(f"{settings.lake}/suppressions").to_pyarrow_table().sort_by("deleted_at").to_pylist()
    assert [(row["actor"], row["deleted_by"]) for row in rows] == [("anonymous", "anonymous"), ("anonymous", None)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"reason": None}, {"reason": " "}, {"minutes": None}, {"minutes": 0}, {"minutes": 129_601}, {"back_minutes": -1},
        {"back_minutes": 10_081}, {"endpoint": None}, {"technique": "t1"}, {"tenant": None}, {"tenant": "a b"}, {"endpoint": ""},
        {"max_severity": "LOW"}, {"reason": "\x1b[2J"}, {"rule_id": "a\nb"}, {"nonsense": 1},
    ],
)  # fmt: skip
def test_an_unusable_suppression_is_refused_in_words(api, wrong):
    body = {name: value for name, value in {**BODY, **wrong}.items() if value is not None}
    response = api("POST", "/suppressions", json=body)
    assert (response.status_code, kind(response)) == (422, "invalid-request")
    assert api.ok("/suppressions")["suppressions"] == []


def test_longest_and_shortest_are_taken(api):
    for minutes in (1, 129_600):
        one = api("POST", "/suppressions", json={**BODY, "minutes": minutes}).json()
        span = datetime.fromisoformat(one["expires_at"]) - datetime.fromisoformat(one["created_at"])
        assert span == timedelta(minutes=minutes)


def test_a_request_sent_again_is_answered_again_and_done_once(api):
    key = {"Idempotency-Key": "k"}
    first, again = (api("POST", "/suppressions", json=BODY, headers=key) for _ in range(2))
    assert [first.status_code, again.status_code] == [201, 201]
    assert first.json() == again.json()
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    other = api("POST", "/suppressions", json={**BODY, "minutes": 61}, headers=key)
    assert (other.status_code, kind(other)) == (422, "key-reused")
    assert api("POST", "/suppressions", json={**BODY, "tenant": "globex"}, headers=key).status_code == 201


def test_readers_look_and_analysts_make_in_their_own_name(keyed):
    reader, analyst, admin = keyed(), keyed(role=Role.ANALYST, name="ann"), keyed(role=Role.ADMIN, name="root")
    assert reader("POST", "/suppressions", json=BODY).status_code == 403
    made = analyst("POST", "/suppressions", json=BODY).json()
    assert made["actor"] == "ann"
    assert kind(analyst("POST", "/suppressions", json={**BODY, "actor": "bob"})) == "other-actor"
    place = f"/suppressions/{made['suppression_id']}"
    assert reader.ok(place) == made
    assert reader("DELETE", place).status_code == 403
    assert admin("DELETE", place).json()["deleted_by"] == "root"


def test_unknown_suppression_says_where_to_look(api):
    for method in ("GET", "DELETE"):
        response = api(method, "/suppressions/nope")
        assert (response.status_code, kind(response)) == (404, "unknown-suppression")
        assert "GET /suppressions" in response.json()["detail"]


def test_pages_and_states(api, write):
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    spans = {"past": (-2, -1), "now": (-1, 1), "soon": (1, 2)}
    for number, (name, (start, end)) in enumerate(spans.items()):
        times = {"starts_at": now + start * hour, "expires_at": now + end * hour, "created_at": NOON + number * hour}
        write("suppressions", said(suppression_id=name, **times))
    names = {
        state: [one["suppression_id"] for one in api.ok("/suppressions", state=state)["suppressions"]]
        for state in ("expired", "active", "pending", "deleted")
    }
    assert names == {"expired": ["past"], "active": ["now"], "pending": ["soon"], "deleted": []}
    seen, cursor = [], None
    while cursor is not None or not seen:
        page = api.ok("/suppressions", limit=1, **({"cursor": cursor} if cursor else {}))
        seen += [one["suppression_id"] for one in page["suppressions"]]
        cursor = page["next_cursor"]
    assert seen == ["soon", "now", "past"]
    assert api.ok("/suppressions", tenant="globex")["suppressions"] == []
    assert kind(api.get("/suppressions", params={"cursor": "WzFd"})) == "bad-cursor"


def test_of_several_the_one_that_ends_last_is_named_and_each_counts(api, write, make_alert):
    write("alerts", make_alert(1))
    later = NOON + timedelta(hours=2)
    write(
        "suppressions", said(), said(suppression_id="t", expires_at=later), said(suppression_id="u", endpoint="web-2")
    )
    (alert,) = api.ok("/alerts", suppressed="all")["alerts"]
    assert (alert["suppressed_by"], alert["suppressed_until"]) == ("t", "2026-03-01T14:00:00Z")
    counts = Counter({one["suppression_id"]: one["n_alerts"] for one in api.ok("/suppressions")["suppressions"]})
    assert counts == {"s": 1, "t": 1, "u": 0}


def test_the_file_quiets_as_well_and_is_not_changed_over_the_api(settings, tmp_path, write, make_alert):
    (tmp_path / "quiet.yml").write_text(
        "- {id: a, tenant: acme, endpoint: web-1, reason: scan,\n"
        "   starts_at: 2026-03-01T11:00:00Z, expires_at: 2026-03-01T12:00:00Z}\n"
    )
    api = Client(create_app(settings.model_copy(update={"suppressions": str(tmp_path / "quiet.yml")})))
    write("alerts", make_alert(1), make_alert(2, 1))
    assert ids(api.ok("/alerts")) == [2]
    (one,) = api.ok("/suppressions")["suppressions"]
    assert (one["suppression_id"], one["n_alerts"], one["state"]) == ("file:a", 1, "expired")
    refused = api("DELETE", "/suppressions/file:a")
    assert (refused.status_code, kind(refused)) == (409, "suppression-of-file")
    assert "quiet.yml" not in refused.text
    (tmp_path / "quiet.yml").write_text("- {id: a}\n")
    with pytest.raises(SettingsError, match="entry 1"):
        create_app(settings.model_copy(update={"suppressions": str(tmp_path / "quiet.yml")}))
