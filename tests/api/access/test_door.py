import asyncio
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from api.access.keys import list_keys, revoke_key
from api.app import create_app
from pipelines.schemas.access import Role
from tests.api.conftest import Client

NOW = datetime.now(UTC)
ID = f"{1:064x}"


def kind(response):
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["type"].removeprefix("urn:logster:problem:")


def test_key_opens_by_either_header(keyed, write, make_alert):
    write("alerts", make_alert(1))
    client = keyed()
    assert client.ok("/alerts")["alerts"][0]["alert_id"] == ID
    plain = Client(client.app)
    assert plain.get("/alerts", headers={"X-API-Key": client.key}).status_code == 200
    assert plain.get("/alerts", headers={"authorization": f"bearer  {client.key} "}).status_code == 200
    both = {"X-API-Key": client.key, "Authorization": f"Bearer {client.key}"}
    assert plain.get("/alerts", headers=both).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"X-API-Key": ""}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer lgs_000000000000_" + "0" * 64}, {"X-API-Key": b"\xff\xfe"}, {"X-API-Key": "null"},
    ],
)  # fmt: skip
def test_without_a_key_of_ours_nothing_is_told(keyed, write, make_alert, headers):
    write("alerts", make_alert(1))
    stranger = Client(keyed().app)
    for method, path in [("GET", "/alerts"), ("GET", f"/alerts/{ID}"), ("GET", "/metrics"), ("PATCH", f"/alerts/{ID}"),
                         ("POST", "/feedback"), ("GET", "/nothing"), ("GET", "/health/"), ("DELETE", "/alerts")]:  # fmt: skip
        response = stranger(method, path, headers=headers, json={"status": "resolved"})
        assert kind(response) == (401, "unauthenticated"), (method, path)
        assert response.headers["www-authenticate"].startswith('Bearer realm="logster"')


def test_wrong_key_is_told_from_none_as_oauth_clients_expect(keyed):
    stranger = Client(keyed().app)
    assert stranger.get("/alerts").headers["www-authenticate"] == 'Bearer realm="logster"'
    wrong = stranger.get("/alerts", headers={"X-API-Key": "lgs_000000000000_" + "0" * 64})
    assert wrong.headers["www-authenticate"] == 'Bearer realm="logster", error="invalid_token"'


def test_key_in_the_address_is_none(keyed):
    client = keyed()
    for name in ("key", "api_key", "access_token", "X-API-Key"):
        assert kind(Client(client.app).get("/alerts", params={name: client.key})) == (401, "unauthenticated")


def test_two_keys_in_one_request_are_refused(keyed):
    one, other = keyed(), keyed("globex")
    assert kind(one.get("/alerts", headers={"X-API-Key": other.key})) == (401, "unauthenticated")


def test_expired_and_revoked_keys_open_nothing_and_say_why(keyed, settings):
    late = keyed(name="late", now=NOW - timedelta(days=2), expires_at=NOW - timedelta(days=1))
    assert kind(late.get("/alerts")) == (401, "unauthenticated")
    assert "expired" in late.get("/alerts").json()["detail"]
    client = keyed(name="wall")
    assert client.get("/alerts").status_code == 200
    revoke_key(settings, next(key.key_id for key in list_keys(settings) if key.name == "wall"), now=NOW)
    assert "revoked" in client.get("/alerts").json()["detail"]
    assert kind(client.get("/health")) == (
        401,
        "unauthenticated",
    )  # what is shown must be right, also where none is needed


def test_key_that_expires_opens_until_then(keyed):
    assert keyed(expires_at=NOW + timedelta(days=1)).get("/alerts").status_code == 200


def test_readers_only_look_and_analysts_work(keyed, write, make_alert):
    write("alerts", make_alert(1))
    requests = [
        ("PATCH", f"/alerts/{ID}", {"note": "x"}),
        ("PATCH", "/alerts", {"ids": [ID], "note": "x"}),
        ("POST", "/feedback", {"alert_id": ID, "verdict": "true_positive"}),
    ]
    reader = keyed()
    for method, path, body in requests:
        assert kind(reader(method, path, json=body)) == (403, "forbidden"), path
    assert reader.ok(f"/alerts/{ID}")["history"] == []
    for role in (Role.ANALYST, Role.ADMIN):
        assert [keyed(role=role)(method, path, json=body).status_code for method, path, body in requests] == [
            200,
            200,
            201,
        ]


def test_changes_are_made_in_the_name_of_the_key(keyed, write, make_alert):
    write("alerts", make_alert(1))
    ann = keyed(role=Role.ANALYST, name="ann")
    for body in ({"note": "a"}, {"note": "b", "actor": "ann"}):
        assert ann("PATCH", f"/alerts/{ID}", json=body).status_code == 200
        assert ann("PATCH", "/alerts", json={**body, "ids": [ID]}).status_code == 200
        assert (
            ann("POST", "/feedback", json={"alert_id": ID, "verdict": "true_positive", "actor": "ann"}).status_code
            == 201
        )
    for method, path, body in [("PATCH", f"/alerts/{ID}", {"note": "c"}), ("PATCH", "/alerts", {"note": "c", "ids": [ID]}),
                               ("POST", "/feedback", {"alert_id": ID, "verdict": "true_positive"})]:  # fmt: skip
        assert kind(ann(method, path, json={**body, "actor": "bob"})) == (403, "other-actor")
    alert = ann.ok(f"/alerts/{ID}")
    assert {one["actor"] for one in alert["history"] + alert["feedback"]} == {"ann"}
    assert len(alert["history"]) == 4


def test_health_needs_no_key_and_tells_little_without(keyed, write, make_alert):
    write("alerts", make_alert(1))
    one, every = keyed(), keyed(None)
    nothing = {"status": "ok", "tables": None, "event_time": None, "ingested": None, "scored": None, "alerted": None}
    assert Client(one.app).ok("/health") == one.ok("/health") == nothing
    assert every.ok("/health")["alerted"]["newest"] == "2026-03-01T12:00:00Z"


def test_metrics_are_for_keys_of_all_tenants(keyed):
    assert "logster_lake_readable" in keyed(None).get("/metrics").text
    assert kind(keyed().get("/metrics")) == (403, "forbidden")


def test_documentation_is_open(keyed):
    stranger = Client(keyed().app)
    assert [stranger.get(path).status_code for path in ("/docs", "/openapi.json")] == [200, 200]
    paths = stranger.ok("/openapi.json")["paths"]
    unguarded = [path for path, operations in paths.items() for one in operations.values() if "security" not in one]
    assert unguarded == ["/health"]


# --- without keys


def test_first_key_closes_the_door_of_a_running_process(keyed, settings):
    stranger = Client(create_app(settings))
    assert stranger.get("/alerts").status_code == 200
    keyed()
    assert kind(stranger.get("/alerts")) == (401, "unauthenticated")


def test_without_keys_others_are_not_answered_whatever_started_the_process(settings):
    for host in ("0.0.0.0", "10.0.0.1"):
        client = Client(create_app(settings.model_copy(update={"api_host": host})))
        assert kind(client.get("/alerts")) == (401, "unauthenticated")
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"}, {"Host": "logster.internal:8080"}, {"Host": "127.0.0.1.evil.example"}, {"Host": ""},
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost.evil.example:8080"},
        {"Host": "[::1"}, {"Origin": "http://["}, {"Forwarded": "for=127.0.0.1"}, {"Via": "1.1 proxy"},
        {"X-Forwarded-For": "127.0.0.1"}, {"X-Real-IP": "127.0.0.1"}, {"X-Forwarded-Host": "localhost"},
    ],
)  # fmt: skip
def test_without_keys_neither_a_foreign_page_nor_a_proxy_is_answered(api, headers):
    assert kind(api.get("/alerts", headers=headers)) == (403, "forbidden")


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "LOCALHOST"])
def test_without_keys_this_machine_is_answered_by_its_names(api, host):
    assert api.get("/alerts", headers={"Host": host, "Origin": f"http://{host}"}).status_code == 200


def test_unreadable_keys_open_nothing(keyed, settings):
    client = keyed()
    for commit in Path(settings.api_keys_path, "_delta_log").glob("*.json"):
        commit.write_text("not a commit")
    for path in ("/alerts", "/health"):
        assert kind(client.get(path)) == (503, "lake-unavailable")
        assert settings.lake not in client.get(path).text


def test_without_keys_another_machine_is_not_answered_whatever_serves(settings):
    async def ask(address: str) -> httpx.Response:
        transport = httpx.ASGITransport(create_app(settings), client=(address, 5))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get("/alerts")

    assert asyncio.run(ask("127.0.0.1")).status_code == 200
    assert kind(asyncio.run(ask("10.0.0.9"))) == (403, "forbidden")


def test_named_table_without_keys_opens_nothing(settings, tmp_path):
    stranger = Client(create_app(settings.model_copy(update={"api_keys": str(tmp_path / "typo")})))
    assert kind(stranger.get("/alerts")) == (401, "unauthenticated")


def test_places_of_the_lake_are_told_to_keys_of_all_tenants_only(keyed, settings, write, make_alert):
    write("alerts", make_alert(1))
    one, every = keyed(), keyed(None)
    shutil.rmtree(Path(settings.lake, "alerts", "_delta_log"))
    Path(settings.lake, "alerts", "_delta_log").mkdir()
    Path(settings.lake, "alerts", "_delta_log", f"{0:020}.json").write_text("not a commit")
    for client in (one, Client(one.app)):
        assert kind(client.get("/health")) == (503, "lake-unavailable")
        assert settings.lake not in client.get("/health").text
    assert kind(one.get("/alerts")) == (503, "lake-unavailable")
    assert settings.lake not in one.get("/alerts").text
    assert settings.lake in every.get("/alerts").json()["detail"]


# --- the audit log


def test_writes_are_noted_with_the_key_and_what_became_of_them(keyed, settings, write, make_alert):
    write("alerts", make_alert(1))
    reader, ann = keyed(name="wall"), keyed(role=Role.ANALYST, name="ann")
    stranger = Client(ann.app)
    ids = {key.name: key.key_id for key in list_keys(settings)}
    with capture_logs() as logs:
        ann.get("/alerts")
        for client in (ann, reader, stranger):
            client("PATCH", f"/alerts/{ID}", json={"note": "whispered"})
        ann("POST", "/feedback%0aall%20is%20well", json={})
    found = [{name: one[name] for name in ("name", "key_id", "tenant", "path", "status")} for one in logs]
    path = f"/alerts/{ID}"
    assert found == [
        {"name": "ann", "key_id": ids["ann"], "tenant": "acme", "path": path, "status": 200},
        {"name": "wall", "key_id": ids["wall"], "tenant": "acme", "path": path, "status": 403},
        {"name": None, "key_id": None, "tenant": None, "path": path, "status": 401},
        {"name": "ann", "key_id": ids["ann"], "tenant": "acme", "path": "/feedback%0aall%20is%20well", "status": 404},
    ]
    assert {one["address"] for one in logs} == {"127.0.0.1"}
    assert "whispered" not in json.dumps(logs)
    assert ann.key not in json.dumps(logs)
