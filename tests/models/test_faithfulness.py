"""Whether explanations name what made a score, on windows where that is known."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.faithfulness import faithfulness, without_events
from models.fitting import FitConfig, fit, prepared
from models.network import NetworkConfig
from models.training import vocabulary_of
from models.weights import Calibration, LoadedModel
from tests.models.made_up import noted, window


@pytest.mark.fast
@given(st.sets(st.integers(0, 40)))
def test_a_window_without_events_holds_what_the_other_events_touch(numbers: set[int]) -> None:
    graph = window(5, attack=True)
    events = sorted(set(graph.edge_event_ids))
    gone = {events[number] for number in numbers if number < len(events)}
    rest = without_events(graph, gone)
    assert set(rest.edge_event_ids) == set(events) - gone
    assert set(rest.node_ids) == {*rest.edge_srcs, *rest.edge_dsts}
    told = dict(zip(graph.node_ids, graph.node_texts, strict=True))
    assert dict(zip(rest.node_ids, rest.node_texts, strict=True)) == {node: told[node] for node in rest.node_ids}
    whole = list(zip(graph.edge_srcs, graph.edge_dsts, graph.edge_times, graph.edge_event_ids, strict=True))
    left = list(zip(rest.edge_srcs, rest.edge_dsts, rest.edge_times, rest.edge_event_ids, strict=True))
    assert left == [edge for edge in whole if edge[3] not in gone]


@pytest.mark.slow
def test_a_network_that_has_learnt_an_intrusion_names_its_events() -> None:
    made = noted(16)
    vocabulary = vocabulary_of(made, size=2_000, min_captures=2)
    config = FitConfig(epochs=6, windows_per_step=6, learning_rate=5e-3, averaging=0.8)
    shape = NetworkConfig(n_words=len(vocabulary), process_evidence=True)
    network = fit(shape, config, prepared(made, vocabulary))
    model = LoadedModel(network, vocabulary, Calibration(threshold=0.5), "linux", {})
    unseen = noted(30)[32:]
    found = faithfulness(model, unseen, seed=1, least_events=10)
    assert found.n_windows == found.n_noted > 5
    assert found.fall_without_named > found.fall_without_random + 0.2
    assert found.share_of_attack > found.share_of_attack_random + 0.1  # of ten, where the intruder has four to six
    assert found.time_ratio > 1
    nobody_knows = [replace(one, capture=replace(one.capture, attack_pids=None)) for one in unseen]
    blind = faithfulness(model, nobody_knows, seed=1, least_events=10)
    assert blind.n_noted == 0 and blind.fall_without_named == pytest.approx(found.fall_without_named)
    assert math.isnan(blind.share_of_attack)
