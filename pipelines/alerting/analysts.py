"""What analysts have said of alerts: which of them are frozen, and which must stay.

The words themselves are written by the API alone.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.schemas.alerts import CLOSED_STATUSES

__all__ = ["with_analyst_marks"]


def with_analyst_marks(
    alerts: DataFrame, changes: DataFrame | None = None, feedback: DataFrame | None = None
) -> DataFrame:
    """Add `is_closed` (frozen for ever) and `is_pinned` (an analyst has touched it: it may change, but not go).

    An alert that was closed once stays frozen though an analyst reopens it: what happened since is an alert of its own
    by then, which must not be swallowed because somebody looks at the old one again.
    """
    if changes is None:
        alerts = alerts.withColumn("_was_closed", F.lit(None).cast("boolean"))
    else:
        is_closing = F.col("to_status").isin([str(status) for status in CLOSED_STATUSES])
        touched = changes.groupBy("alert_id").agg(F.bool_or(is_closing).alias("_was_closed"))
        alerts = alerts.join(touched, "alert_id", "left")
    if feedback is None:
        alerts = alerts.withColumn("_judged", F.lit(None).cast("boolean"))
    else:
        judged = feedback.select("alert_id").distinct().withColumn("_judged", F.lit(True))
        alerts = alerts.join(judged, "alert_id", "left")
    is_closed = F.coalesce("_was_closed", F.lit(False))
    is_touched = F.col("_was_closed").isNotNull() | F.col("_judged").isNotNull()
    return alerts.withColumns({"is_closed": is_closed, "is_pinned": is_touched & ~is_closed}).drop(
        "_was_closed", "_judged"
    )
