"""What is left to read when Spark does not start; each start is a process of its own, since what counts is after its end."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_START = """
import sys
from pipelines.errors import SessionError
from pipelines.session import start_session
from pipelines.settings import Settings
try:
    start_session(Settings(_env_file=None))
except SessionError as error:
    print(error)
"""
_JAVA = """#!/bin/sh
[ "$1" = -version ] && { echo 'openjdk version "17.0.9"' >&2; exit 0; }
echo "Error: could not reserve enough space" >&2
echo "Error: could not create the Java Virtual Machine." >&2
exit 1
"""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Starts a session and ends; temporary files lie in the test's folder."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("LOGSTER_SPARK_DRIVER_MEMORY", "1g")

    def run(**variables: str) -> subprocess.CompletedProcess[str]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return subprocess.run([sys.executable, "-c", _START], capture_output=True, text=True, timeout=300, check=True)

    return run


def log_named_in(message: str) -> str:
    found = re.search(r"\(Java wrote to (\S+)\)", message)
    assert found, message
    return Path(found[1]).read_text()


def test_a_java_that_gives_up_leaves_what_it_wrote(start, tmp_path):
    java = tmp_path / "jdk" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(_JAVA)
    java.chmod(0o755)
    ended = start(LOGSTER_JAVA_HOME=str(tmp_path / "jdk"))
    assert ended.stdout.startswith("Spark did not start: ")
    assert "Error: could not reserve enough space" in log_named_in(ended.stdout)
    assert ended.stderr == ""


@pytest.mark.slow  # a real Java
def test_a_java_that_runs_but_takes_no_session_leaves_what_it_wrote(start):
    ended = start(LOGSTER_SPARK_MASTER="nonsense")
    assert ended.stdout.startswith("Spark did not start: ")
    assert log_named_in(ended.stdout)


@pytest.mark.slow  # a real Java
def test_a_session_that_started_leaves_no_file(start, tmp_path):
    ended = start()
    assert ended.stdout == ""
    assert not list(tmp_path.glob("logster-java-*"))
