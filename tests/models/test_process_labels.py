"""Which processes are the intrusion's: from the captures' notes to what the network learns of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.captures import AttackedEndpoint
from models.dataset import Example
from models.evaluation import average_precision
from models.fitting import FitConfig, _process_loss, fit, prepared
from models.network import NetworkConfig, is_process
from models.tensors import collate
from models.training import vocabulary_of
from tests.models.made_up import noted


@pytest.mark.fast
def test_processes_are_told_by_the_pid_in_their_key_where_pids_were_noted() -> None:
    one = noted(2)[0]
    graph = replace(
        one.graph,
        node_ids=["web/12@17", "web/112@17", "/srv/12@17", "12", "web/13@17"],
        node_types=["process"] * 5, node_labels=[""] * 5, node_texts=[""] * 5,
        edge_srcs=[], edge_dsts=[], edge_types=[], edge_times=[], edge_event_ids=[], edge_texts=[],
    )  # fmt: skip
    capture = replace(one.capture, attack_pids=frozenset({12}))
    labels = Example(graph, "attack", capture).process_labels
    assert labels == {node: node == "web/12@17" for node in graph.node_ids}
    quiet = Example(graph, "normal", replace(capture, attack_pids=frozenset())).process_labels
    assert quiet == dict.fromkeys(graph.node_ids, False)


@pytest.mark.fast
def test_processes_are_told_by_their_start_where_only_times_are_known() -> None:
    one = noted(1)[0]
    started = {
        "at the first": 10,
        "at the last": 20,
        "between": 15,
        "just after": 22,
        "just before": 6,
        "long before": 1,
    }
    graph = replace(
        one.graph, endpoint="ws-1.acme.example",
        node_ids=[*started, "not seen to start", "file"], node_types=["process"] * 7 + ["file"],
        node_labels=[""] * 8, node_texts=[""] * 8,
        edge_srcs=["not seen to start"] * 6 + ["between"], edge_dsts=[*started, "file"],
        edge_types=["spawned"] * 6 + ["wrote"], edge_times=[second * 1_000_000 for second in [*started.values(), 15]],
        edge_event_ids=[""] * 7, edge_texts=[""] * 7,
    )  # fmt: skip
    spans = ((10_000_000, 20_000_000),)
    attacked = (AttackedEndpoint("ws-1", 3, spans), AttackedEndpoint("ws-2", 9, ((0, 60_000_000),)))
    capture = replace(one.capture, attack_pids=None, attacked=attacked)
    told = {"at the first": True, "at the last": True, "between": True, "long before": False}
    assert Example(graph, "attack", capture).process_labels == told
    fewer = replace(capture, attacked=(AttackedEndpoint("ws-1", 2, spans),))
    assert Example(graph, "attack", fewer).process_labels == {"long before": False}
    assert Example(replace(graph, endpoint="ws-3"), "touched", capture).process_labels == {}
    harmless = replace(capture, is_attack=False, attacked=())
    assert Example(graph, "normal", harmless).process_labels == dict.fromkeys(graph.node_ids[:-1], False)


@pytest.mark.fast
def test_labels_of_processes_stand_in_the_order_of_the_tensors() -> None:
    made = noted(4)
    vocabulary = vocabulary_of(made, size=2_000, min_captures=1)
    for one, window in zip(made, prepared(made, vocabulary), strict=True):
        labels = one.process_labels
        assert any(labels.values()) is one.is_attack
        texts = dict(zip(one.graph.node_ids, one.graph.node_texts, strict=True))
        names = frozenset({"machine-1"})
        first = 0
        for place, node in enumerate(sorted(one.graph.node_ids)):
            n_words = int(window.tensors.node_n_words[place])
            words = window.tensors.node_words[first : first + n_words].tolist()
            first += n_words
            if "/" in node:
                assert words == vocabulary.ids("process", texts[node], names).tolist()
            assert window.process_labels[place] == labels.get(node, -1)


@pytest.mark.fast
def test_processes_that_nobody_noted_correct_nothing() -> None:
    made = noted(2)
    vocabulary = vocabulary_of(made, size=2_000, min_captures=1)
    known = prepared(made, vocabulary)
    unknown = [replace(window, process_labels=np.full(window.tensors.n_nodes, -1, np.int8)) for window in known]
    batch = collate([window.tensors for window in known])
    suspicion = torch.zeros(len(batch.node_type), requires_grad=True)
    members = list(range(len(known)))
    assert _process_loss(suspicion, batch, members, unknown, FitConfig()).item() == 0
    half = [known[0], *unknown[1:]]
    (gradient,) = torch.autograd.grad(_process_loss(suspicion, batch, members, half, FitConfig()), suspicion)
    is_known = (batch.window == 0) & is_process(batch.node_type)
    assert torch.equal(gradient != 0, is_known)


@pytest.mark.slow
def test_network_learns_which_processes_are_the_intruders() -> None:
    made = noted(16)
    vocabulary = vocabulary_of(made, size=2_000, min_captures=2)
    windows = prepared(made, vocabulary)
    config = FitConfig(epochs=6, windows_per_step=6, learning_rate=5e-3, averaging=0.8)
    network = fit(NetworkConfig(n_words=len(vocabulary), process_evidence=True), config, windows)
    unseen = [window for window in prepared(noted(30)[32:], vocabulary) if window.is_attack]
    batch = collate([window.tensors for window in unseen])
    with torch.no_grad():
        _, suspicion = network.judged(batch)
    assert suspicion is not None
    processes = is_process(batch.node_type).numpy()
    truth = np.concatenate([window.process_labels for window in unseen])[processes] == 1
    assert average_precision(truth, suspicion.numpy()[processes].astype(np.float64)) > 0.9
