"""`logster models evaluate` judges by captures that are new to the model, or not at all."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from deltalake import write_deltalake

from models.captures import mark_of, read_captures, split_of
from models.dataset import _STAMP, Example, _made_with
from models.fitting import FitConfig
from models.registry import Registry
from models.training import CONFIGS, TrainingConfig, evaluate, train
from models.versions import Standing, standing_of
from models.weights import load_model
from pipelines.errors import ModelError
from pipelines.settings import Settings
from tests.models.made_up import examples, table_of

pytestmark = pytest.mark.slow


@pytest.fixture
def labelled(tmp_path: Path, settings: Settings) -> Callable[[list[Example]], Path]:
    """Writes captures as the labels' files tell of them, and a training lake with their windows."""

    def write(made: list[Example]) -> Path:
        data, lake = tmp_path / "data", tmp_path / "training-lake"
        for folder in (data / "labels", data / "linux" / "lab"):
            folder.mkdir(parents=True, exist_ok=True)
        captures = {one.capture.tenant: one.capture for one in made}.values()
        told = [
            {"tenant": one.tenant, "path": one.path, "platform": one.platform, "label_level": "window", "scenario": "",
             "format": one.layout, "attack": one.is_attack, "techniques": list(one.techniques)}
            for one in captures
        ]  # fmt: skip
        (data / "labels" / "captures.jsonl").write_text("\n".join(map(json.dumps, told)))
        hosts = [{"host": one.tenant.split("-")[1], "profile": one.role} for one in captures]
        (data / "linux" / "lab" / "hosts.jsonl").write_text("\n".join(map(json.dumps, hosts)))
        intrusions = [
            {"host": one.tenant.split("-")[1], "attack_pids": sorted(one.attack_pids or ())} for one in captures
        ]
        (data / "linux" / "lab" / "labels.jsonl").write_text("\n".join(map(json.dumps, intrusions)))
        with gzip.open(data / "labels" / "windows.tsv.gz", "wt") as labels:
            labels.write("tenant\tendpoint\twindow_start\tlabel\tclock\n")
        write_deltalake(lake / "examples_linux", table_of(made), mode="overwrite")
        stamp = {**_made_with(settings), "captures": [one.tenant for one in captures]}
        (lake / "examples_linux" / _STAMP).write_text(json.dumps(stamp))
        return data

    return write


def in_lab(made: list[Example], role: Callable[[int], str]) -> list[Example]:
    return [
        replace(one, capture=replace(one.capture, tenant=f"lab-{tenant}", role=role(int(tenant[1:]) // 2)),
                graph=replace(one.graph, tenant=f"lab-{tenant}"))
        for one in made for tenant in [one.capture.tenant]
    ]  # fmt: skip


def test_a_model_is_judged_by_the_captures_held_out_from_its_training_and_by_no_other(
    labelled, tmp_path: Path, settings: Settings, monkeypatch
) -> None:
    small = TrainingConfig(FitConfig(epochs=2, windows_per_step=6, learning_rate=5e-3), n_folds=2, min_captures=2)
    monkeypatch.setitem(CONFIGS, "linux", small)
    made = in_lab(examples(16), lambda number: f"role{number % 4}")
    data = labelled(made)
    quiet: Callable[[str], None] = lambda _: None  # noqa: E731
    (trained,) = train(data, tmp_path / "out", settings, platforms=["linux"], progress=quiet, reuse_lake=True)
    model = load_model(tmp_path / "out" / "logster-linux.pt")
    again = evaluate(model, data, settings, progress=quiet)
    assert set(again.windows.capture) == set(split_of(read_captures(data, ["linux"])).held_out)
    assert again.windows.attack_prob == pytest.approx(trained.windows.attack_prob, abs=1e-6)
    assert again.holdout == trained.holdout
    (registered,) = Registry(settings).versions("logster-linux")
    assert registered.holdout == trained.holdout and standing_of(registered, [registered]) is Standing.CURRENT
    assert registered.aliases == ("champion",)  # there was none
    assert set(model.card["split"]["taught_by"]) == {mark_of(tenant) for tenant in trained.split.train}

    # the same captures under other roles: the split that they give now is not the one of the training
    others = in_lab(examples(16), lambda number: f"other{(number + 1) % 4}")
    now = split_of(read_captures(labelled(others), ["linux"])).held_out
    taught = sorted(set(now) & set(trained.split.train))
    assert taught and not np.array_equal(now, trained.split.held_out)
    with pytest.raises(ModelError, match=f"{len(taught)} of the {len(now)} captures that are held out now taught"):
        evaluate(model, data, settings, progress=quiet)
    unmarked = replace(model, card={"split": {"held_out_groups": ["role0"]}})
    with pytest.raises(ModelError, match="does not say which captures taught it"):
        evaluate(unmarked, data, settings, progress=quiet)


def test_the_shipped_models_may_be_judged_by_the_labelled_captures(shared_data: Path) -> None:
    from models.registry import shipped_weights

    for platform in ("windows", "linux"):
        split = split_of(read_captures(shared_data, [platform]))
        card = load_model(shipped_weights(platform)).card
        assert card["split"]["taught_by"] == sorted(mark_of(tenant) for tenant in split.train)
