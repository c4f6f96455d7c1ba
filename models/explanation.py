"""Which events raised a window's score, and a line on each event.

A network that suspects single processes says itself what it saw: an event weighs what the most suspicious process at either
end of it does, and costs nothing beside the score. Of other networks it is gradient times input on edges and node words, by
one backward pass for many windows: what an edge says is weighed by a gate of one on its messages; what a node's words say by a
gate on those, credited to the edge that brought the node in. There an event gets what its edges get together.

Source of the latter: Simonyan et al. 2013, section 3, and Shrikumar et al. 2017 (gradient x input).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from models.network import WindowGAT
from models.tensors import PROCESS, SPAWNED, GraphBatch, GraphTensors, WindowGraph
from pipelines.schemas.graphs import EDGE_TYPES

__all__ = [
    "MAX_CONTRIBUTIONS", "Contribution", "contributions", "logits_with_shares", "summary_of", "weights_by_gradient",
    "weights_by_suspicion",
]  # fmt: skip

MAX_CONTRIBUTIONS = 10
_DECIMALS = 6  # of a weight; differences below this are noise of arithmetic
_LABEL = 60
# of what a process did its start tells most, and least what every process does hundreds of times
_SELDOM_TELLING = {"loaded": 0.7, "read": 0.7, "ended": 0.7, "resolved": 0.8, "performed": 0.8}
_TELLS = np.array([0.9, *(_SELDOM_TELLING.get(kind, 0.9) for kind in EDGE_TYPES)])  # by the number of an edge's type

_VERBS = {
    "spawned": "spawned", "wrote": "wrote", "executed": "ran", "connected_to": "connected to", "performed": "performed",
    "read": "read", "loaded": "loaded", "deleted": "deleted", "accessed": "opened", "injected": "injected into",
    "ended": "ended", "resolved": "looked up", "listened": "listened on", "logged_on": "logged on as",
}  # fmt: skip


@dataclass(frozen=True)
class Contribution:
    """One event's part in a score; weights are shares of everything that raised it, in [0, 1]."""

    event_id: str
    weight: float
    summary: str


def logits_with_shares(network: WindowGAT, batch: GraphBatch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Score windows and tell how much each edge and each node's words raise the attack's logit over the other.

    Returns:
        logits (n_windows, 2), edge shares (n_edges,), node shares (n_nodes,); shares may be negative.
    """
    dtype = batch.edge_time.dtype
    edge_gate = torch.ones(len(batch.src), dtype=dtype, requires_grad=True)
    node_gate = torch.ones(len(batch.node_type), dtype=dtype, requires_grad=True)
    logits = network(batch, edge_gate, node_gate)
    raised = (logits[:, 1] - logits[:, 0]).sum()
    edges, nodes = torch.autograd.grad(raised, (edge_gate, node_gate), allow_unused=True)
    no_edges = torch.zeros_like(edge_gate) if edges is None else edges
    return logits.detach(), no_edges.detach(), nodes.detach()


def weights_by_suspicion(graph: WindowGraph, tensors: GraphTensors, suspicion: Sequence[float]) -> dict[str, float]:
    """What each event weighs, in [0, 1], by the processes at its ends.

    Args:
        graph: the window.
        tensors: what was made of it.
        suspicion: (n_nodes,) of `models.network.WindowGAT.judged`, in logits.
    """
    p = np.where(tensors.node_type == PROCESS, 1 / (1 + np.exp(-np.asarray(suspicion, dtype=np.float64))), 0.0)
    tells = _TELLS[tensors.edge_type]
    of_edge = np.maximum(np.where(tensors.edge_type == SPAWNED, 1.0, tells) * p[tensors.dst], tells * p[tensors.src])
    weights: dict[str, float] = {}
    for event, weight in zip(_events_of(graph, tensors), of_edge.tolist(), strict=True):
        weights[event] = max(weight, weights.get(event, 0.0))
    return weights


def weights_by_gradient(
    graph: WindowGraph, tensors: GraphTensors, edge_shares: Sequence[float], node_shares: Sequence[float]
) -> dict[str, float]:
    """What each event adds to the score; what lowers it is negative.

    Args:
        graph: the window.
        tensors: what was made of it.
        edge_shares: (n_edges,) of `logits_with_shares`.
        node_shares: (n_nodes,) of `logits_with_shares`.
    """
    shares = np.asarray(edge_shares, dtype=np.float64).copy()
    brought_in = _edge_that_brought(tensors)
    for node, share in enumerate(node_shares):
        if brought_in[node] >= 0:
            shares[brought_in[node]] += share
    weights: dict[str, float] = defaultdict(float)
    for event, share in zip(_events_of(graph, tensors), shares.tolist(), strict=True):
        weights[event] += share
    return weights


def contributions(graph: WindowGraph, of_event: Mapping[str, float]) -> list[Contribution]:
    """The events that weigh most, heaviest first, then by event_id; weights become shares of all that is above zero.

    Args:
        graph: the window.
        of_event: what each of its events weighs.
    """
    total = sum(weight for weight in of_event.values() if weight > 0)
    if total <= 0:
        return []
    weights = {event: round(weight / total, _DECIMALS) for event, weight in of_event.items() if weight > 0}
    best = sorted((event for event, weight in weights.items() if weight > 0), key=lambda e: (-weights[e], e))
    best = best[:MAX_CONTRIBUTIONS]
    edges_of: dict[str, list[int]] = {event: [] for event in best}
    for edge, event in enumerate(graph.edge_event_ids):
        if event in edges_of:
            edges_of[event].append(edge)
    labels = dict(zip(graph.node_ids, graph.node_labels, strict=True))
    return [Contribution(event, weights[event], summary_of(graph, labels, edges_of[event])) for event in best]


def summary_of(graph: WindowGraph, labels: dict[str, str], edges: Sequence[int]) -> str:
    """One line on an event, e.g. ``cmd.exe spawned whoami.exe``.

    Args:
        graph: the window.
        labels: node labels by id.
        edges: the event's edges, as positions in the window's row.
    """
    # a process's start says more with its parent than with its image
    edge = min(edges, key=lambda e: (graph.edge_types[e] == "executed", graph.edge_types[e], graph.edge_dsts[e], e))
    kind, src, dst = graph.edge_types[edge], graph.edge_srcs[edge], graph.edge_dsts[edge]
    subject, thing = _short(labels.get(src, src)), _short(labels.get(dst, dst))
    said = f"{subject} {_VERBS.get(kind, kind)}" if src == dst else f"{subject} {_VERBS.get(kind, kind)} {thing}"
    return f"{said} (failed)" if "outcome=failure" in graph.edge_texts[edge] else said


def _events_of(graph: WindowGraph, tensors: GraphTensors) -> list[str]:
    """Event of each edge, in the order of the tensors."""
    return [graph.edge_event_ids[row] for row in tensors.edge_order.tolist()]


def _edge_that_brought(tensors: GraphTensors) -> list[int]:
    """For each node, the first edge that points at it, else the first that touches it; -1 where none does."""
    pointing, touching = [-1] * tensors.n_nodes, [-1] * tensors.n_nodes
    for edge in range(tensors.n_edges - 1, -1, -1):
        pointing[int(tensors.dst[edge])] = edge
        touching[int(tensors.src[edge])] = touching[int(tensors.dst[edge])] = edge
    return [first if first >= 0 else any_ for first, any_ in zip(pointing, touching, strict=True)]


def _short(label: str) -> str:
    line = " ".join(label.split())
    return line if len(line) <= _LABEL else f"{line[: _LABEL - 1]}…"
