"""`logster collect` as a process: killed under load, stopped, started wrongly; no Spark."""

import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from pipelines.settings import Settings

KILLS = int(os.environ.get("LOGSTER_TEST_KILLS", "2"))
pytestmark = pytest.mark.e2e

LOGSTER = Path(sys.executable).with_name("logster")
TOKEN = "acme-0123456789abcdef"
SENDERS = 16


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def environment(settings: Settings, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LOGSTER_", "MLFLOW_"))}
    return kept | {
        "LOGSTER_LAKE": settings.lake, "LOGSTER_COLLECTOR_TOKENS": f"{TOKEN}=acme", "LOGSTER_COLLECTOR_COMMIT_INTERVAL": "PT0.05S",
    } | more  # fmt: skip


@contextmanager
def collecting(settings: Settings, port: int):
    command = [str(LOGSTER), "collect"]
    variables = environment(settings, LOGSTER_COLLECTOR_PORT=str(port))
    with subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and process.poll() is None:
                try:
                    httpx.get(f"http://127.0.0.1:{port}/services/collector/health", trust_env=False)
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            assert process.poll() is None, process.communicate()[1]
            yield process
        finally:
            process.kill()


class Load:
    """Senders that each send numbered lines, several a request, until the collector goes away."""

    def __init__(self, port: int, numbers: itertools.count) -> None:
        self.acknowledged: list[str] = []
        self._url, self._numbers = f"http://127.0.0.1:{port}/services/collector/event", numbers
        self._threads = [threading.Thread(target=self._send) for _ in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        with httpx.Client(trust_env=False, headers={"Authorization": f"Splunk {TOKEN}"}, timeout=30) as client:
            while True:
                lines = [f"type=CWD msg=audit(1700000000.000:{next(self._numbers)}): x" for _ in range(5)]
                body = "".join('{"event":"' + line + '"}' for line in lines)
                try:
                    answer = client.post(self._url, content=body)
                except httpx.TransportError:
                    return
                if answer.status_code == 200:
                    self.acknowledged += lines

    def wait(self) -> list[str]:
        for thread in self._threads:
            thread.join()
        return self.acknowledged


def landed(settings: Settings) -> Counter:
    files = Path(settings.landing_path).rglob("[!.]*.log")
    return Counter(itertools.chain.from_iterable(file.read_text().splitlines() for file in files))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_was_acknowledged_has_landed_once(settings: Settings, number: int) -> None:
    acknowledged, numbers = [], itertools.count()
    for life in range(KILLS):
        port = free_port()
        with collecting(settings, port) as process:
            load = Load(port, numbers)
            time.sleep(1 + life % 3)
            process.send_signal(number)
            process.wait(30)
            acknowledged += load.wait()
    found = landed(settings)
    assert len(acknowledged) > 100
    assert not [line for line in acknowledged if found[line] != 1]
    assert max(found.values()) == 1
    # what was in flight at a kill may have landed without an answer: a request of each sender's at most
    assert 0 <= len(found) - len(acknowledged) <= 5 * SENDERS * KILLS


def test_a_port_that_is_taken_is_one_line(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [str(LOGSTER), "collect"], env=environment(settings, LOGSTER_COLLECTOR_PORT=port), capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert f"port {port} of the collector is in use: set LOGSTER_COLLECTOR_PORT" in ended.stderr


def test_a_certificate_that_is_not_there_is_one_line(settings: Settings) -> None:
    variables = environment(settings, LOGSTER_COLLECTOR_CERTIFICATE_FILE="/nowhere.pem")
    ended = subprocess.run(
        [str(LOGSTER), "collect"], env=variables, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "LOGSTER_COLLECTOR_CERTIFICATE_FILE /nowhere.pem cannot be used: No such file or directory" in ended.stderr
