"""What the events of alerts' windows tell of techniques: which, of which tactics, and a sentence on each rule's match.

A function of sets: the events of an alert's windows and the rules decide alone, not the order or the batches in which
they came. Text of events is shown in one line and cut off, for command lines hold whatever an intruder likes.
"""

import json
from datetime import timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.lineage import settled
from pipelines.ttp.attack import technique_named
from pipelines.ttp.matching import match_rules, sources_in
from pipelines.ttp.ruleset import LEVELS, Rule, RuleSet
from pipelines.windows.times import micros, with_pane_start

__all__ = ["MAX_EXPLANATIONS", "TTP_COLUMNS", "explain_alerts"]

MAX_EXPLANATIONS = 20
"""Sentences that an alert has at most: those of the gravest rules."""

TTP_COLUMNS = ("ttp_techniques", "ttp_tactics", "ttp_explanations")

_PANE = ["tenant", "endpoint", "platform", "pane_start"]
_SHOWN = 200  # characters of an event's text
_TOLD = "array<struct<rank: int, title: string, id: string, techniques: array<string>, tactics: array<string>, named: string>>"
_STRINGS = "array<string>"


def explain_alerts(
    windows: DataFrame, events: DataFrame, rules: RuleSet, *, width: timedelta, slide: timedelta
) -> DataFrame:
    """Find what each alert's events tell.

    Args:
        windows: attack windows: alert_id, tenant, endpoint, platform, window_start; those without an alert count for
            nothing.
        events: rows of ``EVENTS``; more than those of the windows do no harm.
        rules: rules to match, compiled for Spark.
        width: a window's width, a multiple of ``slide``.
        slide: distance of window starts.

    Returns:
        alert_id and `TTP_COLUMNS`, one row an alert, also where no rule matched: techniques and tactics sorted, sentences
        of the gravest rules first.
    """
    windows = windows.where(F.col("alert_id").isNotNull())
    starts = [F.unix_micros("window_start") + step for step in range(0, micros(width), micros(slide))]
    panes = windows.select("alert_id", *_PANE[:3], F.explode(F.array(*starts)).alias("_start")).distinct()
    panes = panes.withColumn("pane_start", F.timestamp_micros("_start")).drop("_start")
    theirs = settled(with_pane_start(events, slide).join(F.broadcast(panes), _PANE))
    matched = match_rules(theirs, rules, sources_in(theirs, rules)).select(
        "alert_id", "rule", "event_id", "ts", _seen().alias("seen")
    )
    by_rule = matched.groupBy("alert_id", "rule").agg(
        F.min(F.struct("ts", "seen", "event_id")).alias("first"), F.countDistinct("event_id").alias("n")
    )
    told = F.get(F.from_json(F.lit(_told(rules)), _TOLD), F.col("rule"))  # a constant: the optimiser reads it once
    by_rule = by_rule.withColumn("told", told).withColumn("sentence", _sentence())
    ranked = F.struct("told.rank", "told.title", "told.id", "sentence")
    by_alert = by_rule.groupBy("alert_id").agg(
        _merged("told.techniques").alias("ttp_techniques"),
        _merged("told.tactics").alias("ttp_tactics"),
        F.transform(F.slice(F.array_sort(F.collect_list(ranked)), 1, MAX_EXPLANATIONS), lambda one: one["sentence"])
        .alias("ttp_explanations"),
    )  # fmt: skip
    nothing = F.array().cast(_STRINGS)
    found = windows.select("alert_id").distinct().join(by_alert, "alert_id", "left")
    return found.select("alert_id", *[F.coalesce(name, nothing).alias(name) for name in TTP_COLUMNS])


def _merged(lists: str) -> Column:
    return F.array_sort(F.array_distinct(F.flatten(F.collect_list(lists))))


def _told(rules: RuleSet) -> str:
    return json.dumps([
        {"rank": LEVELS.index(one.level), "title": one.title, "id": one.rule_id, "techniques": one.techniques,
         "tactics": one.tactics, "named": _named(one)}
        for one in rules.rules
    ])  # fmt: skip


def _named(rule: Rule) -> str:
    """Level and techniques of a rule as they are shown."""
    listed = ", ".join(f"{one} {technique_named(one).name}" for one in rule.techniques)
    return f"{rule.level}, {listed}" if listed else f"{rule.level}, names no technique"


def _sentence() -> Column:
    others = F.when(F.col("n") > 1, F.concat(F.lit(" and "), F.col("n") - 1, F.lit(" more")))
    return F.concat(
        "told.title", F.lit(": "), "first.seen", F.lit(", "), F.date_format("first.ts", "yyyy-MM-dd HH:mm:ss"),
        F.lit(" UTC ("), "told.named", F.lit("; rule "), "told.id", F.lit(", event "), "first.event_id",
        F.coalesce(others, F.lit("")), F.lit(")."),
    )  # fmt: skip


def _seen() -> Column:
    """What happened, for a person: who, did what, to what."""
    category, action = F.col("category"), F.col("action")
    address = F.concat_ws(":", F.coalesce("dst_domain", "dst_ip", "src_ip"), F.col("dst_port").cast("string"))
    of_process = F.when(action == "process_created", F.col("command_line")).otherwise(
        F.coalesce("target_path", "target_name", "file_path", "command_line")
    )
    what = (
        F.when(category == "process", of_process)
        .when(category == "script", F.col("script_text"))
        .when(category == "registry", F.concat_ws(" = ", "registry_key", "registry_value"))
        .when(category == "network", address)
        .otherwise(F.coalesce("file_path", "command_line", "script_text", "privilege"))
    )
    one_line = F.trim(F.regexp_replace(F.substring(what, 1, 4 * _SHOWN), r"[\s\p{Cntrl}]+", " "))
    shown = F.when(F.length(one_line) > _SHOWN, F.concat(F.left(one_line, F.lit(_SHOWN)), F.lit("…"))).otherwise(
        one_line
    )
    who = F.regexp_replace(F.coalesce("process_name", "user", "provider"), r"[\s\p{Cntrl}]+", " ")
    return F.concat_ws(
        " ", who, F.translate(action, "_", " "), F.when(F.length(shown) > 0, F.concat(F.lit("`"), shown, F.lit("`")))
    )
