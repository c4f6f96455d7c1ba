"""How far rescored windows reach: the stretches of time in which alerts may come out differently.

Everything outside these stretches needs neither be read nor written.
"""

from datetime import timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipelines.windows.times import micros

__all__ = ["chains", "in_stretches", "stretches"]

_ENDPOINT = ["tenant", "endpoint"]
_HOUR = 3_600_000_000


def chains(touched: DataFrame, alerts: DataFrame, *, width: timedelta, dedup_gap: timedelta) -> DataFrame:
    """Chain touched windows and existing alerts of an endpoint that are no further apart than the gap.

    An attack window that was not touched lies in an existing alert. So every alert, old or new, that a touched window
    has to do with is made of touched windows and existing alerts of one chain.

    Args:
        touched: windows whose score may have changed: tenant, endpoint, window_start, is_positive (now).
        alerts: rows of ``ALERTS``; those of other tenants are left out.
        width: of a window.
        dedup_gap: longest pause within an alert.

    Returns:
        tenant, endpoint, lo, hi (microseconds since 1970, both inclusive), is_touched. Chains in which nothing is or
        was positive are left out.
    """
    start = F.unix_micros("window_start")
    pieces = touched.select(
        *_ENDPOINT, start.alias("lo"), (start + F.lit(micros(width))).alias("hi"),
        F.lit(True).alias("is_touched"), F.col("is_positive").alias("_counts"),
    )  # fmt: skip
    extent = alerts.select(
        *_ENDPOINT,
        F.unix_micros(F.least("first_seen", "anchor_start")).alias("lo"),
        F.unix_micros(F.greatest("last_seen", "anchor_start")).alias("hi"),
        F.lit(False).alias("is_touched"),
        F.lit(True).alias("_counts"),
    )
    pieces = pieces.unionByName(extent.join(touched.select("tenant").distinct(), "tenant", "left_semi"))
    in_time = Window.partitionBy(*_ENDPOINT).orderBy("lo", "hi", "is_touched")
    last_hi = F.max("hi").over(in_time.rowsBetween(Window.unboundedPreceding, -1))
    opens = (last_hi.isNull() | (F.col("lo") - last_hi > F.lit(micros(dedup_gap)))).cast("int")
    pieces = pieces.withColumn("_opens", opens)
    pieces = pieces.withColumn(
        "_chain", F.sum("_opens").over(in_time.rowsBetween(Window.unboundedPreceding, Window.currentRow))
    )
    return (
        pieces.groupBy(*_ENDPOINT, "_chain")
        .agg(
            F.min("lo").alias("lo"),
            F.max("hi").alias("hi"),
            F.bool_or("is_touched").alias("is_touched"),
            F.bool_or("_counts").alias("_counts"),
        )
        .where("_counts")
        .drop("_counts", "_chain")
    )


def stretches(chains: DataFrame, lateral_gap: timedelta) -> DataFrame:
    """Find the chains that touched windows can affect, those of other endpoints beside them among them.

    Args:
        chains: see `chains`.
        lateral_gap: distance within which alerts of two endpoints are related.

    Returns:
        tenant, endpoint, lo, hi, level. Level 0 may hold other alerts than before, level 1 other relations; level 2 is
        what relations of level 1 are worked out from.
    """
    first = chains.where("is_touched").drop("is_touched")
    others = chains.where(~F.col("is_touched")).drop("is_touched")
    second = _beside(others, first, lateral_gap)
    third = _beside(others, second, lateral_gap)
    levels = [frame.withColumn("level", F.lit(level)) for level, frame in enumerate((first, second, third))]
    found = levels[0].unionByName(levels[1]).unionByName(levels[2])
    return found.groupBy(*_ENDPOINT, "lo", "hi").agg(F.min("level").alias("level"))


def _beside(others: DataFrame, base: DataFrame, gap: timedelta) -> DataFrame:
    """Chains whose time comes within the gap of one of the base's, in the same tenant."""
    reach = F.lit(micros(gap))
    # by the hour, so that a tenant's chains are not all compared with all
    ours = others.withColumn("_hour", _hours(F.col("lo"), F.col("hi")))
    theirs = base.select("tenant", (F.col("lo") - reach).alias("_lo"), (F.col("hi") + reach).alias("_hi"))
    theirs = theirs.distinct().withColumn("_hour", _hours(F.col("_lo"), F.col("_hi")))
    meets = (F.col("lo") <= F.col("_hi")) & (F.col("_lo") <= F.col("hi"))
    return ours.join(theirs, ["tenant", "_hour"]).where(meets).select(*_ENDPOINT, "lo", "hi").distinct()


def _hours(lo: Column, hi: Column) -> Column:
    return F.explode(F.sequence(F.floor(lo / _HOUR).cast("bigint"), F.floor(hi / _HOUR).cast("bigint")))


def in_stretches(rows: DataFrame, stretches: DataFrame, time: Column) -> DataFrame:
    """Keep the rows (with tenant and endpoint) whose time lies in a stretch, and add its `level`."""
    at = F.unix_micros(time)
    joined = rows.withColumn("_at", at).join(stretches, _ENDPOINT)
    return joined.where(F.col("_at").between(F.col("lo"), F.col("hi"))).drop("_at", "lo", "hi")
