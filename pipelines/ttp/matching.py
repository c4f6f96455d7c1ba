"""Which rules each event meets: all rules in two projections, however many they are.

The first computes what any rule looks at, once, and only for events that some rule which looks at it is about. The
second has a branch a log source, so that an event meets only the rules of its own.
"""

from collections.abc import Iterable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.ttp.ruleset import RuleSet

__all__ = ["match_rules"]


def match_rules(events: DataFrame, rules: RuleSet) -> DataFrame:
    """Find the rules that events meet.

    Args:
        events: rows of ``EVENTS``, or more columns.
        rules: compiled for Spark.

    Returns:
        One row an event and rule: the columns given, and ``rule``, the rule's position in ``rules.rules``.
    """
    own = events.columns
    if not rules.rules:
        return events.withColumn("rule", F.lit(0)).where("false")
    branches = [
        f"CASE WHEN {source.guard} THEN concat_ws(',', {', '.join(_tested(rules, numbers))}) END"
        for source, numbers in rules.by_source().items()
    ]
    looked_at = events.selectExpr("*", *_inputs(rules))
    matched = looked_at.selectExpr(*own, f"concat_ws(',', {', '.join(branches)}) AS _matched")
    each = matched.select(*own, F.explode(F.split("_matched", ",")).alias("_rule"))
    # not before: the filter would be pushed below, and every rule be looked at twice
    return each.where("_rule <> ''").withColumn("rule", F.col("_rule").cast("int")).drop("_rule")


def _tested(rules: RuleSet, numbers: Iterable[int]) -> list[str]:
    # a text that is null for each rule that is not met: Spark compiles that, and no lambda, which dropping nulls would take
    return [f"IF({rules.rules[number].condition}, '{number}', NULL)" for number in numbers]


def _inputs(rules: RuleSet) -> list[str]:
    guards: dict[str, list[str]] = {}
    for source, numbers in rules.by_source().items():
        for name in rules.inputs_of(numbers):
            guards.setdefault(name, []).append(f"({source.guard})")
    return [f"CASE WHEN {' OR '.join(of)} THEN {rules.inputs[name]} END AS {name}" for name, of in guards.items()]
