import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.explanation import weights_by_suspicion
from models.network import GraphAttention, NetworkConfig, WindowGAT
from models.scoring import double_precision, score_graphs
from models.tensors import WindowGraph, collate, to_tensors
from models.training import vocabulary_of
from models.vocabulary import Vocabulary
from models.weights import Calibration, LoadedModel
from tests.models.made_up import examples, window

pytestmark = pytest.mark.fast


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return vocabulary_of(examples(8), size=2_000, min_captures=2)


@pytest.fixture(scope="module", params=[True, False], ids=["suspects processes", "does not"])
def model(vocabulary: Vocabulary, request: pytest.FixtureRequest) -> LoadedModel:
    torch.manual_seed(5)
    config = NetworkConfig(n_words=len(vocabulary), attention_readout=True, process_evidence=request.param)
    network = WindowGAT(config)
    if request.param:
        torch.nn.init.normal_(network.suspicion.weight)
    network.eval().requires_grad_(False)
    return double_precision(LoadedModel(network, vocabulary, Calibration(), "linux", {}))


def test_attention_sums_to_one_per_target() -> None:
    torch.manual_seed(1)
    layer = GraphAttention(8, 4, 2, 3)
    src, dst = torch.tensor([0, 1, 2, 3, 0]), torch.tensor([1, 2, 1, 1, 0])
    _, attention = layer(torch.randn(5, 8) * 30, src, dst, torch.randn(5, 3))
    total: Tensor = torch.zeros(5, 2).index_add(0, dst, attention)
    assert torch.allclose(total[[0, 1, 2]], torch.ones(3, 2), atol=1e-6)
    assert torch.equal(total[[3, 4]], torch.zeros(2, 2))  # nothing points there


def test_network_is_the_one_that_was_asked_for() -> None:
    config = NetworkConfig(n_words=10)
    assert (config.layers, config.hidden, config.heads, config.n_classes) == (3, 128, 4, 2)
    assert len(WindowGAT(config).layers) == 3


def test_probability_does_not_depend_on_the_windows_beside_it(model: LoadedModel) -> None:
    graphs = [window(seed, attack=seed % 2 == 0, n_commands=3 + seed) for seed in range(8)]
    together = [score.attack_prob for score in score_graphs(model, graphs)]
    alone = [score_graphs(model, [graph])[0].attack_prob for graph in graphs]
    backwards = [score.attack_prob for score in score_graphs(model, graphs[::-1])][::-1]
    assert together == pytest.approx(alone, abs=1e-9)
    assert together == pytest.approx(backwards, abs=1e-9)
    assert max(together) - min(together) > 1e-4


def test_single_precision_is_as_good_to_five_decimals(model: LoadedModel) -> None:
    graph = window(3, attack=True)
    exact = score_graphs(model, [graph])[0].attack_prob
    single = WindowGAT(model.network.config)
    single.load_state_dict(model.network.state_dict())
    with torch.no_grad():
        logits = single.eval()(collate([to_tensors(graph, model.vocabulary)]))
    assert torch.sigmoid(logits[0, 1] - logits[0, 0]).item() == pytest.approx(exact, abs=1e-5)


@settings(max_examples=8, deadline=None)
@given(draw=st.randoms(use_true_random=False))
def test_order_of_nodes_and_edges_does_not_matter(model: LoadedModel, draw) -> None:
    graph = window(11, attack=True)
    shuffled = _shuffled(graph, draw)
    one, other = score_graphs(model, [graph])[0], score_graphs(model, [shuffled])[0]
    assert other.attack_prob == pytest.approx(one.attack_prob, abs=1e-12)
    assert other.contributing_events == one.contributing_events


def test_times_and_directions_reach_the_score(model: LoadedModel) -> None:
    graph = window(11, attack=True)
    later = replace(graph, edge_times=[graph.window_start + 179_000_000 - i for i in range(graph.n_edges)])
    turned = replace(graph, edge_srcs=graph.edge_dsts, edge_dsts=graph.edge_srcs)
    scores = {round(score.attack_prob, 9) for score in score_graphs(model, [graph, later, turned])}
    assert len(scores) == 3


def test_weights_of_events_are_shares_of_all_that_raises_the_score(model: LoadedModel) -> None:
    graph = window(11, attack=True)
    (score,) = score_graphs(model, [graph])
    weights = [one.weight for one in score.contributing_events]
    assert len(weights) == 10 and weights == sorted(weights, reverse=True)
    assert 0 < min(weights) and sum(weights) < 1
    assert {one.event_id for one in score.contributing_events} < set(graph.edge_event_ids)


def test_an_event_weighs_what_the_most_suspicious_process_at_its_ends_does(vocabulary: Vocabulary) -> None:
    graph = replace(
        window(1, attack=False, n_commands=0), node_ids=["parent", "child", "file", "other"],
        node_types=["process", "process", "file", "process"], node_labels=[""] * 4, node_texts=[""] * 4,
        edge_srcs=["parent", "child", "child", "parent", "other"], edge_dsts=["child", "file", "file", "other", "file"],
        edge_types=["spawned", "executed", "wrote", "spawned", "read"], edge_times=[1, 1, 2, 3, 4],
        edge_event_ids=["start", "start", "write", "other start", "read"], edge_texts=[""] * 5,
    )  # fmt: skip
    tensors = to_tensors(graph, vocabulary)
    suspicion = {"parent": -2.0, "child": 2.0, "file": 9.0, "other": -9.0}
    weights = weights_by_suspicion(graph, tensors, [suspicion[node] for node in sorted(graph.node_ids)])
    p = {node: 1 / (1 + math.exp(-value)) for node, value in suspicion.items()}
    assert weights == pytest.approx({
        "start": p["child"], "write": 0.9 * p["child"], "other start": 0.9 * p["parent"], "read": 0.7 * p["other"],
    })  # fmt: skip


def test_empty_window_has_a_score(model: LoadedModel) -> None:
    graph = window(1, attack=False, n_commands=0)
    empty = replace(graph, node_ids=[], node_types=[], node_labels=[], node_texts=[])
    assert all(0 < score.attack_prob < 1 for score in score_graphs(model, [graph, empty]))


def _shuffled(graph: WindowGraph, draw) -> WindowGraph:
    nodes, edges = list(range(len(graph.node_ids))), list(range(graph.n_edges))
    draw.shuffle(nodes)
    draw.shuffle(edges)
    names = [name for name in WindowGraph.__slots__ if name.startswith(("node_", "edge_"))]
    order = {"node": nodes, "edge": edges}
    return replace(graph, **{name: [getattr(graph, name)[i] for i in order[name[:4]]] for name in names})
