"""The graph attention network: tensors of windows in, two logits a window out; knows no tables and no registry.

Source: Velickovic et al. 2018 (GAT) and Brody et al. 2022 (GATv2: the attention depends on both ends); an edge's type,
direction, time and words are part of the attention and of the message.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.tensors import PROCESS, GraphBatch
from pipelines.schemas.graphs import EDGE_TYPES, NODE_TYPES

__all__ = ["GraphAttention", "NetworkConfig", "WindowGAT", "is_process"]

_FREQUENCIES = (1.0, 2.0, 4.0, 8.0, 16.0)  # periods of an edge's time, in windows
_TIME_FEATURES = 2 * len(_FREQUENCIES) + 5
_GAP_SCALE = 1_000.0  # log(1 + gap) tells milliseconds from seconds from minutes
_NO_PROCESS = -15.0  # suspicion, in logits, of a window without processes
_FIRST_SUSPICION = -4.0  # few processes are an intruder's


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of the network; part of the weights' file.

    Attributes:
        n_words: rows of the vocabulary.
        word_dim: width of a word's embedding.
        hidden: width of a node between layers, all heads together.
        edge_dim: width of an edge's features.
        sees_edges: False cuts all messages, for the comparison in the evaluation.
        attention_readout: nodes are also gathered by a learnt attention over the whole window, one share a head.
        process_evidence: each process has a suspicion of its own, and a window's highest speaks for the window.
    """

    n_words: int
    word_dim: int = 64
    hidden: int = 128
    heads: int = 4
    layers: int = 3
    edge_dim: int = 32
    dropout: float = 0.2
    n_classes: int = 2
    n_node_types: int = len(NODE_TYPES) + 1
    n_edge_types: int = len(EDGE_TYPES) + 1
    sees_edges: bool = True
    attention_readout: bool = False
    process_evidence: bool = False


class GraphAttention(nn.Module):
    """One attention layer over typed, timed edges.

    Shape:
        nodes: (n_nodes, in_dim); src, dst: (n_edges,); edges: (n_edges, edge_dim); gate: (n_edges,) or None;
        out: (n_nodes, heads * head_dim); attention: (n_edges, heads), summing to one over each target's edges.
    """

    def __init__(self, in_dim: int, head_dim: int, heads: int, edge_dim: int) -> None:
        super().__init__()
        self.heads, self.head_dim = heads, head_dim
        self.from_source = nn.Linear(in_dim, heads * head_dim)
        self.from_target = nn.Linear(in_dim, heads * head_dim)
        self.from_edge = nn.Linear(edge_dim, heads * head_dim, bias=False)
        self.attend = nn.Parameter(torch.empty(heads, head_dim))
        self.bias = nn.Parameter(torch.zeros(heads * head_dim))
        nn.init.xavier_uniform_(self.attend)

    def forward(
        self, nodes: Tensor, src: Tensor, dst: Tensor, edges: Tensor, gate: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Gather from neighbours; ``gate`` scales each message after the attention is shared out."""
        n_nodes = nodes.shape[0]
        source, target, edge = self.from_source(nodes), self.from_target(nodes), self.from_edge(edges)
        message = source.index_select(0, src) + edge
        mixed = nn.functional.leaky_relu(message + target.index_select(0, dst), 0.2)
        score = (mixed.view(-1, self.heads, self.head_dim) * self.attend).sum(-1)
        attention = _softmax_per_target(score, dst, n_nodes)
        weight = attention if gate is None else attention * gate.unsqueeze(-1)
        weighted = (message.view(-1, self.heads, self.head_dim) * weight.unsqueeze(-1)).flatten(1)
        out = torch.zeros(n_nodes, self.heads * self.head_dim, dtype=nodes.dtype, device=nodes.device)
        return out.index_add(0, dst, weighted) + self.bias, attention


class WindowGAT(nn.Module):
    """Three residual attention layers over a window's nodes, read out by mean, maximum and attention.

    Shape:
        logits: (n_windows, n_classes), class 1 is attack.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        hidden, head_dim = config.hidden, config.hidden // config.heads
        self.words = nn.EmbeddingBag(config.n_words, config.word_dim, mode="sum")
        nn.init.normal_(self.words.weight, std=0.3)
        self.node_type = nn.Embedding(config.n_node_types, hidden)
        self.node_in = nn.Linear(config.word_dim, hidden)
        self.edge_type = nn.Embedding(config.n_edge_types, 16)
        self.direction = nn.Embedding(2, 4)
        self.edge_detail = nn.Linear(config.word_dim, 16)
        self.edge_in = nn.Linear(16 + 4 + 16 + _TIME_FEATURES, config.edge_dim)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(config.layers))
        self.layers = nn.ModuleList(
            GraphAttention(hidden, head_dim, config.heads, config.edge_dim) for _ in range(config.layers)
        )
        self.norm_out = nn.LayerNorm(hidden)
        self.dropout = nn.Dropout(config.dropout)
        width = (3 if config.attention_readout else 2) * hidden
        self.head = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(config.dropout), nn.Linear(hidden, config.n_classes)
        )
        if config.attention_readout:
            self.notice = nn.Linear(hidden, config.heads)
        if config.process_evidence:
            self.suspicion = nn.Linear(hidden, 1)
            nn.init.zeros_(self.suspicion.weight)
            nn.init.constant_(self.suspicion.bias, _FIRST_SUSPICION)
            self.from_highest = nn.Parameter(torch.tensor([1.0, -_FIRST_SUSPICION]))  # factor and shift
            last = self.head[-1]
            assert isinstance(last, nn.Linear)
            with torch.no_grad():  # processes are listened to first
                last.weight.mul_(0.1)
                last.bias.zero_()

    def forward(self, batch: GraphBatch, edge_gate: Tensor | None = None, node_gate: Tensor | None = None) -> Tensor:
        """Score windows.

        Args:
            batch: the windows.
            edge_gate: (n_edges,) scales an edge's messages, both ways and in all layers; for explanations.
            node_gate: (n_nodes,) scales what a node's own words say; for explanations.
        """
        return self.judged(batch, edge_gate, node_gate)[0]

    def judged(
        self, batch: GraphBatch, edge_gate: Tensor | None = None, node_gate: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Score windows, and tell the suspicion of each node, (n_nodes,), in logits; it means something for processes only.

        None in place of it where the network has no such part. Arguments are those of `forward`.
        """
        text = self._bag(batch.node_words, batch.node_n_words)
        if node_gate is not None:
            text = text * node_gate.unsqueeze(-1)
        nodes = self.node_in(text) + self.node_type(batch.node_type)
        if self.config.sees_edges:
            src, dst = torch.cat([batch.src, batch.dst]), torch.cat([batch.dst, batch.src])
            edges = self._edges(batch)
            gate = None if edge_gate is None else torch.cat([edge_gate, edge_gate])
            for norm, layer in zip(self.norms, self.layers, strict=True):
                gathered, _ = layer(norm(nodes), src, dst, edges, gate)
                nodes = nodes + self.dropout(nn.functional.elu(gathered))
        else:
            for norm, layer in zip(self.norms, self.layers, strict=True):
                alone: Tensor = layer.from_source(norm(nodes))  # type: ignore[operator]  # a ModuleList forgets its type
                nodes = nodes + self.dropout(nn.functional.elu(alone))
        nodes = self.norm_out(nodes)
        parts = [_mean_and_maximum(nodes, batch.window, batch.n_windows)]
        if self.config.attention_readout:
            parts.append(self._noticed(nodes, batch.window, batch.n_windows))
        logits: Tensor = self.head(torch.cat(parts, dim=-1))
        if not self.config.process_evidence:
            return logits, None
        suspicion: Tensor = self.suspicion(nodes).squeeze(-1)
        factor, shift = self.from_highest
        raised = factor * _highest_process(suspicion, batch) + shift
        return logits + torch.stack([-raised / 2, raised / 2], dim=-1), suspicion

    def _noticed(self, nodes: Tensor, window: Tensor, n_windows: int) -> Tensor:
        """Nodes gathered by a learnt attention over each window: (n_windows, hidden)."""
        noticed: Tensor = self.notice(nodes)
        share = _softmax_per_target(noticed, window, n_windows)
        weighted = nodes.view(len(nodes), self.config.heads, -1) * share.unsqueeze(-1)
        return nodes.new_zeros(n_windows, nodes.shape[1]).index_add(0, window, weighted.flatten(1))

    def _bag(self, words: Tensor, n_words: Tensor) -> Tensor:
        """Sum of the words' embeddings over the root of their number: (len(n_words), word_dim)."""
        starts = torch.cumsum(n_words, 0) - n_words
        total: Tensor = self.words(words, starts)
        return total / n_words.clamp(min=1).to(total.dtype).sqrt().unsqueeze(-1)

    def _edges(self, batch: GraphBatch) -> Tensor:
        """Features of each edge, forwards then backwards: (2 * n_edges, edge_dim)."""
        detail = self.edge_detail(self._bag(batch.detail_words, batch.detail_n_words)).index_select(
            0, batch.edge_detail
        )
        angles = batch.edge_time.unsqueeze(-1) * batch.edge_time.new_tensor(_FREQUENCIES) * torch.pi
        gaps = torch.stack([batch.src_gap, batch.dst_gap], dim=-1)
        scale = torch.log1p(gaps.new_tensor(_GAP_SCALE))
        logs = torch.log1p(gaps.clamp(0, 1) * _GAP_SCALE) / scale
        is_first = (gaps >= 1).to(gaps.dtype)
        shared = torch.cat(
            [self.edge_type(batch.edge_type), detail, batch.edge_time.unsqueeze(-1), angles.sin(), angles.cos(),
             logs, is_first], dim=-1,
        )  # fmt: skip
        n_edges = shared.shape[0]
        ways = [self.direction.weight[way].expand(n_edges, -1) for way in (0, 1)]
        both = torch.cat([torch.cat([shared, way], dim=-1) for way in ways])
        return nn.functional.gelu(self.edge_in(both))


def _softmax_per_target(score: Tensor, dst: Tensor, n_nodes: int) -> Tensor:
    """Softmax over the edges that share a target; score: (n_edges, heads)."""
    index = dst.unsqueeze(-1).expand_as(score)
    low = torch.full((n_nodes, score.shape[1]), -torch.inf, dtype=score.dtype, device=score.device)
    highest = low.scatter_reduce(0, index, score.detach(), reduce="amax")
    raised = (score - highest.index_select(0, dst)).exp()
    total = torch.zeros_like(low).index_add(0, dst, raised)
    return raised / total.index_select(0, dst)


def _highest_process(suspicion: Tensor, batch: GraphBatch) -> Tensor:
    """The highest suspicion among each window's processes: (n_windows,)."""
    none = suspicion.new_full((), _NO_PROCESS)
    of_processes = torch.where(is_process(batch.node_type), suspicion, none)
    lowest = suspicion.new_full((batch.n_windows,), _NO_PROCESS)
    return lowest.scatter_reduce(0, batch.window, of_processes, reduce="amax")


def is_process(node_type: Tensor) -> Tensor:
    """Which nodes are processes, as `GraphBatch.node_type` numbers them."""
    return node_type == PROCESS


def _mean_and_maximum(nodes: Tensor, window: Tensor, n_windows: int) -> Tensor:
    """Mean and maximum over each window's nodes, zeros where it has none: (n_windows, 2 * hidden)."""
    width = nodes.shape[1]
    count = torch.bincount(window, minlength=n_windows).to(nodes.dtype).clamp(min=1)
    mean = nodes.new_zeros(n_windows, width).index_add(0, window, nodes) / count.unsqueeze(-1)
    index = window.unsqueeze(-1).expand_as(nodes)
    highest = nodes.new_zeros(n_windows, width).scatter_reduce(0, index, nodes, reduce="amax", include_self=False)
    return torch.cat([mean, highest], dim=-1)
