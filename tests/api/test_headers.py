"""Headers that every answer has, whatever becomes of the request."""

import asyncio

import httpx
import pytest

from api.app import create_app
from pipelines.schemas.access import Role
from tests.api.conftest import Client

ID = f"{1:064x}"


def assert_secure(response):
    headers = response.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    policy = headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} <= set(policy)


@pytest.mark.parametrize(
    ("status", "method", "path", "more"),
    [
        (200, "GET", "/alerts", {}),
        (200, "GET", f"/alerts/{ID}", {}),
        (200, "PATCH", f"/alerts/{ID}", {"json": {"note": "x"}}),
        (201, "POST", "/feedback", {"json": {"alert_id": ID, "verdict": "true_positive"}}),
        (200, "GET", "/health", {}),
        (200, "GET", "/metrics", {}),
        (200, "GET", "/docs", {}),
        (200, "GET", "/caller", {}),
        (200, "GET", f"/ui/alerts/{ID}", {}),
        (200, "GET", "/ui/static/alert.mjs", {}),
        (404, "GET", "/ui/static/nothing.mjs", {}),
        (200, "GET", "/openapi.json", {}),
        (400, "POST", "/feedback", {"content": b"\xff", "headers": {"content-type": "application/json"}}),
        (401, "GET", "/alerts", {"headers": {"Authorization": "Bearer none"}}),
        (404, "GET", "/alerts/unknown", {}),
        (404, "GET", "/nothing", {}),
        (405, "DELETE", "/alerts", {}),
        (413, "POST", "/feedback", {"content": b" " * 300_000}),
        (422, "GET", "/alerts", {"params": {"limit": 0}}),
    ],
)
def test_every_answer_has_them(keyed, write, make_alert, status, method, path, more):
    write("alerts", make_alert(1))
    response = keyed(None, Role.ANALYST)(method, path, **more)
    assert response.status_code == status
    assert_secure(response)


def test_refusals_without_keys_have_them(api):
    response = api.get("/alerts", headers={"Origin": "https://evil.example"})
    assert response.status_code == 403
    assert_secure(response)


def test_refusal_of_too_many_has_them(settings):
    client = Client(create_app(settings.model_copy(update={"api_requests_per_minute": 1})))
    client.get("/alerts", headers={"Host": "logster.example"})
    response = client.get("/alerts", headers={"Host": "logster.example"})
    assert response.status_code == 429
    assert_secure(response)


def test_errors_of_ours_have_them(settings):
    app = create_app(settings)
    app.state.store = None

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get("/alerts")

    response = asyncio.run(ask())
    assert (response.status_code, response.headers["content-type"]) == (500, "application/problem+json")
    assert_secure(response)


def test_only_pages_for_people_may_run_anything(api: Client):
    pages, others = ("/docs", f"/ui/alerts/{ID}"), ("/alerts", "/openapi.json", "/ui/static/alert.mjs")
    policies = {path: api.get(path).headers["content-security-policy"] for path in pages + others}
    assert [path for path, policy in policies.items() if "script-src" in policy] == list(pages)
