import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from pipelines.schemas.tables import table_named

LogsterCommand = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def logster(tmp_path: Path) -> LogsterCommand:
    """Runs the command line as a person would, in a folder and over a lake of the test's own."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("LOGSTER_", "COLUMNS"))
        }
        return subprocess.run(
            [str(Path(sys.executable).with_name("logster")), *arguments],
            cwd=tmp_path, env={**environment, **variables}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    return run


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
