"""From ``events`` to ``panes``, ``window_graphs``, ``window_scores`` and ``alerts``: the step that stream and backfill share.

What is to be done stands in the table ``pending``; every write replaces exactly the rows concerned, so the step may be
cut off and repeated. Scoring is handed in, so that nothing here knows about models.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.alerting.update import update_alerts
from pipelines.lake import Lake
from pipelines.windows.panes import build_panes
from pipelines.windows.times import with_pane_start
from pipelines.windows.window_graphs import build_window_graphs, panes_of_windows, windows_of_panes

__all__ = ["DetectionCounts", "Scorer", "detect_due", "rebuild", "rescore"]

Scorer = Callable[[DataFrame, datetime], DataFrame]
"""Takes window graphs and the time of scoring (UTC), gives ``window_scores`` rows."""

_PANE = ["tenant", "endpoint", "platform", "pane_start"]
_WINDOW = ["tenant", "endpoint", "platform", "window_start"]


@dataclass(frozen=True)
class DetectionCounts:
    """What one round of detection did.

    Attributes:
        n_panes: minutes whose edges were built.
        n_windows: windows that were built and scored.
    """

    n_panes: int
    n_windows: int


def detect_due(lake: Lake, score: Scorer, *, now: datetime, close_all: bool = False) -> DetectionCounts:
    """Build and score every pane and window in ``pending`` that has closed.

    A pane or window has closed once ``allowed_lateness`` has passed since its end, or, where its clock runs ahead,
    ``idle_timeout`` since its newest event was read. Events that come later put it on the list again.

    Args:
        lake: the tables.
        score: the scorer.
        now: wall clock (UTC).
        close_all: take everything on the list as closed.
    """
    settings = lake.settings
    due = (
        F.lit(True)
        if close_all
        else (F.col("end") <= F.lit(now - settings.allowed_lateness))
        | (F.col("ingested_at") <= F.lit(now - settings.idle_timeout))
    )
    work = lake.read("pending").where(due).persist()
    try:
        panes = _keys(work, "pane", "pane_start").persist()
        windows = _keys(work, "window", "window_start").withColumn(
            "window_end", F.col("window_start") + _interval(settings.window_width.total_seconds())
        ).persist()  # fmt: skip
        n_panes, n_windows = panes.count(), windows.count()
        if n_panes:
            _replace_panes(lake, panes)
        if n_windows:
            _replace_windows(lake, windows, score, now)
        if n_panes or n_windows:
            lake.delta("pending").delete(due)
        panes.unpersist()
        windows.unpersist()
        return DetectionCounts(n_panes, n_windows)
    finally:
        work.unpersist()


def rebuild(lake: Lake, score: Scorer, *, first: datetime, last: datetime, now: datetime) -> DetectionCounts:
    """Build and score anew all windows that start in [first, last), from ``events``; the batch driver's whole job."""
    settings = lake.settings
    reach = settings.window_width - settings.window_slide
    events = lake.read("events").where((F.col("ts") >= F.lit(first - reach)) & (F.col("ts") < F.lit(last + reach)))
    panes = with_pane_start(events, settings.window_slide).select(*_PANE).distinct().persist()
    in_range = (F.col("window_start") >= F.lit(first)) & (F.col("window_start") < F.lit(last))
    windows = windows_of_panes(panes, width=settings.window_width, slide=settings.window_slide).where(in_range)
    # windows that stand there but have no events any more must go, too
    stale = lake.read("window_graphs").where(in_range).select(*_WINDOW, "window_end")
    windows = windows.select(*_WINDOW, "window_end").unionByName(stale).distinct().persist()
    n_panes, n_windows = panes.count(), windows.count()
    if n_windows:
        needed = panes_of_windows(windows, width=settings.window_width, slide=settings.window_slide)
        _replace_panes(lake, needed.select(*_PANE).distinct())
        _replace_windows(lake, windows, score, now)
    panes.unpersist()
    windows.unpersist()
    return DetectionCounts(n_panes, n_windows)


def rescore(lake: Lake, score: Scorer, *, first: datetime, last: datetime, now: datetime) -> int:
    """Score the stored windows that start in [first, last) by another model; alerts stay as they are.

    Returns:
        Number of windows in the span.
    """
    graphs = lake.read("window_graphs").where(
        (F.col("window_start") >= F.lit(first)) & (F.col("window_start") < F.lit(last))
    )
    # a champion's own rows of the same version must keep their role: they are what raised the alerts
    lake.merge("window_scores", score(graphs, now), update_when="t.role <> 'champion'")
    return graphs.count()


def _keys(work: DataFrame, kind: str, start: str) -> DataFrame:
    rows = work.where(F.col("kind") == kind)
    return rows.select("tenant", "endpoint", "platform", F.col("start").alias(start)).distinct()


def _replace_panes(lake: Lake, panes: DataFrame) -> None:
    slide = lake.settings.window_slide
    span = _span(panes, "pane_start")
    if span is None:
        return
    first, last = span
    events = with_pane_start(_within(lake.read("events"), "ts", first, last + _micros(slide.total_seconds())), slide)
    events = events.join(F.broadcast(panes), _PANE, "left_semi").drop("pane_start")
    built = panes.join(build_panes(events, slide=slide), _PANE, "left")
    lake.merge("panes", built, delete_when="s.n_events IS NULL", prune=_pruned("pane_start", first, last))


def _replace_windows(lake: Lake, windows: DataFrame, score: Scorer, now: datetime) -> None:
    width, slide = lake.settings.window_width, lake.settings.window_slide
    span = _span(windows, "window_start")
    if span is None:
        return
    first, last = span
    needed = panes_of_windows(windows, width=width, slide=slide).select(*_PANE).distinct()
    panes = _within(lake.read("panes"), "pane_start", first, last + _micros(width.total_seconds()))
    panes = panes.join(F.broadcast(needed), _PANE, "left_semi")
    graphs = build_window_graphs(panes, width=width, slide=slide)
    graphs = graphs.join(F.broadcast(windows.select(*_WINDOW)), _WINDOW, "left_semi")
    built = windows.select(*_WINDOW).join(graphs, _WINDOW, "left")
    prune = _pruned("window_start", first, last)
    lake.merge("window_graphs", built, delete_when="s.n_events IS NULL", prune=prune)

    stored = _within(lake.read("window_graphs"), "window_start", first, last + 1)
    stored = stored.join(F.broadcast(windows.select(*_WINDOW)), _WINDOW, "left_semi")
    lake.merge("window_scores", score(stored, now), prune=prune)
    gone = windows.select(*_WINDOW).join(stored.select(*_WINDOW), _WINDOW, "left_anti")
    if not gone.isEmpty():
        match = " AND ".join(f"t.{key} <=> s.{key}" for key in _WINDOW)
        scores = lake.delta("window_scores").alias("t")
        scores.merge(gone.alias("s"), f"{prune} AND {match}").whenMatchedDelete().execute()
    update_alerts(lake, windows.select(*_WINDOW), now=now)


def _span(rows: DataFrame, column: str) -> tuple[int, int] | None:
    """First and last time of a column, in microseconds since 1970."""
    row = rows.agg(F.min(F.unix_micros(column)), F.max(F.unix_micros(column))).first()
    return (row[0], row[1]) if row is not None and row[0] is not None else None


def _within(rows: DataFrame, column: str, first: int, last: int) -> DataFrame:
    """Rows of [first, last), as plain comparisons, so that Delta skips files by their statistics."""
    time = F.col(column)
    return rows.where((time >= F.timestamp_micros(F.lit(first))) & (time < F.timestamp_micros(F.lit(last))))


def _pruned(column: str, first: int, last: int) -> str:
    return f"t.{column} BETWEEN timestamp_micros({first}) AND timestamp_micros({last})"


def _micros(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _interval(seconds: float) -> Column:
    return F.expr(f"INTERVAL {int(seconds)} SECONDS")
