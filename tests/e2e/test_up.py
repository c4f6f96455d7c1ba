"""`logster up` as a person meets it: sample telemetry to alerts in the API, pages that answer, and nothing left behind."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.e2e

LOGSTER = Path(sys.executable).with_name("logster")
LONG = 600.0  # a busy machine; alone on two cores it takes a quarter of that


class Up:
    """A running `logster up` with its output, and every process that carries its mark in the environment."""

    def __init__(self, folder: Path, *arguments: str, **variables: str) -> None:
        self.ports = dict(zip(("api", "dagster", "mlflow", "superset"), free_ports(4), strict=True))
        self.mark = f"LOGSTER_TEST_MARK={folder}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LOGSTER_")}
        environment |= {f"LOGSTER_{name.upper()}_PORT": str(port) for name, port in self.ports.items()}
        environment |= {"LOGSTER_TEST_MARK": str(folder), "LOGSTER_SPARK_DRIVER_MEMORY": "2g", **variables}
        self.process = subprocess.Popen(
            [str(LOGSTER), "up", *arguments], cwd=folder, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self.output = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout:
            for line in self.process.stdout:
                self.output += line

    def wait_for(self, what: Callable[[], object], *, seconds: float = LONG) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.1)

    def get(self, service: str, path: str) -> httpx.Response | None:
        try:
            return httpx.get(f"http://127.0.0.1:{self.ports[service]}{path}", timeout=5)
        except httpx.HTTPError:
            return None

    def answers(self, service: str, path: str) -> bool:
        answer = self.get(service, path)
        return answer is not None and answer.status_code == 200

    def exit_code(self, *, within: float) -> int:
        try:
            code = self.process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            pytest.fail(f"did not end within {within:.0f} s:\n{self.output}")
        self._reader.join(5)
        return code

    def processes(self) -> dict[int, str]:
        """Command lines of what runs of it, by process id, wherever it may have gone."""
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and self.mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    found[int(entry.name)] = command
            except OSError:
                continue
        return found

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture
def up(tmp_path: Path):
    """Starts `logster up`; whatever the test does, nothing of it outlives it."""
    started: list[Up] = []

    def start(*arguments: str, **variables: str) -> Up:
        started.append(Up(tmp_path, *arguments, **variables))
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_the_demo_ends_with_alerts_shown_and_nothing_left_running(up):
    run = up("--demo", "--exit")
    for service, path in (("api", "/health"), ("dagster", "/"), ("mlflow", "/"), ("superset", "/health")):
        run.wait_for(lambda service=service, path=path: run.answers(service, path))
    run.wait_for(lambda: (page := run.get("api", "/alerts")) is not None and page.is_success and page.json()["alerts"])
    health = run.get("api", "/health")
    assert health is not None
    assert health.json()["status"] == "ok"
    assert run.exit_code(within=LONG) == 0, run.output
    rows = [line for line in run.output.splitlines() if re.search(r"│ (CRITICAL|HIGH|MEDIUM) +│", line)]
    assert rows, run.output
    assert {row.split("│")[5].strip() for row in rows} <= {"acme-retail", "globex-bank"}
    for what in ("API, documentation", "Dagster", "MLflow", "Superset, dashboards"):
        assert re.search(rf"│ {what} +│ http://127\.0\.0\.1:\d+\S* +│ up +│", run.output), run.output
    assert re.search(r"│ Superset, sign-in +│ admin / \S+ +│", run.output), run.output
    assert "the API has no keys: it listens on this machine only" in run.output
    assert "nothing is left running" in run.output
    assert run.processes() == {}


def test_ctrl_c_in_the_middle_of_a_batch_ends_all_with_exit_code_0(up):
    run = up("--demo")
    run.wait_for(lambda: "reading batch" in run.output)
    time.sleep(2)
    os.killpg(run.process.pid, signal.SIGINT)  # as a terminal does: to all in the foreground
    assert run.exit_code(within=60) == 0, run.output
    assert "nothing is left running" in run.output
    assert "Traceback" not in run.output
    assert run.processes() == {}


def test_what_dies_is_told_and_a_pipeline_that_fails_while_it_is_stopped_gives_exit_code_1(up, tmp_path):
    run = up("--demo", TMPDIR=str(tmp_path))
    run.wait_for(lambda: "reading batch" in run.output)
    folder = next(tmp_path.glob("logster-demo-*"))  # where the sample telemetry is written before it lands
    shutil.rmtree(folder)
    folder.touch()
    run.wait_for(lambda: "! the sample telemetry failed" in run.output, seconds=120)
    java = next(pid for pid, command in run.processes().items() if "org.apache.spark.deploy" in command)
    os.kill(java, signal.SIGSTOP)  # so that nothing ends before its end
    os.kill(run.process.pid, signal.SIGINT)
    run.wait_for(lambda: "stopping: finishing the batch in flight" in run.output)
    os.kill(java, signal.SIGKILL)
    assert run.exit_code(within=120) == 1, run.output
    told = [line for line in run.output.splitlines() if line.startswith("logster: ")]
    assert len(told) == 1, run.output
    assert "the pipeline failed" in told[0] or "the stream stopped" in told[0] or "the batch in flight" in told[0]
    assert run.processes() == {}
