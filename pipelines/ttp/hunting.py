"""One rule as a query over a table of events in DuckDB, for looking back over months without Spark."""

from pipelines.ttp.ruleset import RuleSet

__all__ = ["rule_query"]


def rule_query(rules: RuleSet, number: int, *, table: str = "events") -> str:
    """SQL that selects the events that a rule matches, with all their columns.

    Args:
        rules: compiled for DuckDB.
        number: the rule's position in ``rules.rules``.
        table: name of a table or view with the columns of ``EVENTS``.
    """
    rule = rules.rules[number]
    inputs = rules.inputs_of([number])
    looked_at = "".join(f", {sql} AS {name}" for name, sql in inputs.items())
    hidden = f" EXCLUDE ({', '.join(inputs)})" if inputs else ""
    return (
        f"SELECT *{hidden} FROM (SELECT *{looked_at} FROM {table} WHERE {rule.source.guard}) "
        f"WHERE coalesce({rule.condition}, false)"
    )
