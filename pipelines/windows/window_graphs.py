"""Window graphs: the panes of [window_start, window_start + width) put together."""

from datetime import timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.windows.panes import merged_nodes
from pipelines.windows.times import micros, panes_of_windows, windows_of_panes

__all__ = ["WINDOW_KEY", "build_window_graphs", "panes_of_windows", "windows_of_panes"]

WINDOW_KEY = ["tenant", "endpoint", "platform", "window_start"]


def build_window_graphs(panes: DataFrame, *, width: timedelta, slide: timedelta) -> DataFrame:
    """Build every window that covers a given pane; rows of `WINDOW_GRAPHS`.

    A window is whole only if all its panes are given. A window without events has no row.

    Args:
        panes: rows of `PANES`.
        width: a window's width, a multiple of ``slide``.
        slide: distance of window starts, and a pane's width.
    """
    pane = F.unix_micros("pane_start")
    starts = F.explode(F.array(*[pane - step for step in range(0, micros(width), micros(slide))]))
    # panes are in order of time and hold their edges in order, so that their edges one after another are, too
    parts = panes.withColumn("start", starts).withColumn("window_start", F.timestamp_micros("start"))
    edges = parts.groupBy(*WINDOW_KEY).agg(
        F.array_sort(F.collect_list(F.struct("pane_start", "edges"))).alias("panes"),
        F.sum("n_events").alias("n_events"),
        F.sum("n_edges_dropped").alias("n_edges_dropped"),
    )
    described = parts.select(*WINDOW_KEY, F.explode("nodes").alias("n")).select(
        *WINDOW_KEY,
        "n.id",
        F.struct(
            F.length("n.text").alias("length"), F.col("n.text").alias("text"),
            F.col("n.label").alias("label"), F.col("n.type").alias("type"),
        ).alias("node"),
    )  # fmt: skip
    return edges.join(merged_nodes(described, WINDOW_KEY), WINDOW_KEY).select(
        *WINDOW_KEY[:3],
        "window_start",
        F.timestamp_micros(F.unix_micros("window_start") + micros(width)).alias("window_end"),
        "nodes",
        F.flatten(F.transform("panes", lambda part: part["edges"])).alias("edges"),
        "n_events",
        "n_edges_dropped",
    )
