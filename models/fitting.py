"""Fitting a network to labelled windows: what an epoch shows it, and what it is corrected by.

Nothing here knows of captures held out, calibration or files.
"""

import math
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.captures import USED_LABELS
from models.cuts import parts_by_size
from models.dataset import Example
from models.network import NetworkConfig, WindowGAT, is_process
from models.tensors import GraphBatch, GraphTensors, collate, to_tensors
from models.vocabulary import Vocabulary

__all__ = ["FitConfig", "Window", "fit", "logits_of", "prepared"]

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int8]

_EDGES_PER_PASS = 16_384
_WARM_UP = 20  # steps


@dataclass(frozen=True)
class FitConfig:
    """How a network is fitted; part of the weights' card.

    Attributes:
        seed: of the weights, the order and the dropout.
        epochs: passes at most.
        windows_per_capture: windows of one capture and label that an epoch shows, so that a long recording counts as
            one recording and not as its many overlapping windows.
        windows_per_step, edges_per_step: of a gradient step at most; edges and nodes together.
        mixing: share of windows that are shown together with a window without attack of another capture, as one window: an
            intrusion stays one, whatever other work goes on beside it.
        word_dropout: share of words that a step does not see at all.
        learning_rate: at most; it rises over the first steps, then falls to nothing along a cosine.
        averaging: of the weights over steps (Polyak); the average is what is judged and kept.
        process_loss: weight of the loss over single processes beside that over windows, where it is known which processes
            are the intrusion's. A window's label alone is one bit about some hundred processes.
        process_weight: what a process of an intrusion counts beside one of ordinary work.
    """

    seed: int = 3
    epochs: int = 16
    windows_per_capture: int = 4
    windows_per_step: int = 12
    edges_per_step: int = 12_288
    learning_rate: float = 2e-3
    weight_decay: float = 0.1
    mixing: float = 0.3
    word_dropout: float = 0.2
    label_smoothing: float = 0.03
    averaging: float = 0.97
    process_loss: float = 3.0
    process_weight: float = 3.0


@dataclass(frozen=True, slots=True)
class Window:
    """One labelled window, ready for the network.

    Attributes:
        tensors: its graph.
        is_attack: its label.
        weight: what it counts beside other windows.
        capture: recording that it is of.
        process_labels: (n_nodes,) 1 for a process of the intrusion, 0 for another, -1 for what is no process or not known.
    """

    tensors: GraphTensors
    is_attack: bool
    weight: float
    capture: str
    process_labels: Labels


def prepared(examples: Sequence[Example], vocabulary: Vocabulary) -> list[Window]:
    """Turn examples into windows of one vocabulary, in the same order."""
    return [
        Window(
            to_tensors(one.graph, vocabulary),
            one.is_attack,
            USED_LABELS[one.label],
            one.capture.tenant,
            _process_labels(one),
        )
        for one in examples
    ]


def fit(network_config: NetworkConfig, config: FitConfig, windows: Sequence[Window]) -> WindowGAT:
    """Fit a network; the same windows and configs give the same weights on the same machine.

    Args:
        network_config: its shape.
        config: how.
        windows: both labels among them.
    """
    torch.manual_seed(config.seed)
    draw = np.random.default_rng(config.seed)
    network = WindowGAT(network_config)
    averaged = deepcopy(network).eval().requires_grad_(False)
    optimiser = torch.optim.AdamW(_groups(network, config), lr=config.learning_rate)
    weights = _balanced(windows)
    n_steps = 0
    for epoch in range(config.epochs):
        network.train()
        steps = list(_steps(windows, config, draw))
        for number, step in enumerate(steps):
            batch = _without_words(_mixed(windows, step), config, network_config.n_words)
            logits, suspicion = network.judged(batch)
            target = torch.tensor([int(windows[i].is_attack) for i, _ in step])
            loss = nn.functional.cross_entropy(logits, target, reduction="none", label_smoothing=config.label_smoothing)
            weight = torch.tensor([weights[i] for i, _ in step], dtype=torch.float32)
            total = (loss * weight).sum() / weight.sum()
            if suspicion is not None:
                total = total + config.process_loss * _process_loss(suspicion, batch, _members(step), windows, config)
            done = (epoch + number / len(steps)) / config.epochs
            rate = config.learning_rate * min(1.0, (n_steps + 1) / _WARM_UP) * (1 + math.cos(math.pi * done)) / 2
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad()
            _gradients(total)
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            n_steps += 1
            _average(averaged, network, min(config.averaging, n_steps / (n_steps + 10)))
    return averaged


def logits_of(network: WindowGAT, windows: Sequence[GraphTensors]) -> Floats:
    """How much the attack's logit is over the other, a window: (n_windows,)."""
    out: list[Floats] = []
    network.eval()
    dtype = next(network.parameters()).dtype
    with torch.no_grad():
        for part in parts_by_size([_size(window) for window in windows], _EDGES_PER_PASS):
            logits = network(collate([windows[i] for i in part], dtype=dtype))
            out.append((logits[:, 1] - logits[:, 0]).double().numpy())
    return np.concatenate(out) if out else np.zeros(0)


def _groups(network: WindowGAT, config: FitConfig) -> list[dict[str, object]]:
    """Matrices and embeddings are held small, biases and norms are not."""
    free = [value for value in network.parameters() if value.requires_grad]
    return [
        {"params": [value for value in free if value.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [value for value in free if value.ndim <= 1], "weight_decay": 0.0},
    ]


def _process_labels(example: Example) -> Labels:
    """What is known of the nodes, in the order of `to_tensors`."""
    known = example.process_labels
    return np.array([int(known.get(node, -1)) for node in sorted(example.graph.node_ids)], dtype=np.int8)


def _process_loss(
    suspicion: Tensor, batch: GraphBatch, members: Sequence[int], windows: Sequence[Window], config: FitConfig
) -> Tensor:
    """Cross-entropy over the processes of which is known whether they are the intrusion's; 0 without any."""
    labels = torch.from_numpy(np.concatenate([windows[number].process_labels for number in members]))
    counts = (labels >= 0) & is_process(batch.node_type)
    if not counts.any():
        return suspicion.sum() * 0
    target = labels.to(suspicion.dtype)
    return nn.functional.binary_cross_entropy_with_logits(
        suspicion[counts], target[counts], pos_weight=suspicion.new_tensor(config.process_weight)
    )


def _balanced(windows: Sequence[Window]) -> list[float]:
    """Weights under which both labels count the same, however many windows each has."""
    totals = {label: sum(w.weight for w in windows if w.is_attack is label) for label in (True, False)}
    return [window.weight / max(totals[window.is_attack], 1e-9) * len(windows) / 2 for window in windows]


def _steps(
    windows: Sequence[Window], config: FitConfig, draw: np.random.Generator
) -> Iterator[list[tuple[int, int | None]]]:
    """One epoch: some windows of each capture and label, shuffled, some with company, cut into steps."""
    of: dict[tuple[str, bool], list[int]] = {}
    for number, window in enumerate(windows):
        of.setdefault((window.capture, window.is_attack), []).append(number)
    shown: list[int] = []
    for numbers in of.values():
        n = min(len(numbers), config.windows_per_capture)
        shown.extend(draw.choice(numbers, size=n, replace=False).tolist())
    quiet = [numbers for (_, is_attack), numbers in of.items() if not is_attack]
    pairs: list[tuple[int, int | None]] = []
    for number in draw.permutation(shown).tolist():
        company = None
        if quiet and draw.random() < config.mixing:
            company = int(draw.choice(quiet[int(draw.integers(len(quiet)))]))
        alone = company is None or windows[company].capture == windows[number].capture
        pairs.append((number, None if alone else company))
    sizes = [sum(_size(windows[i].tensors) for i in pair if i is not None) for pair in pairs]
    for part in parts_by_size(sizes, config.edges_per_step, config.windows_per_step):
        yield [pairs[i] for i in part]


def _mixed(windows: Sequence[Window], step: Sequence[tuple[int, int | None]]) -> GraphBatch:
    """A step's windows as tensors; a window and its company are one."""
    batch = collate([windows[i].tensors for i in _members(step)])
    place = torch.tensor([place for place, pair in enumerate(step) for i in pair if i is not None])
    return replace(batch, n_windows=len(step), window=place.index_select(0, batch.window))


def _members(step: Sequence[tuple[int, int | None]]) -> list[int]:
    """All windows of a step, company too, in the order in which they are put together."""
    return [i for pair in step for i in pair if i is not None]


def _size(window: GraphTensors) -> int:
    return window.n_edges + window.n_nodes


def _without_words(batch: GraphBatch, config: FitConfig, n_words: int) -> GraphBatch:
    """Take some words out of the whole batch, so that no verdict hangs on a single one."""
    keep = torch.rand(n_words) >= config.word_dropout
    node_words, node_n_words = _kept_words(batch.node_words, batch.node_n_words, keep)
    detail_words, detail_n_words = _kept_words(batch.detail_words, batch.detail_n_words, keep)
    return replace(
        batch,
        node_words=node_words,
        node_n_words=node_n_words,
        detail_words=detail_words,
        detail_n_words=detail_n_words,
    )


def _kept_words(words: Tensor, n_words: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
    stays = keep.index_select(0, words)
    owner = torch.repeat_interleave(torch.arange(len(n_words)), n_words)
    return words[stays], torch.bincount(owner[stays], minlength=len(n_words))


def _average(averaged: WindowGAT, network: WindowGAT, share: float) -> None:
    with torch.no_grad():
        for mean, value in zip(averaged.parameters(), network.parameters(), strict=True):
            mean.lerp_(value, 1 - share)


def _gradients(loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
