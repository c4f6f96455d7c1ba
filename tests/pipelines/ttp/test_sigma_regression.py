"""What the starter rules say of SigmaHQ's regression logs, each of which holds what one of SigmaHQ's own rules finds."""

import csv
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from pipelines.ingestion import raw_rows
from pipelines.lineage import settled
from pipelines.normalise.records import events_of, normalise_records
from pipelines.settings import Settings
from pipelines.sources.files import landing_folder, lines_of_files
from pipelines.ttp.matching import match_rules
from pipelines.ttp.ruleset import RuleSet, load_rules

pytestmark = pytest.mark.slow

_FOLDER = "windows/sigma-regression"
_RENUMBERED = {"T1685": "T1562", "T1686": "T1562"}
"""Base techniques of a later release than the pinned one, and what they were parts of."""
LEAST_SHARE = 0.5


@pytest.fixture(scope="module")
def logs(shared_data: Path) -> dict[str, tuple[Path, frozenset[str]]]:
    """Log and base techniques, by a name that can be a tenant's."""
    with (shared_data / "MANIFEST.tsv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if _is_log(row["path"])]
    return {
        f"log-{number}": (shared_data / row["path"], frozenset(map(_base, filter(None, row["techniques"].split(",")))))
        for number, row in enumerate(sorted(rows, key=lambda row: row["path"]))
    }


@pytest.fixture(scope="module")
def events(spark: SparkSession, logs, tmp_path_factory: pytest.TempPathFactory) -> DataFrame:
    root = tmp_path_factory.mktemp("landing")
    settings = Settings(lake=str(root), landing=str(root), _env_file=None)
    files = []
    for tenant, (path, _) in logs.items():
        landed = root / landing_folder(tenant, "auto", None, None) / path.name
        landed.parent.mkdir(parents=True)
        landed.symlink_to(path)
        files.append((landed.as_uri(), path.stat().st_size))
    lines = lines_of_files(spark.createDataFrame(files, "path string, length long"), settings, n_tasks=2)
    raw = raw_rows(lines, batch_id="test/0", received_at=datetime(2026, 1, 2, tzinfo=UTC))
    return settled(events_of(settled(normalise_records(raw))))


def test_starter_rules_name_a_technique_of_most_logs(logs, events) -> None:
    named = _named(events, load_rules())
    right = [tenant for tenant, (_, own) in logs.items() if own & named.get(tenant, set())]
    n_told = sum(bool(own) for _, own in logs.values())
    print(f"{len(right)} of {n_told} logs with a technique have a right one named")
    assert len(right) / n_told >= LEAST_SHARE


@pytest.mark.skipif(
    "LOGSTER_TEST_SIGMA_RULES" not in os.environ, reason="set LOGSTER_TEST_SIGMA_RULES to a folder of SigmaHQ's rules"
)
def test_rules_of_a_users_folder_match_the_logs_that_are_theirs(logs, events) -> None:
    rules = load_rules([Path(os.environ["LOGSTER_TEST_SIGMA_RULES"])], with_starter=False)
    by_id = {rule.rule_id: number for number, rule in enumerate(rules.rules)}
    found = {
        (row["tenant"], row["rule"]) for row in match_rules(events, rules).select("tenant", "rule").distinct().collect()
    }
    held = {tenant: path.stem for tenant, (path, _) in logs.items() if path.stem in by_id}
    missed = [path for tenant, path in held.items() if (tenant, by_id[path]) not in found]
    assert held and not missed


def _named(events: DataFrame, rules: RuleSet) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in match_rules(events, rules).select("tenant", "rule").distinct().collect():
        found.setdefault(row["tenant"], set()).update(map(_base, rules.rules[row["rule"]].techniques))
    return found


def _is_log(path: str) -> bool:
    return path.startswith(_FOLDER) and path.endswith(".evtx")


def _base(technique: str) -> str:
    base = technique.split(".")[0]
    return _RENUMBERED.get(base, base)
