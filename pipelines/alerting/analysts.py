"""What analysts have said of alerts: their status and which of them must stay.

The words themselves are written by the API alone.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.schemas.alerts import CLOSED_STATUSES

__all__ = ["statuses", "with_analyst_marks"]


def statuses(changes: DataFrame) -> DataFrame:
    """Each alert's status: that of its last change (alert_id, status); alerts without changes are open."""
    last = F.max_by("to_status", F.struct("changed_at", "change_id"))
    return changes.groupBy("alert_id").agg(last.alias("status"))


def with_analyst_marks(
    alerts: DataFrame, changes: DataFrame | None = None, feedback: DataFrame | None = None
) -> DataFrame:
    """Add `is_closed` (frozen for ever) and `is_pinned` (an analyst has touched it: it may change, but not go)."""
    if changes is None:
        alerts = alerts.withColumn("_status", F.lit(None).cast("string"))
    else:
        alerts = alerts.join(statuses(changes).withColumnRenamed("status", "_status"), "alert_id", "left")
    if feedback is None:
        alerts = alerts.withColumn("_judged", F.lit(None).cast("boolean"))
    else:
        judged = feedback.select("alert_id").distinct().withColumn("_judged", F.lit(True))
        alerts = alerts.join(judged, "alert_id", "left")
    is_closed = F.coalesce(F.col("_status").isin([str(status) for status in CLOSED_STATUSES]), F.lit(False))
    is_touched = F.col("_status").isNotNull() | F.col("_judged").isNotNull()
    return alerts.withColumns({"is_closed": is_closed, "is_pinned": is_touched & ~is_closed}).drop("_status", "_judged")
