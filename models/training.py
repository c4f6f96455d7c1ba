"""Training of the platforms' models: labelled captures in, weights, registered versions and a report out.

What is held out is decided before anything is learnt, and looked at once, in the end: vocabulary and calibration come from
the training captures alone.
"""

import logging
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from models.baselines import bag_logits
from models.calibration import fit_calibration, probabilities
from models.captures import Capture, Split, mark_of, read_captures, read_labels, split_of
from models.controls import controls
from models.dataset import (
    Example,
    TrainingSet,
    build_training_lake,
    digest_of_examples,
    lake_problem,
    read_examples,
)
from models.evaluation import (
    Judged,
    Outcome,
    average_precision,
    by_group,
    intervals,
    judge,
    judged,
    precision_recall,
    roc_auc,
)
from models.faithfulness import Faithfulness, faithfulness
from models.fitting import FitConfig, Window, fit, logits_of, prepared
from models.network import NetworkConfig, WindowGAT
from models.registry import CHAMPION, Registry, model_name
from models.report import Evaluation, write_report
from models.selection import cross_validate, folds_of
from models.tokens import names_in, tokens_of, unnamed
from models.vocabulary import Vocabulary
from models.weights import Calibration, LoadedModel, load_model, save_model
from pipelines.errors import ModelError
from pipelines.session import start_session
from pipelines.settings import Settings

__all__ = ["TrainingConfig", "evaluate", "note_evaluation", "train", "training_settings"]

Progress = Callable[[str], None]
Floats = npt.NDArray[np.float64]

_LOG = logging.getLogger(__name__)


_SEED = 3  # of what is drawn to judge explanations and for the controls
_NETWORK = (("attention_readout", True), ("dropout", 0.3), ("word_dim", 32))


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides a model beside the data; goes into the weights' card.

    Attributes:
        fit: how a network is fitted.
        n_folds: of the cross-validation.
        vocabulary_size: words at most.
        min_captures: training captures that a word must be in.
        attack_share: share of windows with attack that attack_prob takes for granted, the same on both platforms.
        network: fields of `NetworkConfig` that differ from its defaults.
    """

    fit: FitConfig
    n_folds: int = 3
    vocabulary_size: int = 8_000
    min_captures: int = 3
    attack_share: float = 1 / 3
    network: tuple[tuple[str, Any], ...] = _NETWORK

    def network_config(self, vocabulary: Vocabulary, **changes: Any) -> NetworkConfig:  # noqa: ANN401
        """Shape of the network over a vocabulary."""
        return NetworkConfig(n_words=len(vocabulary), **{**dict(self.network), **changes})

    def as_parameters(self) -> dict[str, Any]:
        """Plain types for the card."""
        own = asdict(self)
        return {**own.pop("fit"), **{name: value for name, value in own.items() if name != "network"}}


CONFIGS = {
    "windows": TrainingConfig(FitConfig(epochs=20)),
    # not on Windows: its captures have hardly a process that a person started and that is not the attack's
    "linux": TrainingConfig(FitConfig(windows_per_capture=6), network=(*_NETWORK, ("process_evidence", True))),
}


def training_settings(settings: Settings, lake: Path | None = None) -> Settings:
    """Settings of the training lake, beside the lake unless said otherwise; its captures never mix with telemetry."""
    return settings.model_copy(update={"lake": str(lake or _beside(settings)), "landing": None, "checkpoints": None})


def train(
    data: Path,
    out: Path,
    settings: Settings,
    *,
    platforms: Sequence[str],
    progress: Progress,
    lake: Path | None = None,
    reuse_lake: bool = False,
    report: Path | None = None,
) -> list[Evaluation]:
    """Train each platform's model, evaluate it on what was held out, register it, and write the report.

    Args:
        data: folder of labelled telemetry.
        out: where weights are put.
        settings: whose registry and, unless ``lake`` is given, whose neighbourhood.
        platforms: `windows`, `linux`.
        progress: told what goes on.
        lake: the training lake.
        reuse_lake: take the windows that are there instead of reading the telemetry again.
        report: folder of the report; none is written without.

    Raises:
        ModelError: there are no labels, or no windows.
    """
    if unknown := sorted(set(platforms) - set(CONFIGS)):
        raise ModelError(f"there is no model for {', '.join(unknown)}; platforms are {', '.join(CONFIGS)}")
    own = training_settings(settings, lake)
    captures = read_captures(data, platforms)
    if not reuse_lake:
        _build(own, data, captures, progress)
    evaluations = []
    for platform in platforms:
        torch.set_num_threads(1)  # sums over several threads differ from run to run
        torch.use_deterministic_algorithms(True)
        known = [capture for capture in captures if capture.platform == platform]
        dataset = read_examples(own, known, platform)
        split = split_of(known)
        progress(f"{platform}: {len(dataset.examples):,} labelled windows of {len(known)} captures")
        evaluation = _train_one(dataset, split, CONFIGS[platform], out, partial(_told, progress, platform))
        evaluations.append(evaluation)
        _register(out, settings, evaluation)
        if report is not None:
            write_report(report, evaluation)
    return evaluations


def evaluate(
    model: LoadedModel, data: Path, settings: Settings, *, progress: Progress, lake: Path | None = None
) -> Evaluation:
    """Judge a model by the captures that are held out from every training.

    Args:
        model: what to judge.
        data: folder of labelled telemetry.
        settings: beside whose lake the training lake is.
        progress: told what goes on.
        lake: the training lake; what it lacks is read from ``data``.

    Raises:
        ModelError: a capture that is held out now has taught the model, or its card does not say which have.
    """
    own = training_settings(settings, lake)
    captures = read_captures(data, [model.platform])
    split = split_of(captures)
    _refuse_taught(model, split)
    problem = lake_problem(own, captures, model.platform)
    if problem is not None:
        progress(f"{model.platform}: windows are built anew, since {problem}")
        _build(own, data, captures, progress)
    dataset = read_examples(own, captures, model.platform)
    held_out = _of(dataset, split.held_out)
    progress(f"{model.platform}: scoring {len(held_out):,} windows")
    windows = prepared(held_out, model.vocabulary)
    logits = logits_of(model.network, [window.tensors for window in windows])
    told = judged(held_out, probabilities(logits, model.calibration))
    explanations, holdout = faithfulness(model, held_out, seed=_SEED), digest_of_examples(held_out)
    return _evaluation(model.platform, told, split, model.calibration, dict(model.card), explanations, holdout)


def note_evaluation(registry: Registry, name: str, version: str, evaluation: Evaluation) -> None:
    """Note on a registered version what it was judged by and how it did, so that it may be promoted.

    Raises:
        ModelError: there is no such version, or the registry cannot be used.
    """
    figures = evaluation.outcome.as_metrics()
    registry.note_evaluation(name, version, holdout=evaluation.holdout, figures=figures, at=datetime.now(UTC))


def _train_one(dataset: TrainingSet, split: Split, config: TrainingConfig, out: Path, progress: Progress) -> Evaluation:
    taught, held_out = _of(dataset, split.train), _of(dataset, split.held_out)
    if any({one.is_attack for one in part} != {True, False} for part in (taught, held_out)):
        raise ModelError(
            f"{dataset.platform}: too few labelled windows; both sides need some with and some without attack"
        )
    vocabulary = vocabulary_of(taught, size=config.vocabulary_size, min_captures=config.min_captures)
    windows = prepared(taught, vocabulary)
    fold = folds_of(list({one.capture.tenant: one.capture for one in taught}.values()), config.n_folds)
    network_config = config.network_config(vocabulary)
    validated = cross_validate(network_config, config.fit, windows, fold, progress)
    calibration = calibrated(validated, windows, config.attack_share)
    progress(f"fitting {config.fit.epochs} epochs on {len(windows):,} windows, {len(vocabulary):,} words")
    network = fit(network_config, config.fit, windows)

    progress("judging what was held out")
    unseen = prepared(held_out, vocabulary)
    logits = logits_of(network, [window.tensors for window in unseen])
    told = judged(held_out, probabilities(logits, calibration))
    outcome = judge(told, calibration.threshold)
    inner = judge(judged(taught, probabilities(validated, calibration)), calibration.threshold)
    peers = _peers(config, vocabulary, windows, unseen, told, progress)
    card = _card(dataset, split, config, outcome, inner)
    file = out / f"{model_name(dataset.platform)}.pt"
    save_model(file, network, vocabulary, platform=dataset.platform, calibration=calibration, card=card)
    explanations = faithfulness(load_model(file), held_out, seed=_SEED)
    holdout = digest_of_examples(held_out)
    blind = controls(taught, held_out, vocabulary, seed=_SEED)
    return _evaluation(dataset.platform, told, split, calibration, card, explanations, holdout, peers, blind)


def vocabulary_of(examples: Sequence[Example], *, size: int, min_captures: int) -> Vocabulary:
    """Words of several training captures that are nobody's name."""
    words: dict[str, set[str]] = {}
    all_names: set[str] = set()
    for one in examples:
        graph, own = one.graph, words.setdefault(one.capture.tenant, set())
        names = names_in(graph.endpoint, zip(graph.node_types, graph.node_texts, strict=True))
        all_names |= names
        texts = {*zip(graph.node_types, graph.node_texts, strict=True), *(("edge", text) for text in graph.edge_texts)}
        for kind, text in texts:
            own.update(unnamed(tokens_of(kind, text), names))
    return Vocabulary.learn(words.values(), names=frozenset(all_names), min_groups=min_captures, size=size)


def calibrated(logits: Floats, windows: Sequence[Window], attack_share: float) -> Calibration:
    """Calibration on the windows' logits of networks that had not seen their captures, as if so many held attacks."""
    told = np.array([window.is_attack for window in windows])
    weights = np.where(told, attack_share / told.mean(), (1 - attack_share) / (1 - told.mean()))
    return fit_calibration(logits, told.tolist(), weights)


def _peers(
    config: TrainingConfig,
    vocabulary: Vocabulary,
    windows: Sequence[Window],
    unseen: Sequence[Window],
    told: Judged,
    progress: Progress,
) -> dict[str, dict[str, float]]:
    """Ranking figures of the baselines on the same windows; they are not calibrated, so none at a threshold."""
    bag = bag_logits(windows, unseen, len(vocabulary))
    progress("fitting the graph without edges")
    blind: WindowGAT = fit(config.network_config(vocabulary, sees_edges=False), config.fit, windows)
    by_name = {
        "words alone (logistic regression)": bag,
        "the network without edges": logits_of(blind, [window.tensors for window in unseen]),
    }
    found = {}
    for name, logits in by_name.items():
        outcome = judge(replace(told, attack_prob=probabilities(logits, Calibration())), 0.5)
        found[name] = {
            "pr_auc": outcome.pr_auc, "roc_auc": outcome.roc_auc, "recall_at_1_percent": outcome.recall_at_1_percent,
        }  # fmt: skip
    return found


def _evaluation(
    platform: str,
    told: Judged,
    split: Split,
    calibration: Calibration,
    card: dict[str, Any],
    explanations: Faithfulness,
    holdout: str,
    peers: Mapping[str, Mapping[str, float]] | None = None,
    blind: Mapping[str, Mapping[str, float]] | None = None,
) -> Evaluation:
    threshold = calibration.threshold
    ends = intervals(
        told,
        {
            "pr_auc": average_precision,
            "roc_auc": roc_auc,
            "precision": lambda truth, p: precision_recall(truth, p, threshold)[0],
            "recall": lambda truth, p: precision_recall(truth, p, threshold)[1],
        },
        seed=card.get("training", {}).get("seed", 0),
    )
    return Evaluation(
        platform, told, judge(told, threshold), ends, by_group(told, threshold), split, calibration, card,
        peers or {}, explanations, blind or {}, holdout,
    )  # fmt: skip


def _card(
    dataset: TrainingSet, split: Split, config: TrainingConfig, outcome: Outcome, inner: Outcome
) -> dict[str, Any]:
    cross_validation = {f"cv_{name}": value for name, value in inner.as_metrics().items()}
    return {
        "training": config.as_parameters(),
        "data": {"digest": dataset.digest, "delta_version": dataset.delta_version, "n_windows": len(dataset.examples)},
        "split": {
            "held_out_groups": list(split.held_out_groups),
            "n_train_captures": len(split.train),
            "n_held_out_captures": len(split.held_out),
            "taught_by": sorted(mark_of(tenant) for tenant in split.train),
        },
        "metrics": {**outcome.as_metrics(), **cross_validation},
    }


def _told(progress: Progress, platform: str, what: str) -> None:
    progress(f"{platform}: {what}")


def _register(out: Path, settings: Settings, evaluation: Evaluation) -> None:
    """Register the weights with their evaluation; they become champion only where there is none that can score."""
    registry = Registry(settings)
    name = model_name(evaluation.platform)
    tags = {"origin": "trained", "commit": _commit()}
    ref = registry.register(out / f"{name}.pt", platform=evaluation.platform, tags=tags)
    note_evaluation(registry, name, ref.version, evaluation)
    try:
        registry.resolve(f"{name}@{CHAMPION}")
    except ModelError:
        registry.promote(name, ref.version)
    _LOG.info("%s version %s is registered", ref.name, ref.version)


def _build(settings: Settings, data: Path, captures: Sequence[Capture], progress: Progress) -> None:
    progress("starting Spark")
    spark = start_session(settings, app_name="logster-train")
    try:
        build_training_lake(spark, settings, data=data, captures=captures, labels=read_labels(data), progress=progress)
    finally:
        spark.stop()


def _refuse_taught(model: LoadedModel, split: Split) -> None:
    taught_by = model.card.get("split", {}).get("taught_by")
    if taught_by is None:
        raise ModelError(
            "the model's card does not say which captures taught it, so none can be told to be new to it; "
            "train it anew with `logster models train`"
        )
    known = [tenant for tenant in split.held_out if mark_of(tenant) in set(taught_by)]
    if known:
        raise ModelError(
            f"{len(known)} of the {len(split.held_out)} captures that are held out now taught this model, e.g. {known[0]}: "
            "the labelled captures are not those of its training; evaluate on those (--data), or train it anew"
        )


def _of(dataset: TrainingSet, tenants: Sequence[str]) -> list[Example]:
    wanted = set(tenants)
    return [one for one in dataset.examples if one.capture.tenant in wanted]


def _beside(settings: Settings) -> Path:
    if "://" in settings.lake:
        raise ModelError("LOGSTER_LAKE is not on this machine; say with --lake where the training lake may be")
    return Path(settings.lake).resolve().parent / "training-lake"


def _commit() -> str:
    """Commit of the code, where it is a checkout."""
    try:
        told = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return told.stdout.strip()
