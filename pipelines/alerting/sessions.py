"""Merging attack windows of an endpoint into alerts, and what analysts have pinned or closed of them.

A function of sets: neither the order of the windows nor how they were cut into micro-batches matters. Why the gap is
measured from a window's end is in ``docs/decisions/0002-dedup-gap.md``.
"""

from datetime import timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipelines.windows.times import micros

__all__ = ["alert_id_of", "sessionise"]

_ENDPOINT = ["tenant", "endpoint"]
_CLOSED, _PINNED, _WINDOW = 0, 1, 2


def alert_id_of(tenant: Column, endpoint: Column, anchor_start: Column) -> Column:
    """SHA-256 (hex) of tenant, endpoint and a window's start, each name led by its length so that none run together."""
    names = [F.concat(F.length(name).cast("string"), F.lit(":"), name) for name in (tenant, endpoint)]
    return F.sha2(F.concat(*names, F.unix_micros(anchor_start).cast("string")), 256)


def sessionise(
    positive_windows: DataFrame,
    dedup_gap: timedelta,
    *,
    pinned: DataFrame | None = None,
    closed: DataFrame | None = None,
) -> DataFrame:
    """Say for every attack window which alert it belongs to.

    Windows of a tenant's endpoint are one alert while ``window_start - (latest window_end before) <= dedup_gap``. An
    alert is named after its first window, unless an analyst has touched it: a pinned alert keeps its name however
    windows before it come and go. Two pinned alerts stay two when windows between them close the gap: from the later
    one's anchor on, windows are the later one's. A closed alert owns the windows that start within it; windows before
    and after it are never merged with each other.

    Args:
        positive_windows: see `pipelines.alerting.positives.positive_windows`.
        dedup_gap: longest pause within an alert, inclusive.
        pinned: open alerts that an analyst has touched: tenant, endpoint, alert_id, anchor_start.
        closed: closed alerts: tenant, endpoint, closed_start, closed_end, half-open.

    Returns:
        The windows with `alert_id` and `anchor_start` (start of the window that the id is made from), both null for
        windows of a closed alert.
    """
    rows = positive_windows.withColumns(
        {
            "_kind": F.lit(_WINDOW),
            "_start": F.unix_micros("window_start"),
            "_end": F.unix_micros("window_end"),
            "_pinned_id": F.lit(None).cast("string"),
        }
    )
    columns = rows.columns
    if pinned is not None:
        anchor = F.unix_micros("anchor_start")
        marks = pinned.select(
            *_ENDPOINT, F.lit(_PINNED).alias("_kind"), anchor.alias("_start"), anchor.alias("_end"),
            F.col("alert_id").alias("_pinned_id"),
        )  # fmt: skip
        rows = rows.unionByName(marks, allowMissingColumns=True)
    if closed is not None:
        marks = closed.select(
            *_ENDPOINT,
            F.lit(_CLOSED).alias("_kind"),
            F.unix_micros("closed_start").alias("_start"),
            F.unix_micros("closed_end").alias("_end"),
        )
        rows = rows.unionByName(marks, allowMissingColumns=True)
    order = ["_start", "_kind", "platform", "_pinned_id"]
    in_time = Window.partitionBy(*_ENDPOINT).orderBy(*order)
    so_far = in_time.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    before = in_time.rowsBetween(Window.unboundedPreceding, -1)
    kind, start, end = F.col("_kind"), F.col("_start"), F.col("_end")

    rows = rows.withColumns(
        {
            "_closed_start": F.coalesce(F.max(F.when(kind == _CLOSED, start)).over(so_far), F.lit(-(2**62))),
            "_closed_end": F.coalesce(F.max(F.when(kind == _CLOSED, end)).over(so_far), F.lit(-(2**62))),
            "_anchor": F.coalesce(F.max(F.when(kind == _PINNED, start)).over(so_far), F.lit(-(2**62) - 1)),
        }
    )
    # the tail of a closed alert's last window may reach over the first of a pinned one's, which stay the pinned one's
    is_owned = (start < F.col("_closed_end")) & (F.col("_anchor") < F.col("_closed_start"))
    rows = rows.withColumn("_live", (kind == _PINNED) | ((kind == _WINDOW) & ~is_owned))
    live = F.col("_live")
    last_end = F.max(F.when(live, end)).over(before)
    last_closed = F.last(F.when(live, F.col("_closed_start")), ignorenulls=True).over(before)
    opens = last_end.isNull() | (start - last_end > F.lit(micros(dedup_gap))) | (last_closed != F.col("_closed_start"))
    rows = rows.withColumn("_opens", F.when(live & opens, 1).otherwise(0))
    rows = rows.where(live | (kind == _WINDOW)).withColumn("_session", F.sum("_opens").over(so_far))

    in_session = Window.partitionBy(*_ENDPOINT, "_session", "_live").orderBy(*order)
    so_far = in_session.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    # windows before a session's first anchor belong to that anchor, too
    rows = rows.withColumn("_part", F.greatest(F.lit(1), F.sum((kind == _PINNED).cast("int")).over(so_far)))
    whole = Window.partitionBy(*_ENDPOINT, "_session", "_live", "_part")
    anchor_start = F.timestamp_micros(F.coalesce(F.max(F.when(kind == _PINNED, start)).over(whole),
                                                 F.min(start).over(whole)))  # fmt: skip
    rows = rows.withColumn("anchor_start", F.when(live, anchor_start))
    own_id = alert_id_of(F.col("tenant"), F.col("endpoint"), F.col("anchor_start"))
    rows = rows.withColumn("alert_id", F.when(live, F.coalesce(F.max("_pinned_id").over(whole), own_id)))
    kept = [name for name in columns if not name.startswith("_")]
    return rows.where(kind == _WINDOW).select(*kept, "alert_id", "anchor_start")
