"""Events a second on one core through the rules: as many as there are, and copies of them up to some 1,200.

Copies look for other words, so that nothing is shared between them but what events are looked at for. The events are
those of a lake, all at once in memory, so that reading them is not measured.
"""

import re
import time
from dataclasses import replace
from typing import Annotated

import typer
from pyspark.sql import DataFrame
from rich.console import Console
from rich.table import Table

from pipelines.lake import Lake
from pipelines.lineage import settled
from pipelines.session import start_session
from pipelines.settings import Settings
from pipelines.ttp.matching import match_rules
from pipelines.ttp.ruleset import Rule, RuleSet, load_rules

__all__ = ["main"]

_FEW = 200  # events that cost nothing beside planning the rules for them
_LAST_TEXT = re.compile(r"(, '(?:[^'\\]|\\.)+)'\)")  # what a function looks for


def main(
    lake: Annotated[str, typer.Option(help="lake whose events are matched")] = "./lake",
    copies: Annotated[list[int] | None, typer.Option(help="how many times as many rules")] = None,
    tries: Annotated[int, typer.Option(min=1, help="measured runs after one that warms up; the best counts")] = 3,
) -> None:
    """Measure matching alone."""
    settings = Settings(lake=lake, spark_master="local[1]")
    spark = start_session(settings, app_name="logster-bench-rules", overrides={"spark.sql.shuffle.partitions": "1"})
    events = settled(Lake(spark, settings).read("events").coalesce(1))
    n_events, rules = events.count(), load_rules()
    few = settled(events.limit(_FEW))
    table = Table(title=f"{n_events:,} events, one core")
    for heading in (
        "rules",
        "first run (s)",
        f"{_FEW} events (s)",
        "all events (s)",
        "events/s beyond planning",
        "matches",
    ):
        table.add_column(heading, justify="right")
    for times in copies or [1, 8]:
        many = _times(rules, times)
        first, _ = _timed(few, many)
        planning = min(_timed(few, many)[0] for _ in range(tries))
        runs = [_timed(events, many) for _ in range(tries + 1)][1:]
        whole, n_matches = min(runs)
        rate = n_events / max(whole - planning, 0.001)
        table.add_row(
            f"{len(many.rules):,}", f"{first:.1f}", f"{planning:.1f}", f"{whole:.1f}", f"{rate:,.0f}", f"{n_matches:,}"
        )
    Console().print(table)


def _timed(events: DataFrame, rules: RuleSet) -> tuple[float, int]:
    """Seconds, and the number of matches."""
    began = time.perf_counter()
    n_matches = match_rules(events, rules).count()
    return time.perf_counter() - began, n_matches


def _times(rules: RuleSet, times: int) -> RuleSet:
    copied = [_other(rule, number) if number else rule for number in range(times) for rule in rules.rules]
    return replace(rules, rules=tuple(copied))


def _other(rule: Rule, number: int) -> Rule:
    """The same rule with other words to look for."""
    condition = _LAST_TEXT.sub(rf"\1x{number}')", rule.condition)
    return replace(rule, rule_id=f"{rule.rule_id}-{number}", condition=condition)


if __name__ == "__main__":
    typer.run(main)
