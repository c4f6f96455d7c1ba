"""Which minute and which windows a time belongs to; all bounds are half-open and aligned to the UTC epoch."""

from datetime import timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

__all__ = ["covering_windows", "micros", "panes_of_windows", "windows_of_panes", "with_pane_start"]

_ENDPOINT = ["tenant", "endpoint", "platform"]


def micros(span: timedelta) -> int:
    """A duration in microseconds, exactly."""
    return span // timedelta(microseconds=1)


def with_pane_start(events: DataFrame, slide: timedelta) -> DataFrame:
    """Add ``pane_start``: UTC start of the half-open pane [start, start + slide) of each event's ``ts``."""
    return events.withColumn("pane_start", F.timestamp_micros(_floored(F.unix_micros("ts"), micros(slide))))


def covering_windows(panes: Column, *, width: timedelta, slide: timedelta) -> Column:
    """The windows [start, start + width) that cover the given panes, each once, as an array of their starts.

    Args:
        panes: array of pane starts (microseconds since 1970).
        width: a multiple of ``slide``.
        slide: distance of window starts, and a pane's width.
    """
    return F.array_distinct(F.flatten(F.transform(panes, lambda pane: _covering_starts(pane, width, slide))))


def windows_of_panes(panes: DataFrame, *, width: timedelta, slide: timedelta) -> DataFrame:
    """The windows [window_start, window_start + width) that cover the given panes, each once.

    Args:
        panes: tenant, endpoint, platform, pane_start.
        width: a multiple of ``slide``.
        slide: distance of window starts, and a pane's width.

    Returns:
        tenant, endpoint, platform, window_start, window_end.
    """
    return (
        panes.select(*_ENDPOINT, F.explode(_covering_starts(F.unix_micros("pane_start"), width, slide)).alias("start"))
        .distinct()
        .select(
            *_ENDPOINT,
            F.timestamp_micros("start").alias("window_start"),
            F.timestamp_micros(F.col("start") + micros(width)).alias("window_end"),
        )
    )


def panes_of_windows(windows: DataFrame, *, width: timedelta, slide: timedelta) -> DataFrame:
    """The panes that the given windows are made of, each once: tenant, endpoint, platform, pane_start."""
    starts = [F.unix_micros("window_start") + step for step in range(0, micros(width), micros(slide))]
    return (
        windows.select(*_ENDPOINT, F.explode(F.array(*starts)).alias("start"))
        .distinct()
        .select(*_ENDPOINT, F.timestamp_micros("start").alias("pane_start"))
    )


def _covering_starts(pane: Column, width: timedelta, slide: timedelta) -> Column:
    """Starts of the windows that cover a pane, as an array; all in microseconds."""
    return F.array(*[pane - step for step in range(0, micros(width), micros(slide))])


def _floored(time: Column, step: int) -> Column:
    # integers all the way: a double cannot hold microseconds of this century
    return time - F.pmod(time, F.lit(step))
