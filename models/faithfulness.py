"""Whether an explanation tells what made the score: what it falls by without the events named, and whose these are.

Source: DeYoung et al. 2020 (ERASER), comprehensiveness, against as many events drawn at random.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from models.dataset import Example
from models.scoring import double_precision, score_graphs
from models.tensors import WindowGraph, collate, to_tensors
from models.weights import LoadedModel

__all__ = ["FIGURES_OF_EXPLANATIONS", "Faithfulness", "events_of_attack", "faithfulness", "without_events"]

FIGURES_OF_EXPLANATIONS = {
    "n_windows": "attack windows flagged, of more than 20 events",
    "fall_without_named": "attack_prob falls without the ten events named by",
    "fall_without_random": "attack_prob falls without ten events drawn at random by",
    "n_noted": "of these windows, with processes of the attack known",
    "share_of_attack": "of the events named there, those of a process of the attack",
    "share_of_attack_random": "of events drawn at random there",
    "time_ratio": "time of score and explanation over time of the score alone",
}
"""What each figure of `Faithfulness` is called, in the order shown."""

_DRAWS = 5
_EDGE_FIELDS = tuple(name for name in WindowGraph.__slots__ if name.startswith("edge_"))
_NODE_FIELDS = tuple(name for name in WindowGraph.__slots__ if name.startswith("node_"))


@dataclass(frozen=True)
class Faithfulness:
    """Figures of a model's explanations, means over windows; NaN where there is nothing to count."""

    n_windows: int
    fall_without_named: float
    fall_without_random: float
    n_noted: int
    share_of_attack: float
    share_of_attack_random: float
    time_ratio: float


def faithfulness(model: LoadedModel, examples: Sequence[Example], *, seed: int, least_events: int = 20) -> Faithfulness:
    """Judge a model's explanations by windows with attack that it flags.

    Args:
        model: turned to double precision.
        examples: windows that it has not been taught.
        seed: of the draw.
        least_events: a window of no more is left out; of few events ten are most of the window.
    """
    model = double_precision(model)
    draw = np.random.default_rng(seed)
    attacked = [one for one in examples if one.is_attack and len(set(one.graph.edge_event_ids)) > least_events]
    scores = score_graphs(model, [one.graph for one in attacked])
    flagged = [(one, score) for one, score in zip(attacked, scores, strict=True) if score.is_attack]
    named_fall, random_fall, shares, random_shares = [], [], [], []
    for one, score in flagged:
        named = [each.event_id for each in score.contributing_events]
        events = sorted(set(one.graph.edge_event_ids))
        drawn = [draw.choice(events, size=len(named), replace=False).tolist() for _ in range(_DRAWS)]
        rest = [without_events(one.graph, set(ids)) for ids in (named, *drawn)]
        falls = [score.attack_prob - each.attack_prob for each in score_graphs(model, rest)]
        named_fall.append(falls[0])
        random_fall.append(float(np.mean(falls[1:])))
        if any(one.process_labels.values()):
            guilty = events_of_attack(one)
            shares.append(_share(named, guilty))
            random_shares.append(float(np.mean([_share(ids, guilty) for ids in drawn])))
    return Faithfulness(
        len(flagged), _mean(named_fall), _mean(random_fall), len(shares), _mean(shares), _mean(random_shares),
        _time_ratio(model, [one.graph for one, _ in flagged]),
    )  # fmt: skip


def without_events(graph: WindowGraph, event_ids: set[str]) -> WindowGraph:
    """The window as it would be had these events not been recorded; nodes that no other event touches are gone."""
    kept = [number for number, event in enumerate(graph.edge_event_ids) if event not in event_ids]
    fields: dict[str, Any] = {name: [getattr(graph, name)[number] for number in kept] for name in _EDGE_FIELDS}
    touched = {*fields["edge_srcs"], *fields["edge_dsts"]}
    stay = [number for number, node in enumerate(graph.node_ids) if node in touched]
    fields |= {name: [getattr(graph, name)[number] for number in stay] for name in _NODE_FIELDS}
    return replace(graph, **fields)


def events_of_attack(example: Example) -> set[str]:
    """Events of which a process of the attack is an end."""
    guilty = {node for node, is_attack in example.process_labels.items() if is_attack}
    graph = example.graph
    ends = zip(graph.edge_srcs, graph.edge_dsts, graph.edge_event_ids, strict=True)
    return {event for src, dst, event in ends if src in guilty or dst in guilty}


def _time_ratio(model: LoadedModel, graphs: Sequence[WindowGraph]) -> float:
    """Processor time of scoring and explaining over that of scoring, windows one by one."""
    if not graphs:
        return float("nan")
    began = time.process_time()
    score_graphs(model, graphs, edges_per_pass=0)
    explained = time.process_time() - began
    began = time.process_time()
    with torch.no_grad():
        for graph in graphs:
            model.network(collate([to_tensors(graph, model.vocabulary)], dtype=torch.float64))
    return explained / (time.process_time() - began)


def _share(events: Sequence[str], of: set[str]) -> float:
    return sum(event in of for event in events) / len(events) if events else float("nan")


def _mean(values: Sequence[float]) -> float:
    return float(np.nanmean(values)) if values else float("nan")
