"""Which rules each event meets: some hundred rules in two projections, not a pass a rule.

The first computes what any of them looks at, once, and only for events that some rule which looks at it is about. The
second has a branch a log source, so that an event meets only the rules of its own. More rules than `MAX_RULES` are cut
into several such pairs: Spark runs out of memory while it compiles a thousand rules as one expression (2 GB of heap).
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.ttp.logsources import LogSource
from pipelines.ttp.ruleset import RuleSet

__all__ = ["MAX_RULES", "match_rules", "sources_in"]

MAX_RULES = 200
"""Rules in one projection at most."""

_Group = Mapping[LogSource, Sequence[int]]


def sources_in(events: DataFrame, rules: RuleSet) -> frozenset[LogSource]:
    """The log sources of rules that events are of; a pass over few columns."""
    sources = list(rules.by_source())
    if not sources:
        return frozenset()
    found = events.agg(*[F.expr(f"coalesce(bool_or({one.guard}), false)") for one in sources]).collect()[0]
    return frozenset(one for one, is_there in zip(sources, found, strict=True) if is_there)


def match_rules(events: DataFrame, rules: RuleSet, sources: frozenset[LogSource] | None = None) -> DataFrame:
    """Find the rules that events meet.

    Args:
        events: rows of ``EVENTS``, or more columns; read once for each `MAX_RULES` rules, so settle what is dear to make.
        rules: compiled for Spark.
        sources: `sources_in` the events, or more; of rules of others the plan has nothing, and to plan the rules is most
            of what a few events cost. All by default.

    Returns:
        One row an event and rule: the columns given, and ``rule``, the rule's position in ``rules.rules``.
    """
    parts = [_matched(events, rules, group) for group in _groups(rules, sources)]
    return reduce(DataFrame.unionByName, parts) if parts else events.withColumn("rule", F.lit(0)).where("false")


def _groups(rules: RuleSet, sources: frozenset[LogSource] | None) -> list[_Group]:
    """The rules by log source, in groups of `MAX_RULES` at most."""
    groups: list[dict[LogSource, list[int]]] = []
    room = 0
    for source, numbers in rules.by_source().items():
        rest = numbers if sources is None or source in sources else []
        while rest:
            if not room:
                groups.append({})
                room = MAX_RULES
            groups[-1][source] = rest[:room]
            room, rest = room - len(groups[-1][source]), rest[room:]
    return list(groups)


def _matched(events: DataFrame, rules: RuleSet, group: _Group) -> DataFrame:
    own = events.columns
    branches = [
        f"CASE WHEN {source.guard} THEN concat_ws(',', {', '.join(_tested(rules, numbers))}) END"
        for source, numbers in group.items()
    ]
    looked_at = events.selectExpr("*", *_inputs(rules, group))
    matched = looked_at.selectExpr(*own, f"concat_ws(',', {', '.join(branches)}) AS _matched")
    each = matched.select(*own, F.explode(F.split("_matched", ",")).alias("_rule"))
    # not before: the filter would be pushed below, and every rule be looked at twice
    return each.where("_rule <> ''").withColumn("rule", F.col("_rule").cast("int")).drop("_rule")


def _tested(rules: RuleSet, numbers: Iterable[int]) -> list[str]:
    # a text that is null for each rule that is not met: Spark compiles that, and no lambda, which dropping nulls would take
    return [f"IF({rules.rules[number].condition}, '{number}', NULL)" for number in numbers]


def _inputs(rules: RuleSet, group: _Group) -> list[str]:
    guards: dict[str, list[str]] = {}
    for source, numbers in group.items():
        for name in rules.inputs_of(numbers):
            guards.setdefault(name, []).append(f"({source.guard})")
    return [f"CASE WHEN {' OR '.join(of)} THEN {rules.inputs[name]} END AS {name}" for name, of in guards.items()]
