"""Bringing the table ``alerts`` up to date after windows were scored, without reading more than they can affect."""

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.alerting.analysts import with_analyst_marks
from pipelines.alerting.build import alert_windows, assemble_alerts
from pipelines.alerting.positives import positive_windows
from pipelines.alerting.reach import chains, in_stretches, stretches
from pipelines.lake import Lake
from pipelines.lineage import settled
from pipelines.ttp.explanation import explain_alerts
from pipelines.ttp.ruleset import rules_in_use
from pipelines.windows.times import micros

__all__ = ["update_alerts"]

_WINDOW = ["tenant", "endpoint", "window_start"]


def update_alerts(lake: Lake, touched: DataFrame, *, now: datetime) -> int:
    """Make ``alerts`` what `pipelines.alerting.build.build_alerts` over all scores would give.

    Holds while every window whose scores have changed since the last call is among the touched; more of them do no
    harm. All is written in one commit, so that a call cut off anywhere is repaired by calling again.

    Args:
        lake: the tables; reads window_scores, events, alerts, alert_changes and feedback, writes alerts.
        touched: windows that were scored, or whose scores were removed: tenant, endpoint, window_start.
        now: time written to new and changed alerts (UTC).

    Returns:
        Alerts added, changed or removed.
    """
    settings = lake.settings
    touched = settled(touched.select(*_WINDOW).distinct())
    start = F.unix_micros("window_start")
    span = _span(touched, start, start)
    if span is None:
        return 0
    scores, alerts = lake.read("window_scores"), lake.read("alerts")
    changes, feedback = lake.read("alert_changes"), lake.read("feedback")

    rescored = _between(scores, *span).join(touched, _WINDOW, "left_semi")
    positive = positive_windows(rescored).select(*_WINDOW).distinct().withColumn("is_positive", F.lit(True))
    marked_touched = touched.join(positive, _WINDOW, "left").fillna(False, ["is_positive"])
    linked = settled(chains(marked_touched, alerts, width=settings.window_width, dedup_gap=settings.dedup_gap))
    if linked.where("is_touched").isEmpty():
        return 0
    reach = settled(stretches(linked, settings.lateral_gap))
    span = _span(reach, F.col("lo"), F.col("hi"))
    assert span is not None  # a touched chain is a stretch

    first_moment = F.least(F.col("first_seen"), F.col("anchor_start"))
    nearby = settled(with_analyst_marks(in_stretches(alerts, reach, first_moment), changes, feedback))
    marked = nearby.drop("level")
    near_scores = in_stretches(_between(scores, *span), reach, F.col("window_start")).drop("level")
    windows = settled(alert_windows(near_scores, marked, settings.dedup_gap))
    touched_alerts = in_stretches(windows, reach.where(F.col("level") == 0), F.col("window_start")).drop("level")
    ttp = _explained(lake, touched_alerts)
    rows = settled(assemble_alerts(windows, marked, lateral_gap=settings.lateral_gap, now=now, ttp=ttp))

    inner = reach.where(F.col("level") <= 1)
    changed = in_stretches(rows.where("is_changed"), inner, F.col("anchor_start")).drop("level", "is_changed")
    mortal = nearby.where((F.col("level") == 0) & ~F.col("is_closed") & ~F.col("is_pinned"))
    gone = mortal.drop("level", "is_closed", "is_pinned").join(rows.select("alert_id"), "alert_id", "left_anti")
    work = settled(changed.withColumn("is_gone", F.lit(False)).unionByName(gone.withColumn("is_gone", F.lit(True))))
    n_changed: int = work.count()
    if n_changed:
        first, last = span
        prune = f"t.first_seen BETWEEN timestamp_micros({first}) AND timestamp_micros({last})"
        lake.merge("alerts", work, prune=prune, delete_when="s.is_gone")
    return n_changed


def _explained(lake: Lake, windows: DataFrame) -> DataFrame | None:
    """What the rules say of the alerts that windows belong to; none where the analyzer is off or there are no alerts."""
    settings = lake.settings
    rules, start = rules_in_use(settings), F.unix_micros("window_start")
    span = _span(windows, start, start) if rules is not None else None
    if rules is None or span is None:
        return None
    first, last = span
    ts = F.col("ts")
    events = lake.read("events").where(
        (ts >= F.timestamp_micros(F.lit(first)))
        & (ts < F.timestamp_micros(F.lit(last + micros(settings.window_width))))
    )
    return settled(explain_alerts(windows, events, rules, width=settings.window_width, slide=settings.window_slide))


def _span(rows: DataFrame, first: Column, last: Column) -> tuple[int, int] | None:
    row = rows.agg(F.min(first), F.max(last)).first()
    return (row[0], row[1]) if row is not None and row[0] is not None else None


def _between(scores: DataFrame, first: int, last: int) -> DataFrame:
    """Scores of windows that start in [first, last], as plain comparisons, so that Delta skips files."""
    start = F.col("window_start")
    return scores.where((start >= F.timestamp_micros(F.lit(first))) & (start <= F.timestamp_micros(F.lit(last))))
