import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.app import create_app
from api.changes import change_alert
from api.store import AlertFilter, Store
from pipelines.alerting.lifecycle import UNCHANGED, WantedChange
from pipelines.errors import TransitionError
from pipelines.schemas.alerts import ALERT_CHANGES, TRANSITIONS, AlertStatus
from tests.api.conftest import Client

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def id_of(number):
    return f"{number:064x}"


def kind(response):
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == response.status_code
    return response.json()["type"].removeprefix("urn:logster:problem:")


def n_changes(settings):
    return DeltaTable(f"{settings.lake}/alert_changes").to_pyarrow_table().num_rows


# --- one change


@pytest.mark.parametrize("current", list(AlertStatus))
def test_only_the_declared_transitions_are_taken(api, patch, write, make_alert, current):
    for number, wanted in enumerate(AlertStatus, start=1):
        write("alerts", make_alert(number))
        if current != AlertStatus.OPEN:
            assert patch(number, status=current).status_code == 200
        response = patch(number, status=wanted)
        if wanted in TRANSITIONS[current]:
            assert response.status_code == 200
            assert response.json()["status"] == api.ok(f"/alerts/{id_of(number)}")["status"] == wanted
        else:
            assert (response.status_code, kind(response)) == (409, "illegal-transition")
            assert all(allowed in response.json()["detail"].split(";")[1] for allowed in TRANSITIONS[current])
            assert api.ok(f"/alerts/{id_of(number)}")["status"] == current


@pytest.mark.parametrize(
    "body",
    [
        b'{"actor": "a"}', b'{"status": null, "note": ""}', b'{"status": "closed", "actor": "a"}',
        b'{"actor": " ", "note": "x"}', b'{"actor": "a\\u0007b", "note": "x"}', b'{"assignee": "a\\u202eb"}',
        b'{"assignee": ""}', b'{"note": "\\u001b[2J"}', b'{"note": "a\\u0000"}', b'{"assignee": "two\\nlines"}',
        b'{"actor": "\\ud800", "note": "x"}', b'{"actor": "a", "\\ud800": 1}', b'{"actor": NaN}', b"\xff\xfe", b"[1]", b"",
        b'{"actor": "a", "note": "x", "alert_id": "y"}', b'{"actor":' + b"9" * 5000 + b"}", b"[" * 100_000,
        b'{"note": "' + b"x" * 10_001 + b'"}',
    ],
)  # fmt: skip
def test_unusable_change_is_refused_in_words(api, write, make_alert, body):
    write("alerts", make_alert(1))
    response = api("PATCH", f"/alerts/{id_of(1)}", content=body, headers={"content-type": "application/json"})
    assert (response.status_code, kind(response)) in {(400, "not-json"), (422, "invalid-request")}
    assert response.json()["detail"]
    assert api.ok(f"/alerts/{id_of(1)}")["history"] == []


def test_long_body_is_refused_before_it_is_read(api, write, make_alert):
    write("alerts", make_alert(1))

    async def endless():
        for _ in range(100):
            yield b'"' + b"x" * 10_000
        pytest.fail("read to its end")

    response = api("PATCH", f"/alerts/{id_of(1)}", content=endless(), headers={"content-type": "application/json"})
    assert (response.status_code, kind(response)) == (413, "too-large")


def test_markup_and_lines_in_notes_are_kept_as_they_are(api, patch, write, make_alert):
    write("alerts", make_alert(1))
    note = "<script>alert(1)</script>\n\t=cmd|' /C calc'!A0 مرحبا 👩‍💻"
    assert patch(1, note=note, assignee="Zoë Müller-Łęcka").status_code == 200
    assert api.ok(f"/alerts/{id_of(1)}")["history"][0]["note"] == note


def test_assignee_is_set_kept_and_taken_away(patch, write, make_alert):
    write("alerts", make_alert(1))
    answers = [
        patch(1, assignee=" ann "),
        patch(1, status="acknowledged"),
        patch(1, assignee=None, note="over to nights"),
        patch(1, status="investigating", assignee="bob"),
    ]
    assert [answer.json()["assignee"] for answer in answers] == ["ann", "ann", None, "bob"]
    assert [change["assignee"] for change in answers[-1].json()["history"]] == ["ann", "ann", None, "bob"]


def test_change_without_an_actor_is_anonymous(api, write, make_alert):
    write("alerts", make_alert(1))
    response = api("PATCH", f"/alerts/{id_of(1)}", json={"status": "acknowledged"})
    assert [change["actor"] for change in response.json()["history"]] == ["anonymous"]


def test_history_keeps_its_order_where_the_clock_steps_back(settings, write, make_alert):
    write("alerts", make_alert(1))
    store = Store(settings)
    for hour, status in [(12, "acknowledged"), (11, "investigating"), (10, "resolved")]:
        now = datetime(2026, 3, 1, hour, tzinfo=UTC)
        change_alert(store, id_of(1), WantedChange("ann", AlertStatus(status)), now=now)
    assert store.alert(id_of(1)).status == "resolved"
    assert store.alerts(AlertFilter()).alerts[0].status == "resolved"


# --- ETag and If-Match


def test_stale_etag_changes_nothing(api, patch, write, make_alert):
    write("alerts", make_alert(1))
    first = api.get(f"/alerts/{id_of(1)}").headers["etag"]
    changed = patch(1, {"If-Match": first}, status="acknowledged")
    assert changed.status_code == 200
    assert changed.headers["etag"] == changed.json()["etag"] == api.get(f"/alerts/{id_of(1)}").headers["etag"] != first
    refused = patch(1, {"If-Match": first}, status="resolved")
    assert (refused.status_code, kind(refused)) == (412, "stale-etag")
    assert changed.headers["etag"] in refused.json()["detail"]
    assert api.ok(f"/alerts/{id_of(1)}")["status"] == "acknowledged"
    assert patch(1, {"If-Match": f'"1.2.3", {changed.headers["etag"]}'}, note="one of several").status_code == 200
    assert patch(1, {"If-Match": "*"}, note="any").status_code == 200


def test_etag_moves_with_the_pipeline_and_with_verdicts(api, settings, write, make_alert):
    write("alerts", make_alert(1))
    seen = [api.get(f"/alerts/{id_of(1)}").headers["etag"]]
    api("POST", "/feedback", json={"alert_id": id_of(1), "verdict": "true_positive"})
    seen.append(api.get(f"/alerts/{id_of(1)}").headers["etag"])
    DeltaTable(f"{settings.lake}/alerts").delete()
    write("alerts", make_alert(1, updated_at=NOON + timedelta(hours=1)))
    seen.append(api.get(f"/alerts/{id_of(1)}").headers["etag"])
    assert len(set(seen)) == 3


def at_once(settings, n_threads, act):
    """Call `act` with a client in as many threads at once, over two applications, as two processes would be."""
    clients = [Client(create_app(settings)) for _ in range(2)]
    for client in clients:
        client.get("/health")  # FastAPI builds its routes at the first request, for one event loop at a time
    start = threading.Barrier(n_threads, timeout=60)

    def run(number):
        start.wait()
        return act(clients[number % 2], number)

    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(run, range(n_threads)))


def test_of_changes_with_the_same_etag_exactly_one_wins(api, settings, write, make_alert):
    write("alerts", make_alert(1))
    for round_number in range(3):
        headers = {"If-Match": api.get(f"/alerts/{id_of(1)}").headers["etag"]}

        def act(client, number, headers=headers):
            return client("PATCH", f"/alerts/{id_of(1)}", json={"note": f"{number}"}, headers=headers)

        answers = at_once(settings, 8, act)
        assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 7}
        assert n_changes(settings) == round_number + 1


def test_of_two_who_acknowledge_at_once_one_is_told_so(settings, write, make_alert):
    write("alerts", make_alert(1))
    body = {"status": "acknowledged"}
    answers = at_once(settings, 6, lambda client, _: client("PATCH", f"/alerts/{id_of(1)}", json=body))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 5}


def test_notes_of_many_at_once_are_all_kept(api, settings, write, make_alert):
    write("alerts", *[make_alert(number) for number in range(3)])

    def act(client, number):
        return client("PATCH", f"/alerts/{id_of(number % 3)}", json={"note": f"{number}"}).status_code

    assert at_once(settings, 12, act) == [200] * 12
    notes = [change["note"] for number in range(3) for change in api.ok(f"/alerts/{id_of(number)}")["history"]]
    assert sorted(map(int, notes)) == list(range(12))


# --- Idempotency-Key


def test_request_sent_again_is_answered_again_and_done_once(api, settings, patch, write, make_alert):
    write("alerts", make_alert(1))
    tag = api.get(f"/alerts/{id_of(1)}").headers["etag"]
    key = {"Idempotency-Key": "k1", "If-Match": tag}
    first = patch(1, key, status="acknowledged", note="mine")
    assert "idempotency-replayed" not in first.headers
    patch(1, status="resolved")
    again = patch(1, key, status="acknowledged", note="mine")  # neither its ETag nor its transition would do by now
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    assert again.json()["status"] == "resolved"
    assert n_changes(settings) == 2
    other = patch(1, key, status="acknowledged", note="another's")
    assert (other.status_code, kind(other)) == (422, "key-reused")


def test_key_is_of_its_alert(settings, patch, write, make_alert):
    write("alerts", make_alert(1), make_alert(2))
    assert [patch(n, {"Idempotency-Key": "k"}, status="resolved").status_code for n in (1, 2)] == [200, 200]
    assert n_changes(settings) == 2


def test_request_sent_many_times_at_once_is_done_once(settings, write, make_alert):
    write("alerts", make_alert(1))
    body = {"status": "acknowledged"}

    def act(client, _):
        return client("PATCH", f"/alerts/{id_of(1)}", json=body, headers={"Idempotency-Key": "k"})

    answers = at_once(settings, 6, act)
    assert [answer.status_code for answer in answers] == [200] * 6
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 5
    assert n_changes(settings) == 1


@pytest.mark.parametrize("key", ["", "two words", "é", "x" * 201])
def test_unusable_key_is_refused(patch, write, make_alert, key):
    write("alerts", make_alert(1))
    assert patch(1, {"Idempotency-Key": key.encode()}, note="x").status_code == 422


def test_verdict_sent_again_is_recorded_once(api, settings, write, make_alert):
    write("alerts", make_alert(1))
    body, key = {"alert_id": id_of(1), "verdict": "false_positive", "comment": "scan"}, {"Idempotency-Key": "k"}
    answers = [api("POST", "/feedback", json=body, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    other = api("POST", "/feedback", json={**body, "verdict": "true_positive"}, headers=key)
    assert (other.status_code, kind(other)) == (422, "key-reused")
    assert len(api.ok(f"/alerts/{id_of(1)}")["feedback"]) == 1


def test_feedback_on_an_unknown_alert_is_refused(api):
    response = api("POST", "/feedback", json={"alert_id": "x", "verdict": "true_positive", "actor": "ann"})
    assert (response.status_code, kind(response)) == (404, "unknown-alert")


# --- several alerts


def test_each_of_several_alerts_is_changed_or_told_why_not(api, settings, patch, write, make_alert):
    write("alerts", *[make_alert(number) for number in (1, 2, 3)])
    patch(2, status="resolved")
    body = {"ids": [id_of(1), "nope", id_of(2), id_of(3), id_of(1)], "status": "acknowledged", "actor": "ann"}
    response = api("PATCH", "/alerts", json=body, headers={"Idempotency-Key": "k"})
    assert response.status_code == 200
    results = response.json()["results"]
    told = [(one["alert_id"], one["status"], one["problem"] and one["problem"]["status"]) for one in results]
    assert told == [
        (id_of(1), "acknowledged", None), ("nope", None, 404), (id_of(2), "resolved", 409), (id_of(3), "acknowledged", None),
    ]  # fmt: skip
    assert DeltaTable(f"{settings.lake}/alert_changes").version() == 2  # made, one change, one commit for all
    again = api("PATCH", "/alerts", json=body, headers={"Idempotency-Key": "k"}).json()["results"]
    assert [one["is_replay"] for one in again] == [True, False, False, True]
    assert [one["change_id"] for one in again] == [one["change_id"] for one in results]
    assert n_changes(settings) == 3


@pytest.mark.parametrize("ids", [[], ["x"] * 501, "x", [1], ["x" * 201]])
def test_unusable_list_of_alerts_is_refused(api, ids):
    assert api("PATCH", "/alerts", json={"ids": ids, "status": "resolved"}).status_code == 422


def test_bulk_of_the_largest_size_fits(api, write, make_alert):
    write("alerts", *[make_alert(number) for number in range(500)])
    body = {"ids": [id_of(number) for number in range(500)], "note": "\N{ROCKET}" * 10_000}
    results = api("PATCH", "/alerts", json=body).json()["results"]
    assert [one["problem"] for one in results] == [None] * 500


# --- against a plain model


statuses = st.none() | st.sampled_from(AlertStatus)
assignees = st.sampled_from([UNCHANGED, None, "ann", "bob"])


def test_any_sequence_of_changes_gives_the_status_of_a_plain_model(settings_of_test, write, make_alert):
    stores = [Store(settings_of_test), Store(settings_of_test)]  # two processes that take turns
    write("alerts", *[make_alert(number) for number in range(3)])
    model = {number: ("open", None, 0) for number in range(3)}
    steps = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), statuses, assignees), max_size=8)

    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(steps)
    def check(sequence):
        for number, writer, status, assignee in sequence:
            wanted = WantedChange("ann", status, assignee)
            before, holder, n_made = model[number]
            if status is not None and status not in TRANSITIONS[AlertStatus(before)]:
                with pytest.raises(TransitionError):
                    change_alert(stores[writer], id_of(number), wanted, now=NOON)
                continue
            after = (str(status or before), holder if assignee is UNCHANGED else assignee, n_made + 1)
            change_alert(stores[writer], id_of(number), wanted, now=NOON)
            model[number] = after
        for store in stores:
            for number, expected in model.items():
                alert = store.alert(id_of(number))
                assert (alert.status, alert.assignee, len(alert.history)) == expected
            page = {int(alert.alert_id, 16): alert.status for alert in store.alerts(AlertFilter()).alerts}
            assert page == {number: status for number, (status, *_) in model.items()}

    check()


@pytest.fixture
def settings_of_test(settings):
    return settings


# --- the table


def test_table_of_an_earlier_version_is_refused_by_name(api, settings, patch, write, make_alert):
    write("alerts", make_alert(1))
    kept = [name for name in ALERT_CHANGES.names if name != "assignee"]
    write_deltalake(f"{settings.lake}/alert_changes", pa.schema([ALERT_CHANGES.field(n) for n in kept]).empty_table())
    for response in (api.get("/alerts"), api.get(f"/alerts/{id_of(1)}"), patch(1, status="resolved")):
        assert (response.status_code, kind(response)) == (503, "lake-unavailable")
        assert "alert_changes lacks assignee; it was made by another version" in response.json()["detail"]


def test_changes_made_elsewhere_show_at_once(api, settings, write, make_alert):
    write("alerts", make_alert(1))
    other = Store(settings)
    assert api.ok(f"/alerts/{id_of(1)}")["status"] == "open"
    for status in ("acknowledged", "open", "resolved"):
        change_alert(other, id_of(1), WantedChange("ann", AlertStatus(status)), now=NOON)
        assert api.ok(f"/alerts/{id_of(1)}")["status"] == status


def test_many_small_files_become_one_and_no_change_is_lost(api, settings, patch, write, make_alert, monkeypatch):
    monkeypatch.setattr("api.journal._FILES_BEFORE_COMPACTION", 5)
    write("alerts", make_alert(1))
    for number in range(12):
        assert patch(1, note=f"{number}").status_code == 200
    assert len(DeltaTable(f"{settings.lake}/alert_changes").file_uris()) < 5
    for reader in (api, Client(create_app(settings))):
        notes = [change["note"] for change in reader.ok(f"/alerts/{id_of(1)}")["history"]]
        assert notes == [f"{number}" for number in range(12)]
