from dataclasses import replace

import numpy as np
import pytest
import torch

from models.calibration import probabilities
from models.captures import Split
from models.dataset import TrainingSet
from models.evaluation import average_precision
from models.fitting import FitConfig, fit, logits_of, prepared
from models.network import NetworkConfig
from models.selection import cross_validate, folds_of
from models.training import CONFIGS, TrainingConfig, _train_one, vocabulary_of
from models.weights import load_model
from tests.models.made_up import examples, noted

pytestmark = pytest.mark.slow

SMALL = FitConfig(epochs=30, windows_per_step=6, learning_rate=5e-3, averaging=0.8)


@pytest.fixture(scope="module")
def taught():
    made = noted(12)
    vocabulary = vocabulary_of(made, size=2_000, min_captures=2)
    return vocabulary, prepared(made, vocabulary), NetworkConfig(n_words=len(vocabulary), process_evidence=True)


def test_fit_learns_a_handful_of_windows_and_is_the_same_for_a_seed(taught) -> None:
    vocabulary, windows, config = taught
    unseen = prepared(noted(20)[24:], vocabulary)
    first, second = (fit(config, SMALL, windows) for _ in range(2))
    logits = logits_of(first, [window.tensors for window in unseen])
    assert average_precision(np.array([window.is_attack for window in unseen]), logits) > 0.95
    assert all(torch.equal(one, other) for one, other in zip(first.parameters(), second.parameters(), strict=True))
    other = fit(config, replace(SMALL, seed=4), windows)
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


def test_windows_are_judged_by_a_network_that_has_not_seen_their_group(taught, monkeypatch) -> None:
    _, windows, config = taught
    captures = [one.capture for one in examples(12)]
    fold = folds_of(captures, 2)
    assert {fold[one.tenant] for one in captures if one.role == "role0"} in ({0}, {1})
    seen: list[set[str]] = []

    def fit_nothing(_config, _fit_config, shown):
        seen.append({window.capture for window in shown})
        return len(seen) - 1

    monkeypatch.setattr("models.selection.fit", fit_nothing)
    monkeypatch.setattr("models.selection.logits_of", lambda network, judged: np.full(len(judged), float(network)))
    logits = cross_validate(config, SMALL, windows, fold)
    assert [by for by in logits] == [fold[window.capture] for window in windows]
    for number, shown in enumerate(seen):
        assert shown == {name for name, its in fold.items() if its != number}


def test_vocabulary_holds_only_words_of_several_captures() -> None:
    made = examples(4)
    odd = replace(
        made[0], graph=replace(made[0].graph, node_texts=[*made[0].graph.node_texts[:-1], "/opt/rarity\nrarity"])
    )
    vocabulary = vocabulary_of([odd, *made[1:]], size=2_000, min_captures=2)
    rare, unknown, common = (
        vocabulary.ids("process", f"/opt/{word}", frozenset())[0] for word in ("rarity", "quaint", "bash")
    )
    assert rare == unknown != common


def test_training_gives_weights_with_a_card_and_figures_of_held_out_captures(tmp_path) -> None:
    made = noted(16)
    tenants = sorted({one.capture.tenant for one in made})
    split = Split(("role3",), tuple(tenants[:12]), tuple(tenants[12:]))
    config = TrainingConfig(SMALL, n_folds=2, min_captures=2, network=CONFIGS["linux"].network)
    evaluation = _train_one(TrainingSet("linux", made, 3, "d"), split, config, tmp_path, lambda _: None)
    model = load_model(tmp_path / "logster-linux.pt", platform="linux")
    assert set(evaluation.windows.capture) == set(tenants[12:])
    assert model.card["data"] == {"digest": "d", "delta_version": 3, "n_windows": 32}
    assert model.card["metrics"]["pr_auc"] == evaluation.outcome.pr_auc > 0.9
    assert len(evaluation.peers) == 2
    windows = prepared([one for one in made if one.capture.tenant in tenants[12:]], model.vocabulary)
    again = probabilities(logits_of(model.network, [window.tensors for window in windows]), model.calibration)
    assert again == pytest.approx(evaluation.windows.attack_prob, abs=1e-6)
