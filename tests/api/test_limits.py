"""Bodies that are too long or too slow, over real connections."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from pipelines.schemas.access import Role
from tests.api.conftest import Client

LONG = 30.0  # seconds; a busy machine


@contextmanager
def served(app: FastAPI) -> Iterator[tuple[str, int]]:
    """The application by the server that serves it, as it is set there."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, server_header=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield listening.getsockname()
        finally:
            server.should_exit = True
            thread.join()


def answer_to(
    address: tuple[str, int], client: Client, parts: list[bytes], *, pause: float
) -> tuple[int, dict[str, object]]:
    """What comes until the server closes the connection, while a body arrives in parts."""
    head = (
        f"POST /feedback HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {client.key}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    )
    with socket.create_connection(address, timeout=LONG) as connection:
        connection.sendall(head.encode())
        connection.settimeout(pause)
        got = b""
        for part in parts:
            try:
                got = connection.recv(65_536)
                break
            except TimeoutError:
                connection.sendall(part)
        connection.settimeout(LONG)
        while more := connection.recv(65_536):
            got += more
    status, _, rest = got.partition(b"\r\n")
    return int(status.split()[1]), json.loads(rest.partition(b"\r\n\r\n")[2])


def test_slow_body_is_refused_and_its_connection_closed(keyed, monkeypatch):
    monkeypatch.setattr("api.limits.ARRIVES_WITHIN", timedelta(seconds=0.5))
    client = keyed(None, Role.ANALYST)
    with served(client.app) as address:
        begun = time.monotonic()
        status, told = answer_to(address, client, [b" "] * 500, pause=0.1)
        assert time.monotonic() - begun < LONG
    assert (status, told["type"]) == (408, "urn:logster:problem:too-slow")


@pytest.mark.parametrize(("role", "status"), [(Role.READER, 403), (None, 401)])
def test_refused_request_is_not_kept_open_by_its_body(keyed, role, status):
    client = keyed(None, role) if role else Client(keyed().app, "none")
    with served(client.app) as address:
        assert answer_to(address, client, [b" "] * 500, pause=0.1)[0] == status


def test_body_that_arrives_in_parts_in_time_is_taken(keyed):
    client = keyed(None, Role.ANALYST)
    body = json.dumps({"alert_id": "0" * 64, "verdict": "true_positive"}).encode().ljust(1000)
    with served(client.app) as address:
        with socket.create_connection(address, timeout=LONG) as connection:
            head = (
                f"POST /feedback HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {client.key}\r\nConnection: close\r\n"
                "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
            )
            for part in (head.encode(), body[:10], body[10:500], body[500:]):
                connection.sendall(part)
                time.sleep(0.05)
            assert connection.recv(12) == b"HTTP/1.1 404"


def test_requests_without_a_body_keep_their_connection(settings):
    client = Client(create_app(settings.model_copy(update={"api_host": "10.0.0.1"})))
    response = client.get("/alerts")
    assert response.status_code == 401
    assert "connection" not in response.headers
