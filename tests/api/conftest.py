import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.access.keys import create_key
from api.app import create_app
from pipelines.schemas.access import Role
from pipelines.settings import Settings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Client:
    """Asks the application in this process; an exception that escapes it fails the test."""

    def __init__(self, app: FastAPI, key: str | None = None) -> None:
        self.app = app
        self.key = key

    def __call__(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        if self.key is not None:
            kwargs["headers"] = {"Authorization": f"Bearer {self.key}", **(kwargs.get("headers") or {})}

        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(self.app), base_url="http://localhost"
            ) as client:
                return await client.request(method, path, **kwargs)

        return asyncio.run(ask())

    def get(self, path: str, **kwargs: Any) -> httpx.Response:
        return self("GET", path, **kwargs)

    def ok(self, path: str, **params: Any) -> Any:
        response = self.get(path, params=params)
        assert response.status_code == 200, response.text
        return response.json()


@pytest.fixture
def api(settings: Settings) -> Client:
    return Client(create_app(settings))


@pytest.fixture
def keyed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Client]:
    """A client with a key of its own; the same application for all, which looks for new keys at every request."""
    monkeypatch.setattr("api.access.keys._LOOK_SECONDS", 0.0)
    app = create_app(settings)

    def make(tenant: str | None = "acme", role: Role = Role.READER, *, name: str = "wall", **when: Any) -> Client:
        made = create_key(settings, name=name, tenant=tenant, role=role, **{"now": datetime.now(UTC), **when})
        return Client(app, made[1])

    return make


@pytest.fixture
def patch(api: Client) -> Callable[..., httpx.Response]:
    """Change the alert of a number, as ann."""

    def change(number: int, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        return api("PATCH", f"/alerts/{number:064x}", json={"actor": "ann", **body}, headers=headers)

    return change


@pytest.fixture
def make_alert() -> Callable[..., dict[str, Any]]:
    """An alert's row; `minute` is when it was last seen."""

    def make(number: int, minute: int = 0, **columns: Any) -> dict[str, Any]:
        seen = NOON + timedelta(minutes=minute)
        return {
            "alert_id": f"{number:064x}", "tenant": "acme", "endpoint": "web-1", "platform": "linux",
            "severity": "HIGH", "attack_prob": 0.9, "anchor_start": seen - timedelta(minutes=3),
            "first_seen": seen - timedelta(minutes=3), "last_seen": seen, "window_count": 1, "model_name": "logster-linux",
            "model_version": "1", "ttp_techniques": [], "ttp_tactics": [], "ttp_explanations": [],
            "related_endpoints": [], "contributing_events": [{"event_id": "e1", "weight": 0.5, "summary": "sh ran id"}],
            "created_at": seen, "updated_at": seen, **columns,
        }  # fmt: skip

    return make


@pytest.fixture
def make_score() -> Callable[..., dict[str, Any]]:
    """A window's score."""

    def make(minute: int = 0, **columns: Any) -> dict[str, Any]:
        start = NOON + timedelta(minutes=minute)
        return {
            "tenant": "acme", "endpoint": "web-1", "platform": "linux", "window_start": start,
            "window_end": start + timedelta(minutes=3), "model_name": "logster-linux", "model_version": "1",
            "role": "champion", "attack_prob": 0.1, "verdict": "benign", "contributing_events": [], "n_nodes": 1,
            "n_edges": 1, "scored_at": start + timedelta(minutes=4), **columns,
        }  # fmt: skip

    return make


@pytest.fixture
def make_event() -> Callable[..., dict[str, Any]]:
    """An event of the endpoint that `make_alert` alerts on."""

    def make(event_id: str, second: float = 0, **columns: Any) -> dict[str, Any]:
        ts = NOON + timedelta(seconds=second)
        return {
            "event_id": event_id, "tenant": "acme", "endpoint": "web-1", "platform": "linux", "ts": ts, "ingested_at": ts,
            "source": "auditd", "provider": "auditd", "event_code": "SYSCALL", "category": "process",
            "action": "process_created", "record_id": f"r{event_id}", "record_ids": [f"r{event_id}"], "parser_version": "1",
            **columns,
        }  # fmt: skip

    return make
