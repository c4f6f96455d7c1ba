"""Which windows raise alerts, and how grave: from ``window_scores`` to the attack windows that count.

No merging here: that is ``pipelines.alerting.sessions``.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.schemas.alerts import SEVERITY_THRESHOLDS

__all__ = ["ALERT_THRESHOLD", "positive_windows", "severity_of"]

ALERT_THRESHOLD = min(SEVERITY_THRESHOLDS.values())
"""Least ``attack_prob`` that alerts."""

_WINDOW = ["tenant", "endpoint", "platform", "window_start"]


def positive_windows(scores: DataFrame) -> DataFrame:
    """Keep the windows that alert: the champion's probability is at or over the least threshold.

    A window has one champion's row at most, the one that scored it last: the commit that writes it demotes those of
    other versions (`pipelines.detection`), whichever version has the higher number.

    Args:
        scores: rows of ``WINDOW_SCORES``, any role.

    Returns:
        At most one row a window: tenant, endpoint, platform, window_start, window_end, model_name, model_version,
        attack_prob, contributing_events.
    """
    # NaN is greater than every number in Spark, and would alert
    positive = (F.col("attack_prob") >= F.lit(ALERT_THRESHOLD)) & ~F.isnan("attack_prob")
    return scores.where((F.col("role") == "champion") & positive).select(
        *_WINDOW, "window_end", "model_name", "model_version", "attack_prob", "contributing_events"
    )


def severity_of(attack_prob: Column) -> Column:
    """Name the severity of a probability; null below the least threshold."""
    by_threshold = sorted(SEVERITY_THRESHOLDS.items(), key=lambda item: item[1])
    severity: Column = F.lit(None).cast("string")
    for name, threshold in by_threshold:
        severity = F.when(attack_prob >= F.lit(threshold), F.lit(name.value)).otherwise(severity)
    return severity
