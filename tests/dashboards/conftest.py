import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.locked_lake import LockedLake
from tests.dashboards.rows import MINUTE, alert, change, score, write_rows
from tests.dashboards.running import SUPERSET, VIEWS, Superset


@pytest.fixture
def rows_of(tmp_path: Path) -> Callable[[str], list[dict[str, Any]]]:
    """Rows of a table or view of the lake in the test's folder, as Superset reads them."""
    lake = LockedLake(str(tmp_path / "lake"), VIEWS)

    def read(name: str) -> list[dict[str, Any]]:
        cursor = lake.cursor()
        return cursor.execute(f"FROM {name}").to_arrow_table().to_pylist()

    return read


@pytest.fixture(scope="session")
def small_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tenants, both platforms, every severity, every status, two model versions; no feedback has been given yet."""
    lake = tmp_path_factory.mktemp("superset") / "lake"
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    hosts = [
        ("acme", "web-1", "linux"),
        ("acme", "ws-1", "windows"),
        ("globex", "db-1", "linux"),
        ("globex", "ws-2", "windows"),
    ]
    severities = [("CRITICAL", 0.99), ("HIGH", 0.88), ("MEDIUM", 0.75)]
    statuses = ["open", "acknowledged", "investigating", "resolved", "false_positive"]
    alerts, changes, scores = [], [], []
    for number in range(30):
        tenant, endpoint, platform = hosts[number % 4]
        severity, prob = severities[number % 3]
        who = {"tenant": tenant, "endpoint": endpoint, "platform": platform}
        seen = now - number * 20 * MINUTE
        alerts.append(alert(number, seen, **who, severity=severity, attack_prob=prob, related_endpoints=["ws-9"]))
        for status in statuses[1 : 1 + number % 5]:
            changes.append(change(number, seen + len(changes) * MINUTE, status, tenant=tenant))
    for minute in range(600):
        tenant, endpoint, platform = hosts[minute % 4]
        prob = 0.97 if minute % 30 == 0 else minute % 60 / 100
        scores.append(
            score(
                now - minute * MINUTE,
                tenant=tenant,
                endpoint=endpoint,
                platform=platform,
                attack_prob=prob,
                verdict="attack" if prob >= 0.7 else "benign",
                model_name=f"logster-{platform}",
                model_version="2" if minute < 300 else "1",
            )
        )
    write_rows(lake, "alerts", *alerts)
    write_rows(lake, "alert_changes", *changes)
    write_rows(lake, "window_scores", *scores)
    return lake


@pytest.fixture(scope="session")
def superset(small_lake: Path) -> Iterator[Superset]:
    """One Superset for the whole run, over `small_lake`; skipped where its environment cannot be made."""
    made = subprocess.run(
        [str(SUPERSET / "superset.sh"), "env"], capture_output=True, text=True, timeout=900, check=False
    )
    if made.returncode:
        pytest.skip(f"needs .venv-superset, which cannot be made here: {(made.stderr.splitlines() or ['?'])[-1]}")
    running = Superset(small_lake)
    try:
        running.wait()
        yield running
    finally:
        running.stop()
