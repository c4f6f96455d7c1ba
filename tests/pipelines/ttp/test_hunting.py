"""The starter rules in DuckDB: the same events match as in Spark, which ``test_starter_rules`` asks."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
import yaml

from pipelines.schemas.tables import table_named
from pipelines.ttp.backend import DUCKDB
from pipelines.ttp.hunting import rule_query
from pipelines.ttp.ruleset import load_rules
from tests.pipelines.ttp.made_up import example, rows_of

pytestmark = pytest.mark.fast

EXAMPLES = yaml.safe_load(Path(__file__).with_name("examples.yml").read_text(encoding="utf-8"))


def test_each_rule_matches_its_example_and_not_its_near_miss() -> None:
    rules = load_rules(dialect=DUCKDB)
    made = [
        example(rule, told, f"{rule.path.stem}/{kind}")
        for rule in rules.rules for kind, told in EXAMPLES[rule.path.stem].items()
    ]  # fmt: skip
    connection = duckdb.connect()
    connection.register("events", pa.Table.from_pylist(rows_of(made), table_named("events").schema))
    wrong = {}
    for number, rule in enumerate(rules.rules):
        found = connection.sql(rule_query(rules, number)).fetchall()
        own = [row[0] for row in found if row[0].split("/")[0] == rule.path.stem]
        if own != [f"{rule.path.stem}/match"]:
            wrong[rule.path.stem] = own
    assert not wrong
