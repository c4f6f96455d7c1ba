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
from pipelines.lake import Lake, conform
from pipelines.lineage import released_after, settled
from pipelines.schemas.tables import table_named
from pipelines.windows.panes import build_panes
from pipelines.windows.times import with_pane_start
from pipelines.windows.window_graphs import build_window_graphs, panes_of_windows, windows_of_panes

__all__ = [
    "CHALLENGED_BY", "DetectionCounts", "Scorer", "detect_due", "rebuild_alerts", "rebuild_graphs", "rebuild_scores", "rescore",
]  # fmt: skip

Scorer = Callable[[DataFrame, datetime], DataFrame]
"""Takes window graphs and the time of scoring (UTC), gives ``window_scores`` rows: of the champion, one a window at most.

Rows of a challenger may stand beside them; then the champion's have the column `CHALLENGED_BY`.
"""

CHALLENGED_BY = "challenged_by"
"""In a champion's row: version of the same model whose challenger's row of that window comes with it."""

_PANE = ["tenant", "endpoint", "platform", "pane_start"]
_WINDOW = ["tenant", "endpoint", "platform", "window_start"]
# a window that comes to the same again keeps its row, and with it when it was scored
_OUTCOME_DIFFERS = "NOT (" + " AND ".join(f"t.{name} <=> s.{name}" for name in (
    "role", "attack_prob", "verdict", "contributing_events", "n_nodes", "n_edges")) + ")"  # fmt: skip


@dataclass(frozen=True)
class DetectionCounts:
    """What one round of detection did.

    Attributes:
        n_panes: minutes whose edges were built.
        n_windows: windows that were built and scored.
    """

    n_panes: int
    n_windows: int


@released_after()
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
    work = settled(lake.read("pending").where(due).select("tenant", "endpoint", "platform", "kind", "start").distinct())
    n_panes, n_windows = work.agg(
        F.count_if(F.col("kind") == "pane"), F.count_if(F.col("kind") == "window")
    ).collect()[0]  # fmt: skip
    if n_panes:
        _replace_panes(lake, _keys(work, "pane", "pane_start"))
    if n_windows:
        windows = _keys(work, "window", "window_start").withColumn(
            "window_end", F.col("window_start") + _interval(settings.window_width.total_seconds())
        )
        _replace_graphs(lake, windows)
        _replace_scores(lake, windows, score, now)
        update_alerts(lake, windows.select(*_WINDOW), now=now)
    if n_panes or n_windows:
        lake.delta("pending").delete(due)
    return DetectionCounts(n_panes, n_windows)


@released_after()
def rebuild_graphs(lake: Lake, *, first: datetime, last: datetime) -> int:
    """Build panes and graphs anew of all windows that start in [first, last); windows without events go.

    Returns:
        Number of windows that have events.
    """
    settings = lake.settings
    width, slide = settings.window_width, settings.window_slide
    reach = width - slide
    events = lake.read("events").where((F.col("ts") >= F.lit(first - reach)) & (F.col("ts") < F.lit(last + reach)))
    panes = with_pane_start(events, slide).select(*_PANE).distinct()
    windows = windows_of_panes(panes, width=width, slide=slide).where(_starts_in(first, last))
    stale = lake.read("window_graphs").where(_starts_in(first, last)).select(*_WINDOW, "window_end")
    windows = settled(windows.select(*_WINDOW, "window_end").unionByName(stale).distinct())
    if not windows.isEmpty():
        _replace_panes(lake, panes_of_windows(windows, width=width, slide=slide).select(*_PANE).distinct())
        _replace_graphs(lake, windows)
    return int(lake.read("window_graphs").where(_starts_in(first, last)).count())


@released_after()
def rebuild_scores(lake: Lake, score: Scorer, *, first: datetime, last: datetime, now: datetime) -> int:
    """Score anew all stored windows that start in [first, last); scores of windows that are gone go, too.

    Returns:
        Number of windows.
    """
    graphs = lake.read("window_graphs").where(_starts_in(first, last)).select(*_WINDOW)
    scored = lake.read("window_scores").where(_starts_in(first, last)).select(*_WINDOW)
    windows = settled(graphs.unionByName(scored).distinct())
    _replace_scores(lake, windows, score, now)
    return int(lake.read("window_graphs").where(_starts_in(first, last)).count())


@released_after()
def rebuild_alerts(lake: Lake, *, first: datetime, last: datetime, now: datetime) -> int:
    """Bring the alerts up to date with the scores of all windows that start in [first, last).

    Returns:
        Alerts added, changed or removed.
    """
    scored = lake.read("window_scores").where(_starts_in(first, last)).select(*_WINDOW)
    # windows of alerts whose scores are gone must be looked at as well
    slide = _interval(lake.settings.window_slide.total_seconds())
    alerts = lake.read("alerts").where((F.col("first_seen") < F.lit(last)) & (F.col("last_seen") > F.lit(first)))
    starts = F.explode(
        F.sequence(F.least("first_seen", "anchor_start"), F.greatest("last_seen", "anchor_start"), slide)
    )
    alerted = alerts.select("tenant", "endpoint", "platform", starts.alias("window_start"))
    return update_alerts(lake, scored.unionByName(alerted.where(_starts_in(first, last))), now=now)


@released_after()
def rescore(lake: Lake, score: Scorer, *, first: datetime, last: datetime, now: datetime) -> int:
    """Score the stored windows that start in [first, last) by another model; alerts stay as they are.

    Returns:
        Number of windows in the span.
    """
    scores = settled(score(lake.read("window_graphs").where(_starts_in(first, last)), now))
    # a champion's own rows of the same version must keep their role: they are what raised the alerts
    lake.merge("window_scores", scores, update_when="t.role <> 'champion'")
    return int(scores.count())


def _keys(work: DataFrame, kind: str, start: str) -> DataFrame:
    return work.where(F.col("kind") == kind).select("tenant", "endpoint", "platform", F.col("start").alias(start))


def _starts_in(first: datetime, last: datetime) -> Column:
    return (F.col("window_start") >= F.lit(first)) & (F.col("window_start") < F.lit(last))


def _replace_panes(lake: Lake, panes: DataFrame) -> None:
    slide = lake.settings.window_slide
    span = _span(panes, "pane_start")
    if span is None:
        return
    first, last = span
    events = with_pane_start(_within(lake.read("events"), "ts", first, last + _micros(slide.total_seconds())), slide)
    events = settled(events.join(F.broadcast(panes), _PANE, "left_semi").drop("pane_start"))
    built = settled(panes.join(build_panes(events, slide=slide), _PANE, "left"))
    lake.merge("panes", built, delete_when="s.n_events IS NULL", prune=_pruned("pane_start", first, last))


def _replace_graphs(lake: Lake, windows: DataFrame) -> None:
    width, slide = lake.settings.window_width, lake.settings.window_slide
    span = _span(windows, "window_start")
    if span is None:
        return
    first, last = span
    needed = panes_of_windows(windows, width=width, slide=slide).select(*_PANE).distinct()
    panes = _within(lake.read("panes"), "pane_start", first, last + _micros(width.total_seconds()))
    panes = settled(panes.join(F.broadcast(needed), _PANE, "left_semi"))
    keys = windows.select(*_WINDOW)
    built = settled(keys.join(build_window_graphs(panes, width=width, slide=slide), _WINDOW, "left"))
    prune = _pruned("window_start", first, last)
    lake.merge("window_graphs", built, delete_when="s.n_events IS NULL", prune=prune)


def _replace_scores(lake: Lake, windows: DataFrame, score: Scorer, now: datetime) -> None:
    span = _span(windows, "window_start")
    if span is None:
        return
    first, last = span
    keys = windows.select(*_WINDOW)
    prune = _pruned("window_start", first, last)
    stored = _within(lake.read("window_graphs"), "window_start", first, last + 1)
    stored = settled(stored.join(F.broadcast(keys), _WINDOW, "left_semi"))
    _write_scores(lake, settled(score(stored, now)), prune)
    gone = settled(keys.join(stored.select(*_WINDOW), _WINDOW, "left_anti"))
    if not gone.isEmpty():
        match = " AND ".join(f"t.{key} <=> s.{key}" for key in _WINDOW)
        scores = lake.delta("window_scores").alias("t")
        scores.merge(gone.alias("s"), f"{prune} AND {match}").whenMatchedDelete().execute()


def _write_scores(lake: Lake, scores: DataFrame, prune: str) -> None:
    """Write a round's rows, and take the role from other versions' rows of the same windows, in one commit.

    After a rollback, or a promotion of an older version, the version that scores now has the word, and not the one
    with the highest number. A challenger that was champion once has it no longer, either.
    """
    table = table_named("window_scores")
    # who challenges stands in the columns: without one nothing is looked for, and nothing more is done
    has_challenger = CHALLENGED_BY in scores.columns
    champions = scores.where("role = 'champion'") if has_challenger else scores
    named = ["model_name", "model_version", *([CHALLENGED_BY] if has_challenger else [])]
    # each window comes a second time, to meet what other versions wrote as champion: no look at the table beforehand
    others = champions.select(*_WINDOW, *named).withColumn("is_own", F.lit(False))
    own = conform(scores, table).withColumn("is_own", F.lit(True))
    rows = own.unionByName(others, allowMissingColumns=True)
    window = " AND ".join(f"t.{key} <=> s.{key}" for key in _WINDOW)
    same_version = "(t.model_name <=> s.model_name AND t.model_version <=> s.model_version)"
    is_other = f"NOT {same_version}"
    if has_challenger:  # its row is met by its own
        is_other += f" AND NOT (t.model_name <=> s.model_name AND t.model_version <=> s.{CHALLENGED_BY})"
    meets = f"IF(s.is_own, {same_version}, t.role = 'champion' AND {is_other})"
    columns = {name: f"s.{name}" for name in table.schema.names}
    merge = lake.delta("window_scores").alias("t").merge(rows.alias("s"), f"{prune} AND {window} AND {meets}")
    merge = merge.whenMatchedUpdate("NOT s.is_own", {"role": "'rescore'"})
    merge = merge.whenMatchedUpdate(_OUTCOME_DIFFERS, columns)
    merge.whenNotMatchedInsert("s.is_own", columns).execute()


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
