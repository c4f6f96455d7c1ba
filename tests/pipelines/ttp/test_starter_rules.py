"""Every starter rule against an event that it must match and one that it must not, and what they say of SigmaHQ's logs."""

from pathlib import Path

import pytest
import yaml
from pyspark.sql import SparkSession

from pipelines.ttp.attack import techniques
from pipelines.ttp.matching import match_rules
from pipelines.ttp.ruleset import RuleSet, load_rules
from tests.pipelines.ttp.made_up import events_of, example

EXAMPLES = yaml.safe_load(Path(__file__).with_name("examples.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return load_rules()


@pytest.mark.fast
def test_each_rule_has_examples_and_names_techniques_of_the_release(rules: RuleSet) -> None:
    assert sorted(rule.path.stem for rule in rules.rules) == sorted(EXAMPLES)
    assert not rules.refused
    for rule in rules.rules:
        assert rule.techniques and set(rule.techniques) <= set(techniques()), rule.path
        assert rule.tactics, rule.path


@pytest.mark.slow
def test_each_rule_matches_its_example_and_not_its_near_miss(spark: SparkSession, rules: RuleSet) -> None:
    own = {(name, kind) for name, kind, matched in _found(spark, rules) if name == matched}
    assert own == {(rule.path.stem, "match") for rule in rules.rules}


@pytest.mark.slow
def test_more_rules_than_one_projection_holds_match_the_same(spark: SparkSession, rules: RuleSet, monkeypatch) -> None:
    expected = _found(spark, rules)
    monkeypatch.setattr("pipelines.ttp.matching.MAX_RULES", 60)
    assert _found(spark, rules) == expected


def _found(spark: SparkSession, rules: RuleSet) -> set[tuple[str, str, str]]:
    """Whose example, which of the two, and the rule that it matched."""
    made = [
        example(rule, told, f"{rule.path.stem}/{kind}")
        for rule in rules.rules for kind, told in EXAMPLES[rule.path.stem].items()
    ]  # fmt: skip
    matched = match_rules(events_of(spark, made), rules).select("event_id", "rule").collect()
    return {(*row["event_id"].split("/"), rules.rules[row["rule"]].path.stem) for row in matched}
