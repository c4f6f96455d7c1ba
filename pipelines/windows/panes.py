"""Panes: a minute's nodes and edges of one endpoint, built once and shared by the windows that cover it.

How a busy minute is cut down (`PaneLimits`):

1. Equal edges (source, target, type, text) keep their first three; the first one's ``n_events`` counts the others.
2. Of what is left, at most 3,000 edges stay. Each process's first edge of each type comes first, then its second, and
   so on, so that a process that does one thing ten thousand times crowds nobody out. ``n_edges_dropped`` counts the
   rest. A window of three panes so holds at most 9,000 edges.

The result is a function of the set of events: no order, no doubles.
"""

from dataclasses import dataclass
from datetime import timedelta

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipelines.windows.edges import with_edges
from pipelines.windows.times import with_pane_start

__all__ = ["PANE_KEY", "PaneLimits", "build_panes", "merged_nodes"]

PANE_KEY = ["tenant", "endpoint", "platform", "pane_start"]


@dataclass(frozen=True)
class PaneLimits:
    """How much of a pane is kept.

    Attributes:
        repeats: edges kept of those that are equal in source, target, type and text.
        edges: edges kept in all.
    """

    repeats: int = 3
    edges: int = 3_000


def build_panes(events: DataFrame, *, slide: timedelta, limits: PaneLimits | None = None) -> DataFrame:
    """Build the panes of all events given; rows of `PANES`.

    Args:
        events: all events of the panes concerned, in any order; rows of one ``event_id`` count once.
        slide: a pane's width.
        limits: how a busy pane is cut down.
    """
    limits = limits or PaneLimits()
    timed = with_pane_start(events, slide)
    counts = timed.groupBy(*PANE_KEY).agg(F.countDistinct("event_id").alias("n_events"))
    drawn = with_edges(timed).select(*PANE_KEY, "ts", "event_id", F.inline_outer("edges"))
    group = [*PANE_KEY, F.col("src.id").alias("src_id"), F.col("dst.id").alias("dst_id"), "type", "text"]
    groups = drawn.groupBy(*group).agg(
        F.array_sort(F.collect_set(F.struct("ts", "event_id"))).alias("seen"),
        F.max(_richest("src")).alias("src_node"),
        F.max(_richest("dst")).alias("dst_node"),
    )
    edges = _kept_edges(groups, limits)
    ends = F.explode(F.array(
        F.struct(F.col("src_id").alias("id"), F.col("src_node").alias("node")),
        F.struct(F.col("dst_id").alias("id"), F.col("dst_node").alias("node")),
    ))  # fmt: skip
    nodes = merged_nodes(groups.select(*PANE_KEY, ends.alias("end")).select(*PANE_KEY, "end.id", "end.node"), PANE_KEY)
    named = F.array_distinct(
        F.concat(F.transform("edges", lambda edge: edge["src"]), F.transform("edges", lambda edge: edge["dst"]))
    )
    # only a pane that was cut down can have nodes without edges
    kept = F.when(F.col("n_edges_dropped") == 0, F.col("nodes")).otherwise(
        F.filter("nodes", lambda each: F.array_contains(named, each["id"]))
    )
    return (
        edges.join(nodes, PANE_KEY)
        .join(counts, PANE_KEY)
        .select(*PANE_KEY, kept.alias("nodes"), "edges", "n_events", "n_edges_dropped")
    )


def merged_nodes(nodes: DataFrame, key: list[str]) -> DataFrame:
    """Merge descriptions of one node (columns ``key``, id, node as `_richest` makes them), then list nodes by id.

    The longest text wins, then the greatest by its characters: merging in steps gives what merging at once gives.
    """
    best = nodes.groupBy(*key, "id").agg(F.max("node").alias("node"))
    listed = F.struct("id", "node.type", "node.label", "node.text")
    return best.groupBy(*key).agg(F.array_sort(F.collect_list(listed)).alias("nodes"))


def _richest(end: str) -> F.Column:
    text = F.coalesce(F.col(f"{end}.text"), F.lit(""))
    return F.struct(
        F.length(text).alias("length"),
        text.alias("text"),
        F.coalesce(F.col(f"{end}.label"), F.lit("")).alias("label"),
        F.col(f"{end}.type").alias("type"),
    )


def _kept_edges(groups: DataFrame, limits: PaneLimits) -> DataFrame:
    """One row a pane: its edges in order of time, and how many were dropped."""
    turn = Window.partitionBy(*PANE_KEY, "src_id", "type").orderBy("seen", "dst_id", "text")
    first = F.slice("seen", 1, limits.repeats)
    repeats = F.greatest(F.size("seen") - limits.repeats, F.lit(0))
    each = groups.withColumn("turn", F.row_number().over(turn)).select(
        *PANE_KEY, "src_id", "dst_id", "type", "text", "turn", repeats.alias("repeats"), F.posexplode(first)
    )
    edge = F.struct(
        F.col("turn"), F.col("pos"), F.col("col.ts").alias("ts"), F.col("col.event_id").alias("event_id"),
        F.col("type"), F.col("src_id").alias("src"), F.col("dst_id").alias("dst"), F.col("text"),
        F.when(F.col("pos") == 0, F.col("repeats") + 1).otherwise(1).cast("int").alias("n_events"),
    )  # fmt: skip
    listed = each.groupBy(*PANE_KEY).agg(F.array_sort(F.collect_list(edge)).alias("all"))
    in_time = F.array_sort(
        F.transform(
            F.slice("all", 1, limits.edges),
            lambda e: F.struct(e["ts"].alias("ts"), e["event_id"].alias("event_id"), e["type"].alias("type"),
                               e["src"].alias("src"), e["dst"].alias("dst"), e["text"].alias("text"),
                               e["n_events"].alias("n_events")),
        )
    )  # fmt: skip
    return listed.select(
        *PANE_KEY,
        F.transform(
            in_time,
            lambda e: F.struct(e["src"].alias("src"), e["dst"].alias("dst"), e["type"].alias("type"),
                               e["ts"].alias("ts"), e["event_id"].alias("event_id"), e["text"].alias("text"),
                               e["n_events"].alias("n_events")),
        ).alias("edges"),
        F.greatest(F.size("all") - limits.edges, F.lit(0)).cast("long").alias("n_edges_dropped"),
    )  # fmt: skip
