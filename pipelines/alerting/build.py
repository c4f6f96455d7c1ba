"""From window scores to alerts, all at once: the rows that the incremental ``update`` must come to as well."""

from datetime import datetime, timedelta

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipelines.alerting.analysts import with_analyst_marks
from pipelines.alerting.lateral import relate
from pipelines.alerting.positives import positive_windows, severity_of
from pipelines.alerting.sessions import sessionise
from pipelines.lake import conform, spark_schema
from pipelines.schemas.tables import table_named
from pipelines.ttp.explanation import TTP_COLUMNS

__all__ = ["MAX_CONTRIBUTING_EVENTS", "alert_windows", "assemble_alerts", "build_alerts"]

MAX_CONTRIBUTING_EVENTS = 20
"""Contributing events that an alert lists at most."""

_ALERTS = table_named("alerts")
_COMPUTED = [
    name for name in _ALERTS.schema.names if name not in {*TTP_COLUMNS, "alert_id", "created_at", "updated_at"}
]


def build_alerts(
    scores: DataFrame,
    *,
    existing: DataFrame | None = None,
    changes: DataFrame | None = None,
    feedback: DataFrame | None = None,
    dedup_gap: timedelta,
    lateral_gap: timedelta,
    now: datetime,
) -> DataFrame:
    """Build the whole alert queue from the whole of the scores.

    Args:
        scores: rows of ``WINDOW_SCORES``, any role; only the champion's alert.
        existing: rows of ``ALERTS`` so far: closed ones stay untouched, ones that an analyst has touched never go,
            unchanged ones keep their times.
        changes: rows of ``ALERT_CHANGES``.
        feedback: rows of ``FEEDBACK``.
        dedup_gap: longest pause within an alert, from a window's end to the next one's start, inclusive.
        lateral_gap: windows of two endpoints that start this close relate their alerts, inclusive.
        now: time written to new and changed rows (UTC); decides nothing else.

    Returns:
        Rows of ``ALERTS``. A pinned alert whose windows have all been cleared since stays as it was.
    """
    if existing is None:
        existing = scores.sparkSession.createDataFrame([], spark_schema(_ALERTS))
    marked = with_analyst_marks(existing, changes, feedback)
    windows = alert_windows(scores, marked, dedup_gap)
    rows = assemble_alerts(windows, marked, lateral_gap=lateral_gap, now=now)
    return conform(rows.drop("is_changed"), _ALERTS)


def alert_windows(scores: DataFrame, marked: DataFrame, dedup_gap: timedelta) -> DataFrame:
    """Say which alert each attack window belongs to; see `pipelines.alerting.sessions.sessionise`.

    Args:
        scores: rows of ``WINDOW_SCORES``.
        marked: existing alerts, see `pipelines.alerting.analysts.with_analyst_marks`.
        dedup_gap: longest pause within an alert.
    """
    pinned = marked.where("is_pinned").select("tenant", "endpoint", "alert_id", "anchor_start")
    closed = marked.where("is_closed").select(
        "tenant",
        "endpoint",
        # the anchor's own window is always inside, so that no later alert can get the closed one's id
        F.least("first_seen", "anchor_start").alias("closed_start"),
        F.greatest("last_seen", F.timestamp_micros(F.unix_micros("anchor_start") + 1)).alias("closed_end"),
    )
    return sessionise(positive_windows(scores), dedup_gap, pinned=pinned, closed=closed)


def assemble_alerts(
    windows: DataFrame, marked: DataFrame, *, lateral_gap: timedelta, now: datetime, ttp: DataFrame | None = None
) -> DataFrame:
    """Make the rows of ``ALERTS`` of windows that know their alerts.

    Apart from `alert_windows` so that a driver may keep its result in between: all of it as one plan takes Spark longer
    to optimise than to run.

    Args:
        windows: see `alert_windows`.
        marked: existing alerts with analysts' marks.
        lateral_gap: windows of two endpoints that start this close relate their alerts.
        now: time written to new and changed rows.
        ttp: what rules say of alerts, see `pipelines.ttp.explanation.explain_alerts`; others keep what they have.

    Returns:
        Rows with `is_changed`: the alert is new or differs from the existing one.
    """
    nothing = F.array().cast("array<string>")
    if ttp is None:
        ttp = windows.select(
            "alert_id", *[F.lit(None).cast("array<string>").alias(name) for name in TTP_COLUMNS]
        ).limit(0)
    computed = _summarise_alerts(windows).join(relate(windows, lateral_gap), "alert_id", "left")
    computed = computed.withColumn("related_endpoints", F.coalesce("related_endpoints", nothing))
    computed = computed.join(ttp, "alert_id", "left")
    old = marked.select(*[F.col(name).alias(f"_old_{name}") for name in [*_ALERTS.schema.names, "is_closed"]])
    joined = computed.join(old, F.col("alert_id") == F.col("_old_alert_id"), "left")
    joined = joined.where(~F.coalesce("_old_is_closed", F.lit(False)))
    told = {name: F.coalesce(name, f"_old_{name}", nothing) for name in TTP_COLUMNS}
    joined = joined.withColumns(told)
    is_same = F.lit(True)
    for name in [*_COMPUTED, *TTP_COLUMNS]:
        is_same = is_same & F.col(name).eqNullSafe(F.col(f"_old_{name}"))
    current = joined.select(
        "alert_id",
        *_COMPUTED,
        *TTP_COLUMNS,
        F.coalesce("_old_created_at", F.lit(now)).alias("created_at"),
        F.when(is_same, F.col("_old_updated_at")).otherwise(F.lit(now)).alias("updated_at"),
        (~is_same).alias("is_changed"),
    )
    alive = windows.select(F.col("alert_id").alias("_alive")).distinct()
    kept = marked.where("is_closed OR is_pinned").join(alive, F.col("alert_id") == F.col("_alive"), "left")
    kept = kept.where("is_closed OR _alive IS NULL").drop("is_closed", "is_pinned", "_alive")
    return current.unionByName(kept.withColumn("is_changed", F.lit(False)))


def _summarise_alerts(windows: DataFrame) -> DataFrame:
    """One row an alert of what its windows say; windows without an alert_id (a closed alert's) are left out."""
    windows = windows.where(F.col("alert_id").isNotNull())
    # the highest window speaks for the alert; of equal ones the earliest
    rank = F.struct("attack_prob", (-F.unix_micros("window_start")).alias("_earliest"), "platform")
    alerts = windows.groupBy("tenant", "endpoint", "alert_id", "anchor_start").agg(
        F.max_by(F.struct("platform", "model_name", "model_version"), rank).alias("_top"),
        F.max("attack_prob").alias("attack_prob"),
        F.min("window_start").alias("first_seen"),
        F.max("window_end").alias("last_seen"),
        F.count(F.lit(1)).alias("window_count"),
    )
    alerts = alerts.withColumn("severity", severity_of(F.col("attack_prob"))).select("*", "_top.*").drop("_top")
    alerts = alerts.join(_contributing_events(windows), "alert_id", "left")
    nothing = F.array().cast(spark_schema(_ALERTS)["contributing_events"].dataType)
    return alerts.withColumn("contributing_events", F.coalesce("contributing_events", nothing))


def _contributing_events(windows: DataFrame) -> DataFrame:
    """The alert's weightiest events, each once with its highest weight, heaviest first."""
    events = windows.select("alert_id", F.explode("contributing_events").alias("_event")).select("alert_id", "_event.*")
    events = events.where(F.col("event_id").isNotNull())
    best = events.groupBy("alert_id", "event_id").agg(F.max(F.struct("weight", "summary")).alias("_best"))
    heaviest = Window.partitionBy("alert_id").orderBy(F.col("_best.weight").desc_nulls_last(), "event_id")
    best = best.withColumn("_rank", F.row_number().over(heaviest)).where(F.col("_rank") <= MAX_CONTRIBUTING_EVENTS)
    ordered = F.array_sort(F.collect_list(F.struct("_rank", "event_id", "_best.weight", "_best.summary")))
    listed = F.transform(ordered, lambda item: F.struct(item.event_id, item.weight, item.summary))
    type_ = spark_schema(_ALERTS)["contributing_events"].dataType
    return best.groupBy("alert_id").agg(listed.cast(type_).alias("contributing_events"))
