import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from pipelines.schemas.tables import table_named

LogsterCommand = Callable[..., subprocess.CompletedProcess[str]]
LogsterCommands = Callable[..., list[tuple[int, str, str]]]

_ONE_AFTER_ANOTHER = """
import contextlib, io, json, sys
from logster.cli import _run_app
ended = []
for arguments in json.load(sys.stdin):
    sys.argv = ["logster", *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = _run_app()
    ended.append((code, out.getvalue(), err.getvalue()))
json.dump(ended, sys.stdout)
"""


@pytest.fixture
def logster(tmp_path: Path) -> LogsterCommand:
    """Runs the command line as a person would, in a folder and over a lake of the test's own."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).with_name("logster")), *arguments],
            cwd=tmp_path, env={**_environment(), **variables}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    return run


@pytest.fixture
def logster_commands(tmp_path: Path) -> LogsterCommands:
    """Runs commands one after another in one process, since loading MLflow and torch takes seconds; exit code and output."""

    def run(*commands: Sequence[str]) -> list[tuple[int, str, str]]:
        ended = subprocess.run(
            [sys.executable, "-c", _ONE_AFTER_ANOTHER], input=json.dumps([list(command) for command in commands]),
            cwd=tmp_path, env=_environment(), capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        return [(code, out, err) for code, out, err in json.loads(ended.stdout)]

    return run


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("LOGSTER_", "COLUMNS"))}


@pytest.fixture
def write_alert(tmp_path: Path) -> Callable[..., None]:
    """Appends an alert to the lake in the test's folder."""

    def write(number: int, **columns: Any) -> None:
        seen = datetime(2026, 3, 1, 12, number, tzinfo=UTC)
        row = {
            "alert_id": f"{number:064x}", "tenant": "acme", "endpoint": f"web-{number}", "platform": "linux",
            "severity": "HIGH", "attack_prob": 0.9, "anchor_start": seen - timedelta(minutes=3),
            "first_seen": seen - timedelta(minutes=3), "last_seen": seen, "window_count": 1,
            "model_name": "logster-linux", "model_version": "1", "ttp_techniques": [], "ttp_tactics": [],
            "ttp_explanations": [], "related_endpoints": [],
            "contributing_events": [{"event_id": "e1", "weight": 0.5, "summary": "sh ran id"}],
            "created_at": seen, "updated_at": seen, **columns,
        }  # fmt: skip
        schema = table_named("alerts").schema.remove_metadata()
        write_deltalake(str(tmp_path / "lake" / "alerts"), pa.Table.from_pylist([row], schema), mode="append")

    return write
