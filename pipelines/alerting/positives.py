"""Which windows raise alerts, and how grave: from ``window_scores`` to the attack windows that count.

No merging here: that is ``pipelines.alerting.sessions``.
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipelines.schemas.alerts import SEVERITY_THRESHOLDS

__all__ = ["ALERT_THRESHOLD", "positive_windows", "severity_of"]

ALERT_THRESHOLD = min(SEVERITY_THRESHOLDS.values())
"""Least ``attack_prob`` that alerts."""

_WINDOW = ["tenant", "endpoint", "platform", "window_start"]


def positive_windows(scores: DataFrame) -> DataFrame:
    """Keep the windows that alert: the champion's probability is at or over the least threshold.

    Where several versions scored a window as champion, the one with the highest number counts, and its word alone: a
    window that the newer version clears is no longer positive.

    Args:
        scores: rows of ``WINDOW_SCORES``, any role.

    Returns:
        At most one row a window: tenant, endpoint, platform, window_start, window_end, model_name, model_version,
        attack_prob, contributing_events.
    """
    # NaN is greater than every number in Spark, and would alert
    positive = (F.col("attack_prob") >= F.lit(ALERT_THRESHOLD)) & ~F.isnan("attack_prob")
    newest_first = Window.partitionBy(*_WINDOW).orderBy(
        F.col("model_version").try_cast("bigint").desc_nulls_last(),
        F.col("model_version").desc(),
        F.col("model_name").desc(),
    )
    return (
        scores.where(F.col("role") == "champion")
        .select(
            *_WINDOW,
            "window_end",
            "model_name",
            "model_version",
            "attack_prob",
            # the lists of windows that will not alert need not travel through the shuffle
            F.when(positive, F.col("contributing_events")).alias("contributing_events"),
        )
        .withColumn("_rank", F.row_number().over(newest_first))
        .where((F.col("_rank") == 1) & positive)
        .drop("_rank")
    )


def severity_of(attack_prob: Column) -> Column:
    """Name the severity of a probability; null below the least threshold."""
    by_threshold = sorted(SEVERITY_THRESHOLDS.items(), key=lambda item: item[1])
    severity: Column = F.lit(None).cast("string")
    for name, threshold in by_threshold:
        severity = F.when(attack_prob >= F.lit(threshold), F.lit(name.value)).otherwise(severity)
    return severity
