"""What the starter rules say of the demo's telemetry: the intruded endpoints' own techniques, and little of the others."""

from datetime import UTC, datetime

import pytest
from pyspark.sql import SparkSession

from logster.demo import write_demo
from pipelines.ingestion import raw_rows
from pipelines.lineage import settled
from pipelines.normalise.records import events_of, normalise_records
from pipelines.settings import Settings
from pipelines.sources.files import landing_folder, lines_of_files
from pipelines.ttp.matching import match_rules
from pipelines.ttp.ruleset import load_rules

pytestmark = pytest.mark.slow

_GRAVE = ("critical", "high")


@pytest.fixture(scope="module")
def named(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Techniques of grave rules by endpoint."""
    made, root = tmp_path_factory.mktemp("demo"), tmp_path_factory.mktemp("landing")
    settings = Settings(lake=str(root), landing=str(root), _env_file=None)
    files = []
    for number, file in enumerate(write_demo(made, start=datetime(2026, 3, 2, 9, 30, tzinfo=UTC))):
        landed = root / landing_folder("demo", "auto", file.endpoint, None) / f"{number}{file.path.name}"
        landed.parent.mkdir(parents=True, exist_ok=True)
        landed.symlink_to(file.path)
        files.append((landed.as_uri(), file.path.stat().st_size))
    lines = lines_of_files(spark.createDataFrame(files, "path string, length long"), settings, n_tasks=2)
    raw = raw_rows(lines, batch_id="test/0", received_at=datetime(2026, 3, 2, tzinfo=UTC))
    rules = load_rules()
    found: dict[str, set[str]] = {}
    matched = match_rules(settled(events_of(settled(normalise_records(raw)))), rules)
    for row in matched.select("endpoint", "rule").distinct().collect():
        rule = rules.rules[row["rule"]]
        if rule.level in _GRAVE:
            found.setdefault(row["endpoint"].split(".")[0], set()).update(rule.techniques)
    return found


def test_the_intruded_endpoints_show_what_was_done_there(named) -> None:
    assert named["ws-01"] >= {"T1204.002", "T1059.001", "T1105", "T1003.001", "T1547.001"}
    assert named["ws-02"] >= {"T1569.002", "T1543.003", "T1003.002", "T1059.001"}
    assert named["web-01"] >= {"T1059.004", "T1552.004"}
    assert named["pay-01"] >= {"T1059.004", "T1003.008"}
    assert named["app-02"] >= {"T1059.004"}


def test_endpoints_where_people_only_work_on_windows_show_nothing_grave(named) -> None:
    assert not named.keys() & {"ws-03", "fin-01"}
