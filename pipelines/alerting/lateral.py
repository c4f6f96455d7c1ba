"""Lateral movement: which endpoints of a tenant had attack windows at the same time."""

from datetime import timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.windows.times import micros

__all__ = ["relate"]


def relate(alert_windows: DataFrame, lateral_gap: timedelta) -> DataFrame:
    """List for every alert the other endpoints of its tenant with a window that starts within the gap of one of its.

    Args:
        alert_windows: tenant, endpoint, window_start, alert_id; windows without an alert_id count as neighbours only.
        lateral_gap: longest distance between two starts, inclusive.

    Returns:
        alert_id, related_endpoints (sorted, distinct); alerts without any are left out.
    """
    gap = micros(lateral_gap)
    start = F.unix_micros("window_start")
    # a start lies in one bucket of the gap's width, its neighbours in that one or the two beside it
    bucket = F.floor(start / F.lit(gap)).cast("bigint")
    points = alert_windows.select("tenant", "endpoint", "alert_id", start.alias("_start"), bucket.alias("_bucket"))
    points = points.distinct()
    ours = points.where(F.col("alert_id").isNotNull()).withColumn(
        "_bucket", F.explode(F.array(*[F.col("_bucket") + step for step in (-1, 0, 1)]))
    )
    theirs = points.select(
        "tenant", "_bucket", F.col("endpoint").alias("_other"), F.col("_start").alias("_other_start")
    ).distinct()
    near = (F.col("endpoint") != F.col("_other")) & (F.abs(F.col("_start") - F.col("_other_start")) <= F.lit(gap))
    pairs = ours.join(theirs, ["tenant", "_bucket"]).where(near).select("alert_id", "_other").distinct()
    return pairs.groupBy("alert_id").agg(F.array_sort(F.collect_list("_other")).alias("related_endpoints"))
