"""No tenant ever sees or changes what is another's: every route and parameter of the API's own description is tried.

A route or parameter that is not known here fails the suite: say what of another tenant's could be asked for by it.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from deltalake import DeltaTable
from fastapi.routing import APIRoute
from starlette.routing import Route

from api.access.door import is_open
from api.access.keys import create_key, list_keys
from api.app import create_app
from api.cursors import sealed
from api.store import AlertFilter, Store
from pipelines.schemas.access import Role
from pipelines.schemas.tables import table_named
from pipelines.settings import Settings
from tests.api.conftest import NOON, Client

OURS, THEIRS = "acme", "globex"
MARK = "globex"  # stands in everything of theirs, and in nothing of ours
OUR_ID, THEIR_ID, NO_ID = f"{1:064x}", f"{2:064x}", f"{3:064x}"
OUR_QUIET, THEIR_QUIET, NO_QUIET = "own-s1", f"{MARK}-s2", "none-s3"
OF_ALL_TENANTS = {"/metrics"}

DESCRIPTION = create_app(Settings(_env_file=None)).openapi()
OPERATIONS = [
    (path, method.upper(), operation)
    for path, operations in DESCRIPTION["paths"].items()
    for method, operation in operations.items()
]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    return DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def body_of(operation: dict[str, Any]) -> dict[str, Any]:
    if "requestBody" not in operation:
        return {}
    return resolved(operation["requestBody"]["content"]["application/json"]["schema"])["properties"]


@pytest.fixture
def lake(write, make_alert, make_score, make_event, api):
    """The same in both tenants: endpoints of one name, events of the same seconds; of theirs all is marked."""
    for number, tenant in ((1, OURS), (2, THEIRS)):
        mark = MARK if tenant == THEIRS else "own"
        alert = {
            "tenant": tenant, "model_version": mark, "ttp_techniques": ["T1059"], "ttp_explanations": [f"{mark} ran sh"],
            "related_endpoints": [f"{mark}-2"], "contributing_events": [{"event_id": f"{mark}-e1", "weight": 1.0, "summary": mark}],
        }  # fmt: skip
        write("alerts", make_alert(number, 3, **alert))
        write("alerts", *[make_alert(number * 100 + n, n, **alert, endpoint=f"{mark}-2") for n in range(3)])
        write("window_scores", *[make_score(m, tenant=tenant, model_version=mark) for m in range(3)])
        write(
            "events",
            *[
                make_event(
                    f"{mark}-e{n}", n, tenant=tenant, command_line=f"{mark} {n}", process_key=f"p{n}", parent_key="p0"
                )
                for n in range(5)
            ],
        )
        api("PATCH", f"/alerts/{number:064x}", json={"note": f"{mark} note", "assignee": f"{mark}-ann"})
        api("POST", "/feedback", json={"alert_id": f"{number:064x}", "verdict": "true_positive", "comment": mark})
        write("suppressions", {
            "suppression_id": f"{mark}-s{number}", "tenant": tenant, "endpoint": f"{mark}-9", "max_severity": "HIGH",
            "reason": mark, "starts_at": NOON, "expires_at": NOON + timedelta(days=1), "actor": f"{mark}-ann", "created_at": NOON,
        })  # fmt: skip


@pytest.fixture
def ours(lake, keyed) -> Client:
    return keyed(OURS, Role.ADMIN, name="own-key")


@pytest.fixture
def their_cursors(lake, settings) -> list[str]:
    """Cursors of pages of theirs, and of all tenants'."""
    store = Store(settings)
    queues = [store.of(tenant).alerts(AlertFilter(), limit=1).next_cursor for tenant in (THEIRS, None)]
    endpoints = [store.of(tenant).endpoints(limit=1).next_cursor for tenant in (THEIRS, None)]
    quiet = [sealed(0, THEIR_QUIET), sealed(2**62, "")]
    found = [cursor for cursor in queues + endpoints + quiet if cursor]
    assert len(found) == 6
    return found


def theirs(settings: Settings) -> dict[str, Any]:
    """All rows of theirs in what the API writes, and all keys that are not ours."""
    return {
        name: DeltaTable(f"{settings.lake}/{name}").to_pyarrow_table(filters=[("tenant", "=", THEIRS)]).to_pylist()
        for name in ("alert_changes", "feedback", "suppressions")
    } | {"keys": [key for key in list_keys(settings) if key.tenant != OURS]}


@pytest.fixture
def keys(settings) -> dict[str, str]:
    """The id of a key of each tenant; theirs is marked."""
    return {
        tenant: create_key(settings, name=f"{tenant}-key", tenant=tenant, role=Role.READER, now=NOON)[0].key_id
        for tenant in (OURS, THEIRS)
    }


VALUES: dict[str, list[Any]] = {
    "tenant": [THEIRS, THEIRS.upper(), f"{OURS},{THEIRS}", "%", "*", "", f"{OURS}' OR tenant = '{THEIRS}"],
    "endpoint": [f"{MARK}-2", "web-1", "%"],
    "technique": ["T1059", "%"],
    "status": ["open", "acknowledged"],
    "severity": ["HIGH"],
    "from": ["2026-01-01T00:00:00Z"],
    "to": ["2027-01-01T00:00:00Z"],
    "limit": [1, 500],
    "cursor": [],  # those of `their_cursors`
    "key_id": [],  # those of `keys`
    "max_nodes": [500],
    "around_minutes": [1440],
    "alert_id": [THEIR_ID, THEIR_ID.upper(), f"{OUR_ID},{THEIR_ID}", f"..%2f{THEIR_ID}", "%25"],
    "suppression_id": [THEIR_QUIET, THEIR_QUIET.upper(), f"{OUR_QUIET},{THEIR_QUIET}", "%25"],
    "suppressed": ["false", "true", "all"],
    "state": ["active", "expired"],
    "max_events": [500],
    "idempotency-key": ["k1"],
    "if-match": ["*"],
}
"""What of theirs, or of everybody's, each parameter could ask for."""

BODIES: dict[str, list[Any]] = {
    "alert_id": [THEIR_ID],
    "ids": [[THEIR_ID], [THEIR_ID, OUR_ID, NO_ID]],
    "status": ["acknowledged"],
    "assignee": ["ann"],
    "note": ["x"],
    "actor": [f"{MARK}-ann"],
    "verdict": ["false_positive"],
    "comment": ["x"],
    "name": ["x"],
    "tenant": [THEIRS, THEIRS.upper(), None, OURS.upper()],
    "role": ["admin"],
    "days": [0],
    "endpoint": ["web-1"],
    "technique": ["T1059"],
    "rule_id": ["r1"],
    "max_severity": ["CRITICAL"],
    "reason": ["x"],
    "minutes": [129_600],
    "back_minutes": [10_080],
}
"""The same of each member of a body."""

LEAST_BODY = {
    "/alerts": {"ids": [OUR_ID], "note": "x"}, "/alerts/{alert_id}": {"note": "x"},
    "/feedback": {"alert_id": OUR_ID, "verdict": "true_positive"}, "/keys": {"name": "x", "tenant": OURS},
    "/suppressions": {"tenant": OURS, "endpoint": "web-1", "reason": "x", "minutes": 1},
}  # fmt: skip


def requests_of(
    path: str, method: str, operation: dict[str, Any], cursors: list[str], keys: dict[str, str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every request of an operation in which one value is another's: its path, and what else httpx takes."""
    body = dict(LEAST_BODY[path]) if "requestBody" in operation else None
    own = path.replace("{alert_id}", OUR_ID).replace("{key_id}", keys[OURS]).replace("{suppression_id}", OUR_QUIET)
    yield own, {"json": body} if body else {}
    for parameter in operation.get("parameters", []):
        name, place = parameter["name"], parameter["in"]
        values = {"cursor": cursors, "key_id": [keys[THEIRS], keys[THEIRS].upper()]}.get(name)
        for value in VALUES[name.lower()] if values is None else values:
            more: dict[str, Any] = {"json": body} if body else {}
            if place == "path":
                yield path.replace(f"{{{name}}}", value), more
            else:
                yield own, {**more, {"query": "params", "header": "headers"}[place]: {name: value}}
    for name in body_of(operation):
        for value in BODIES[name]:
            yield own, {"json": {**(body or {}), name: value}}


def test_every_route_is_described_or_open_to_all():
    """What is not in the description would not be tried here."""
    for part in create_app(Settings(_env_file=None)).routes:
        if isinstance(part, Route):
            assert is_open(part.path)
        else:
            described = [
                isinstance(route, APIRoute) and route.include_in_schema for route in part.original_router.routes
            ]
            assert described
            assert all(described)
    assert len(OPERATIONS) > 8


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=[f"{m} {p}" for p, m, _ in OPERATIONS])
def test_nothing_of_another_tenant_is_shown_or_changed(ours, settings, their_cursors, keys, path, method, operation):
    before = theirs(settings)
    n_asked = 0
    for asked, more in requests_of(path, method, operation, their_cursors, keys):
        response = ours(method, asked, **more)
        n_asked += 1
        assert response.status_code < 500, (asked, more, response.text)
        if path in OF_ALL_TENANTS:
            assert response.status_code == 403
        if response.status_code < 400:
            shown = response.text
            results = response.json().get("results") if method == "PATCH" and path == "/alerts" else None
            for one in results or []:  # whose id was asked for by ourselves, is told as unknown
                if one["alert_id"] == THEIR_ID:
                    assert one["problem"]["type"].endswith("unknown-alert")
                    assert one["status"] is None
            assert MARK not in shown, (asked, more)
            assert results is not None or THEIR_ID not in shown, (asked, more)
    assert n_asked
    assert theirs(settings) == before


@pytest.mark.parametrize(
    ("path", "method", "operation"),
    [one for one in OPERATIONS if "{alert_id}" in one[0] or "alert_id" in body_of(one[2])],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_tenants_id_is_answered_as_an_unknown_one(ours, path, method, operation):
    answers = []
    for alert_id in (THEIR_ID, NO_ID):
        body = (
            {**LEAST_BODY[path], **({"alert_id": alert_id} if path == "/feedback" else {})}
            if "requestBody" in operation
            else None
        )
        response = ours(method, path.replace("{alert_id}", alert_id), json=body, headers={"If-Match": '"1.2.3"'})
        answers.append(
            (response.status_code, response.text.replace(alert_id, "…"), {**response.headers, "content-length": ""})
        )
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_another_tenants_suppression_is_answered_as_an_unknown_one(ours, settings, method):
    before, answers = theirs(settings), []
    for suppression_id in (THEIR_QUIET, NO_QUIET):
        response = ours(method, f"/suppressions/{suppression_id}")
        headers = {**response.headers, "content-length": ""}
        answers.append((response.status_code, response.text.replace(suppression_id, "…"), headers))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404
    assert theirs(settings) == before


def test_a_suppression_quiets_no_other_tenants_alerts_of_the_same_endpoint(lake, write, keyed):
    """And nobody makes one for another tenant."""
    body = {"endpoint": "web-1", "reason": "x", "minutes": 1}
    assert keyed(OURS, Role.ANALYST)("POST", "/suppressions", json={"tenant": THEIRS, **body}).status_code == 403
    write("suppressions", {
        "suppression_id": "all-of-web-1", "tenant": OURS, "endpoint": "web-1", "max_severity": "CRITICAL", "reason": "x",
        "starts_at": NOON, "expires_at": NOON + timedelta(days=1), "actor": "own-ann", "created_at": NOON,
    })  # fmt: skip
    assert len(keyed(OURS).ok("/alerts")["alerts"]) == 3
    assert keyed(OURS).ok(f"/alerts/{OUR_ID}")["suppressed_by"] == "all-of-web-1"
    assert len(keyed(THEIRS).ok("/alerts")["alerts"]) == 4
    assert keyed(THEIRS).ok(f"/alerts/{THEIR_ID}")["suppressed_by"] is None
    assert [one["tenant"] for one in keyed(THEIRS).ok("/suppressions")["suppressions"]] == [THEIRS]


def test_the_bulk_change_tells_another_tenants_id_as_an_unknown_one(ours):
    results = ours("PATCH", "/alerts", json={"ids": [THEIR_ID, NO_ID], "note": "x"}).json()["results"]
    told = [json.dumps(one).replace(one["alert_id"], "…") for one in results]
    assert told[0] == told[1]


def test_each_tenant_sees_all_of_its_own(lake, keyed):
    for tenant, mark in ((OURS, "own"), (THEIRS, MARK)):
        client, number = keyed(tenant), 1 if tenant == OURS else 2
        queue = client.ok("/alerts")["alerts"]
        assert [alert["tenant"] for alert in queue] == [tenant] * 4
        assert client.ok("/alerts", tenant=tenant)["alerts"] == queue
        alert = client.ok(f"/alerts/{number:064x}")
        assert [one["note"] for one in alert["history"]] == [f"{mark} note"]
        assert [one["comment"] for one in alert["feedback"]] == [mark]
        events = client.ok(f"/alerts/{number:064x}/events")["events"]
        assert {event["tenant"] for event in events} == {tenant}
        assert {event["command_line"].split()[0] for event in events} == {mark}
        windows = client.ok(f"/alerts/{number:064x}/timeline")["windows"]
        assert [window["model_version"] for window in windows] == [mark] * 3
        endpoints = client.ok("/endpoints")["endpoints"]
        assert [(one["tenant"], one["endpoint"], one["n_alerts"]) for one in endpoints] == [
            (tenant, f"{mark}-2", 3),
            (tenant, "web-1", 1),
        ]


def test_key_of_all_tenants_sees_all_and_may_filter(lake, keyed):
    client = keyed(None)
    assert {alert["tenant"] for alert in client.ok("/alerts")["alerts"]} == {OURS, THEIRS}
    assert {alert["tenant"] for alert in client.ok("/alerts", tenant=THEIRS)["alerts"]} == {THEIRS}


def test_what_one_tenant_was_shown_is_not_kept_for_the_next(lake, keyed):
    one, other, every = keyed(OURS), keyed(THEIRS), keyed(None)
    for _ in range(2):
        for client, tenants in ((one, {OURS}), (other, {THEIRS}), (every, {OURS, THEIRS})):
            assert {endpoint["tenant"] for endpoint in client.ok("/endpoints")["endpoints"]} == tenants


def test_tenants_that_ask_at_once_see_their_own_only(lake, keyed):
    clients = [(keyed(tenant), tenant) for tenant in (OURS, THEIRS)]

    def ask(number: int) -> tuple[str, set[str]]:
        client, tenant = clients[number % 2]
        found = client.ok("/alerts")["alerts"] + client.ok("/endpoints")["endpoints"]
        return tenant, {row["tenant"] for row in found}

    with ThreadPoolExecutor(8) as pool:
        assert [seen for tenant, seen in pool.map(ask, range(32)) if seen != {tenant}] == []


def test_request_id_of_another_tenants_change_is_a_new_one_here(ours, keyed, settings):
    """The same Idempotency-Key, If-Match and body as theirs: neither replayed nor refused, and theirs stays as it is."""
    ann = keyed(THEIRS, Role.ANALYST, name="own-key")
    key = {"Idempotency-Key": "k1"}
    first = ann("PATCH", f"/alerts/{THEIR_ID}", json={"status": "acknowledged"}, headers=key)
    before = theirs(settings)
    for alert_id, status in ((THEIR_ID, 404), (OUR_ID, 200)):
        again = ours("PATCH", f"/alerts/{alert_id}", json={"status": "acknowledged"}, headers=key)
        assert again.status_code == status
        assert "idempotency-replayed" not in again.headers
    etag = {"If-Match": first.headers["etag"]}
    assert ours("PATCH", f"/alerts/{THEIR_ID}", json={"note": "x"}, headers=etag).status_code == 404
    assert theirs(settings) == before


# --- the data layer by itself


def test_every_table_that_is_asked_tells_its_tenant():
    for name in ("alerts", "alert_changes", "feedback", "suppressions", "events", "window_scores"):
        assert "tenant" in table_named(name).schema.names


def test_bound_queries_see_no_other_rows_whatever_they_ask(lake, settings):
    bound = Store(settings).of(OURS).queries
    for name in ("alerts", "alert_changes", "feedback", "suppressions"):
        rows = bound.table("alert_counts", {}, ("alerts", "alert_changes", "suppressions"))
        assert sum(rows["n_alerts"].to_pylist()) == 4
        if name != "alerts":
            assert set(bound.written(name)["tenant"].to_pylist()) == {OURS}
    assert bound.row("alerts", "alert_id", THEIR_ID) is None
    assert bound.row("alerts", "alert_id", OUR_ID) is not None
    span = {"tenant": THEIRS, "endpoint": "web-1", "first": NOON - timedelta(days=1), "last": NOON + timedelta(days=1)}
    assert bound.rows("processes", {**span, "contributing": [], "limit": 10}, ("events",)) == []
    assert bound.bound_to(OURS).tenant == OURS
    for wider in (None, THEIRS):
        with pytest.raises(RuntimeError, match="bound to a tenant already"):
            bound.bound_to(wider)


def test_bound_queries_write_no_row_of_another_tenant(lake, settings):
    bound, before = Store(settings).of(OURS).queries, theirs(settings)
    row = {**before["feedback"][0], "feedback_id": "new"}
    with pytest.raises(RuntimeError, match="another tenant than 'acme'"):
        bound.append("feedback", lambda _: [row])
    assert theirs(settings) == before
