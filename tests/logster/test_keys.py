"""`logster keys`, and what the API's process says before it listens."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

WRITTEN = re.compile(r"lgs_[0-9a-f]{12}_[0-9a-f]{64}\n")


def test_key_is_printed_once_listed_without_secret_and_revoked(logster):
    made = logster("keys", "create", "wall of the SOC", "--tenant", "acme", "--role", "analyst", "--days", "30")
    assert made.returncode == 0, made.stderr
    assert WRITTEN.fullmatch(made.stdout), "nothing but the key, for $(…)"
    key_id, secret = made.stdout.strip().split("_")[1:]
    assert key_id in made.stderr
    assert secret not in made.stderr
    listed = logster("keys", "list", "--json")
    (key,) = map(json.loads, listed.stdout.splitlines())
    assert {name: key[name] for name in ("key_id", "name", "tenant", "role", "state", "revoked_at")} == {
        "key_id": key_id, "name": "wall of the SOC", "tenant": "acme", "role": "analyst", "state": "valid", "revoked_at": None,
    }  # fmt: skip
    assert secret not in listed.stdout + logster("keys", "list").stdout
    assert logster("keys", "revoke", key_id).returncode == 0
    assert json.loads(logster("keys", "list", "--json").stdout)["state"] == "revoked"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["create", "wall"], "--tenant NAME, or --all-tenants"),
        (["create", "wall", "--tenant", "a", "--all-tenants"], "--tenant NAME, or --all-tenants"),
        (["create", "wall", "--tenant", "a/b"], "tenant 'a/b'"),
        (["create", "two\nlines", "--all-tenants"], "cannot be called"),
        (["revoke", "123456789abc"], "no key '123456789abc'; `logster keys list`"),
    ],
)
def test_what_cannot_be_a_key_is_one_line(logster, arguments, told):
    ended = logster("keys", *arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert told in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert logster("keys", "list").stdout == "no keys\n"


@pytest.mark.parametrize("how", ["up", "serve"])
def test_api_that_others_reach_does_not_start_without_a_key(logster, tmp_path, how):
    if how == "up":
        ended = logster("up", LOGSTER_API_HOST="0.0.0.0")
    else:
        ended = subprocess.run(
            [sys.executable, "-m", "logster.serve"], cwd=tmp_path, env={**os.environ, "LOGSTER_API_HOST": "0.0.0.0"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("logster: LOGSTER_API_HOST is 0.0.0.0")
    assert "`logster keys create NAME`" in line


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Callable[..., httpx.Response]]:
    """A process of the API's own over the lake of `logster`: asks it for the queue, by a key where one is given."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path / "api.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "logster.serve"], cwd=tmp_path, stdout=output, stderr=output,
            env={**os.environ, "LOGSTER_API_PORT": str(port)},
        )  # fmt: skip

    def ask(key: str | None = None) -> httpx.Response:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx.get(f"http://127.0.0.1:{port}/alerts", headers=headers, timeout=30, trust_env=False)

    def is_up() -> bool:
        try:
            return bool(ask().status_code)
        except httpx.TransportError:
            return False

    try:
        until(is_up, within=60)
        yield ask
    finally:
        process.terminate()
        process.wait(30)
        sys.stdout.write(log.read_text())


def until(holds: Callable[[], bool], *, within: float) -> None:
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, f"not within {within:.0f} s"
        time.sleep(0.1)


def test_running_api_heeds_what_is_made_and_revoked_beside_it(logster, api):
    assert api().status_code == 200
    key = logster("keys", "create", "wall", "--tenant", "acme").stdout.strip()
    until(lambda: api().status_code == 401, within=5)
    assert api(key).status_code == 200
    other = logster("keys", "create", "other", "--tenant", "acme").stdout.strip()
    logster("keys", "revoke", key.split("_")[1])
    until(lambda: api(key).status_code == 401, within=5)
    assert "revoked" in api(key).json()["detail"]
    assert api(other).status_code == 200
    logster("keys", "revoke", other.split("_")[1])
    until(lambda: api(other).status_code == 401, within=5)
    assert api().status_code == 401, "with its last key gone the API stays closed"
