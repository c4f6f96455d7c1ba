import pickle
from pathlib import Path

import pytest
import torch

from models.network import NetworkConfig, WindowGAT
from models.registry import shipped_weights
from models.scoring import double_precision, score_graphs
from models.training import vocabulary_of
from models.vocabulary import Vocabulary
from models.weights import Calibration, load_model, save_model
from pipelines.errors import ModelError
from tests.models.made_up import examples, window

pytestmark = pytest.mark.fast


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save(tmp_path / "model.pt")
    return tmp_path / "model.pt"


def save(path: Path, *, seed: int = 1) -> str:
    torch.manual_seed(seed)
    vocabulary = vocabulary_of(examples(6, windows=1), size=500, min_captures=2)
    network = WindowGAT(NetworkConfig(n_words=len(vocabulary), process_evidence=True))
    return save_model(
        path,
        network,
        vocabulary,
        platform="linux",
        calibration=Calibration(0.5, -1.0),
        card={"metrics": {"pr_auc": 0.5}},
    )


def test_saved_and_loaded_model_scores_the_same(saved: Path) -> None:
    graph = window(5, attack=True)
    one = score_graphs(double_precision(load_model(saved)), [graph])
    content = saved.read_bytes()
    assert score_graphs(double_precision(load_model(content, platform="linux")), [graph]) == one
    assert load_model(saved).calibration == Calibration(0.5, -1.0)
    assert not load_model(saved).network.training


def test_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    assert save(tmp_path / "a.pt") == save(tmp_path / "b.pt") != save(tmp_path / "c.pt", seed=2)


class _Mischief:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("code ran",)


def test_file_with_code_in_it_is_refused_and_does_not_run(tmp_path: Path, capsys) -> None:
    torch.save({"format": 1, "state_dict": _Mischief()}, tmp_path / "bad.pt")
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps(_Mischief(), protocol=2))
    for name in ("bad.pt", "pickle.pt"):
        with pytest.raises(ModelError, match="not a weights' file"):
            load_model(tmp_path / name)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda held: held.update(schema_hash="other"), "graphs of another shape"),
        (lambda held: held["config"].update(hidden=64), "do not fit"),
        (lambda held: held["config"].update(word_evidence=True), "another version of Logster"),
        (lambda held: held["calibration"].update(scale=float("nan")), "not finite"),
        (lambda held: held.update(vocabulary=held["vocabulary"][:-1]), "embeddings"),
        (lambda held: held["vocabulary"].add_(1), "vocabulary is not one of Logster's"),
        (lambda held: held["vocabulary"].__setitem__(-1, held["vocabulary"][-2]), "vocabulary is not one of Logster's"),
        (lambda held: held.update(format=99), "format"),
        (lambda held: held.pop("schema_hash"), "graphs of another shape"),
        (lambda held: held.update(platform="macos"), "is for 'macos'; platforms are windows, linux"),
        (lambda held: held["calibration"].update(scale="much"), "do not fit"),
        (lambda held: held.update(card=[1]), "card"),
        (lambda held: held["card"].update(metrics=[1]), "card"),
    ],
)
def test_weights_that_cannot_score_are_refused_with_the_reason(saved: Path, change, message: str) -> None:
    held = torch.load(saved, weights_only=True)
    change(held)
    torch.save(held, saved)
    with pytest.raises(ModelError, match=message):
        load_model(saved)


def test_another_platform_or_digest_is_refused(saved: Path) -> None:
    with pytest.raises(ModelError, match="is for linux"):
        load_model(saved, platform="windows")
    with pytest.raises(ModelError, match="differs from what was registered"):
        load_model(saved, digest="0" * 64)
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(saved.with_name("absent.pt"))


@pytest.mark.parametrize("platform", ["windows", "linux"])
def test_shipped_weights_are_trained(platform: str) -> None:
    model = load_model(shipped_weights(platform), platform=platform)
    config = model.network.config
    assert (config.layers, config.hidden, config.heads, config.n_classes) == (3, 128, 4, 2)
    assert model.calibration.threshold == 0.7
    assert model.card["data"]["digest"] and model.card["training"]["epochs"] > 0
    assert model.card["metrics"]["roc_auc"] > 0.7  # of windows that were held out


def test_shipped_weights_hold_no_words_in_the_clear(tmp_path: Path) -> None:
    content = shipped_weights("linux").read_bytes()
    assert not any(word in content for word in (b"whoami", b"shadow", b"python", b"host1"))
    assert isinstance(load_model(content).vocabulary, Vocabulary)
