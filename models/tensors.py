"""Window graphs as the tensors that the network takes: one window's arrays, and many windows put together.

What the words of a text are is left to ``models.tokens``; reading tables to ``models.scoring`` and ``models.dataset``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor

from models.tokens import names_in
from models.vocabulary import Vocabulary
from pipelines.errors import GraphError
from pipelines.schemas.graphs import EDGE_TYPES, NODE_TYPES

__all__ = [
    "PROCESS",
    "SPAWNED",
    "GraphBatch",
    "GraphTensors",
    "WindowGraph",
    "collate",
    "graphs_of_batch",
    "to_tensors",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_NODE_TYPE = {name: number for number, name in enumerate(NODE_TYPES, start=1)}
_EDGE_TYPE = {name: number for number, name in enumerate(EDGE_TYPES, start=1)}
_SECOND = 1_000_000

PROCESS, SPAWNED = _NODE_TYPE["process"], _EDGE_TYPE["spawned"]
"""Numbers of a node's and an edge's type, as `GraphTensors` has them."""


@dataclass(frozen=True, slots=True)
class WindowGraph:
    """One row of `WINDOW_GRAPHS` as lists; times in microseconds since 1970 (UTC)."""

    tenant: str
    endpoint: str
    platform: str
    window_start: int
    window_end: int
    node_ids: list[str]
    node_types: list[str]
    node_labels: list[str]
    node_texts: list[str]
    edge_srcs: list[str]
    edge_dsts: list[str]
    edge_types: list[str]
    edge_times: list[int]
    edge_event_ids: list[str]
    edge_texts: list[str]

    @property
    def n_edges(self) -> int:
        """Edges in the window."""
        return len(self.edge_srcs)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "WindowGraph":
        """Take a row of `WINDOW_GRAPHS` as a dictionary, e.g. of ``Row.asDict(recursive=True)``."""
        nodes, edges = row["nodes"] or [], row["edges"] or []
        return cls(
            row["tenant"], row["endpoint"], row["platform"], _micros(row["window_start"]), _micros(row["window_end"]),
            [node["id"] for node in nodes], [node["type"] for node in nodes],
            [node["label"] or "" for node in nodes], [node["text"] or "" for node in nodes],
            [edge["src"] for edge in edges], [edge["dst"] for edge in edges], [edge["type"] for edge in edges],
            [_micros(edge["ts"]) for edge in edges], [edge["event_id"] for edge in edges],
            [edge["text"] or "" for edge in edges],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class GraphTensors:
    """One window as arrays.

    Shape:
        node_type: (n_nodes,) in [0, number of types], 0 an unknown one; node_words: rows of the vocabulary, all
        nodes' one after another; node_n_words: (n_nodes,);
        src, dst, edge_type: (n_edges,); edge_time: (n_edges,) seconds since window_start, in [0, width);
        src_gap, dst_gap: (n_edges,) seconds since the last edge at that node, width where there was none;
        edge_detail: (n_edges,) row of detail_n_words; detail_words, detail_n_words: words of each distinct edge text;
        edge_order: (n_edges,) position of the edge in the row.
    """

    node_type: Ints
    node_words: Ints
    node_n_words: Ints
    src: Ints
    dst: Ints
    edge_type: Ints
    edge_time: Floats
    src_gap: Floats
    dst_gap: Floats
    edge_detail: Ints
    detail_words: Ints
    detail_n_words: Ints
    edge_order: Ints
    width: float

    @property
    def n_nodes(self) -> int:
        """Nodes of the window."""
        return len(self.node_type)

    @property
    def n_edges(self) -> int:
        """Edges of the window."""
        return len(self.src)


@dataclass(frozen=True, slots=True)
class GraphBatch:
    """Several windows as one graph without edges between them.

    Shape:
        as in `GraphTensors`, and window: (n_nodes,) number of the window that a node is of.
    """

    n_windows: int
    node_type: Tensor
    node_words: Tensor
    node_n_words: Tensor
    window: Tensor
    src: Tensor
    dst: Tensor
    edge_type: Tensor
    edge_time: Tensor
    src_gap: Tensor
    dst_gap: Tensor
    edge_detail: Tensor
    detail_words: Tensor
    detail_n_words: Tensor


def graphs_of_batch(batch: pa.RecordBatch) -> Iterator[WindowGraph]:
    """Read rows of `WINDOW_GRAPHS` from Arrow, column by column."""
    starts, ends = _times(batch.column("window_start")), _times(batch.column("window_end"))
    tenants, endpoints = batch.column("tenant").to_pylist(), batch.column("endpoint").to_pylist()
    platforms = batch.column("platform").to_pylist()
    nodes, edges = batch.column("nodes"), batch.column("edges")
    node_bounds, edge_bounds = nodes.offsets.to_pylist(), edges.offsets.to_pylist()
    node_base, edge_base = node_bounds[0], edge_bounds[0]
    node_values = nodes.values.slice(node_base, node_bounds[-1] - node_base)
    edge_values = edges.values.slice(edge_base, edge_bounds[-1] - edge_base)
    node_fields = [_strings(node_values, name) for name in ("id", "type", "label", "text")]
    edge_fields = [_strings(edge_values, name) for name in ("src", "dst", "type", "event_id", "text")]
    edge_times = _times(_field(edge_values, "ts"))
    for row in range(len(batch)):
        n = slice(node_bounds[row] - node_base, node_bounds[row + 1] - node_base)
        e = slice(edge_bounds[row] - edge_base, edge_bounds[row + 1] - edge_base)
        ids, types, labels, texts = (values[n] for values in node_fields)
        srcs, dsts, kinds, events, details = (values[e] for values in edge_fields)
        yield WindowGraph(
            tenants[row], endpoints[row], platforms[row], starts[row], ends[row], ids, types, labels, texts,
            srcs, dsts, kinds, edge_times[e], events, details,
        )  # fmt: skip


def to_tensors(graph: WindowGraph, vocabulary: Vocabulary) -> GraphTensors:
    """Turn one window into arrays; the order of its nodes and edges does not matter.

    Args:
        graph: the window.
        vocabulary: the model's words.

    Raises:
        GraphError: an edge names a node that is not there.
    """
    by_id = sorted(range(len(graph.node_ids)), key=graph.node_ids.__getitem__)
    number = {graph.node_ids[old]: new for new, old in enumerate(by_id)}
    keys = list(zip(
        graph.edge_times, graph.edge_event_ids, graph.edge_types, graph.edge_srcs, graph.edge_dsts, graph.edge_texts,
        strict=True,
    ))  # fmt: skip
    order = sorted(range(len(keys)), key=keys.__getitem__)
    try:
        src = np.array([number[graph.edge_srcs[edge]] for edge in order], dtype=np.int64)
        dst = np.array([number[graph.edge_dsts[edge]] for edge in order], dtype=np.int64)
    except KeyError as missing:
        start = datetime.fromtimestamp(graph.window_start / _SECOND).isoformat()
        raise GraphError(
            f"window {start} of {graph.tenant}/{graph.endpoint}: an edge names node {missing} that no event defines"
        ) from None

    names = names_in(graph.endpoint, zip(graph.node_types, graph.node_texts, strict=True))
    words = [vocabulary.ids(graph.node_types[node], graph.node_texts[node], names) for node in by_id]
    texts = [graph.edge_texts[edge] for edge in order]
    detail = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    detail_words = [vocabulary.ids("edge", text, names) for text in detail]
    width = (graph.window_end - graph.window_start) / _SECOND
    times = np.array([graph.edge_times[edge] - graph.window_start for edge in order], dtype=np.float64) / _SECOND
    src_gap, dst_gap = _gaps(src, dst, times, width)
    return GraphTensors(
        node_type=np.array([_NODE_TYPE.get(graph.node_types[node], 0) for node in by_id], dtype=np.int64),
        node_words=_joined(words),
        node_n_words=np.array([len(ids) for ids in words], dtype=np.int64),
        src=src,
        dst=dst,
        edge_type=np.array([_EDGE_TYPE.get(graph.edge_types[edge], 0) for edge in order], dtype=np.int64),
        edge_time=times,
        src_gap=src_gap,
        dst_gap=dst_gap,
        edge_detail=np.array([detail[text] for text in texts], dtype=np.int64),
        detail_words=_joined(detail_words),
        detail_n_words=np.array([len(ids) for ids in detail_words], dtype=np.int64),
        edge_order=np.array(order, dtype=np.int64),
        width=width,
    )


def collate(graphs: Sequence[GraphTensors], *, dtype: torch.dtype = torch.float32) -> GraphBatch:
    """Put windows together; times and gaps become shares of the window's width."""
    node_shift = np.cumsum([0, *(graph.n_nodes for graph in graphs)])
    detail_shift = np.cumsum([0, *(len(graph.detail_n_words) for graph in graphs)])

    def whole(name: str, shifts: npt.NDArray[np.int64] | None = None) -> Tensor:
        parts = [getattr(graph, name) for graph in graphs]
        if shifts is not None:
            parts = [part + shift for part, shift in zip(parts, shifts, strict=False)]
        return torch.from_numpy(_joined(parts))

    def shares(name: str) -> Tensor:
        parts = [getattr(graph, name) / graph.width for graph in graphs]
        return torch.from_numpy(np.concatenate(parts) if parts else np.zeros(0)).to(dtype)

    return GraphBatch(
        n_windows=len(graphs),
        node_type=whole("node_type"),
        node_words=whole("node_words"),
        node_n_words=whole("node_n_words"),
        window=torch.from_numpy(np.repeat(np.arange(len(graphs)), [graph.n_nodes for graph in graphs])),
        src=whole("src", node_shift),
        dst=whole("dst", node_shift),
        edge_type=whole("edge_type"),
        edge_time=shares("edge_time"),
        src_gap=shares("src_gap"),
        dst_gap=shares("dst_gap"),
        edge_detail=whole("edge_detail", detail_shift),
        detail_words=whole("detail_words"),
        detail_n_words=whole("detail_n_words"),
    )


def _gaps(src: Ints, dst: Ints, times: Floats, width: float) -> tuple[Floats, Floats]:
    last: dict[int, float] = {}
    src_gap, dst_gap = np.full(len(src), width), np.full(len(src), width)
    for edge, (source, target, time) in enumerate(zip(src.tolist(), dst.tolist(), times.tolist(), strict=True)):
        if source in last:
            src_gap[edge] = time - last[source]
        if target in last:
            dst_gap[edge] = time - last[target]
        last[source] = last[target] = time
    return src_gap, dst_gap


def _joined(parts: Sequence[Ints]) -> Ints:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _field(values: pa.StructArray, name: str) -> pa.Array:
    return values.field(values.type.get_field_index(name))


def _strings(values: pa.StructArray, name: str) -> list[str]:
    return [value or "" for value in _field(values, name).to_pylist()]


def _times(column: pa.Array) -> list[int]:
    micros: list[int] = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()
    return micros


def _micros(time: datetime) -> int:
    moment = time if time.tzinfo else time.astimezone()
    return (moment - _EPOCH) // timedelta(microseconds=1)


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
