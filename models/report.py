"""The evaluation of a platform's model as a Markdown page with plots, and the index of both."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.captures import Split
from models.controls import CONTROLS
from models.coverage import navigator_layer, tactic_rows, technique_coverage
from models.evaluation import Group, Judged, Outcome
from models.faithfulness import FIGURES_OF_EXPLANATIONS, Faithfulness
from models.plots import write_plots
from models.weights import Calibration

__all__ = ["FIGURES", "Evaluation", "figure_text", "write_report"]

FIGURES: Mapping[str, str] = {
    "precision": "precision at the threshold",
    "recall": "recall at the threshold",
    "pr_auc": "PR-AUC (average precision)",
    "roc_auc": "ROC-AUC",
    "recall_at_1_percent": "recall where 1 % of the windows without attack are flagged",
    "captures_found": "attacked captures with an attack window flagged",
    "n_false": "windows without attack that are flagged",
    "endpoint_days": "endpoint-days that windows without attack cover",
    "false_per_day": "false windows per endpoint-day",
    "brier": "Brier score",
    "calibration_error": "expected calibration error (10 bins)",
}
"""What each figure of an `Outcome` is called, in the order shown."""

_PLOTS = (
    ("pr", "Precision over recall"),
    ("reliability", "Share of attacks over mean attack_prob"),
    ("probabilities", "attack_prob of both kinds of windows"),
)
_NO_DIFFERENCE = 0.01  # of PR-AUC
_KIND = {"windows": "technique", "linux": "role"}


@dataclass(frozen=True)
class Evaluation:
    """One model on what was held out.

    Attributes:
        platform: `windows` or `linux`.
        windows: held-out windows and their attack_prob.
        outcome: figures.
        intervals: 95 % interval of some figures.
        groups: by technique or role.
        split: captures on both sides.
        calibration: of the model.
        card: of the model.
        peers: ranking figures of the baselines, empty where none were fitted.
        explanations: how far its explanations can be trusted.
        controls: ranking figures of `models.controls`, empty where none were fitted.
        holdout: digest of the held-out windows and labels.
    """

    platform: str
    windows: Judged
    outcome: Outcome
    intervals: Mapping[str, tuple[float, float]]
    groups: Sequence[Group]
    split: Split
    calibration: Calibration
    card: Mapping[str, Any]
    peers: Mapping[str, Mapping[str, float]]
    explanations: Faithfulness
    controls: Mapping[str, Mapping[str, float]]
    holdout: str


def write_report(folder: Path, evaluation: Evaluation) -> None:
    """Write ``<platform>.md`` and its plots, and anew from all pages that are there the index, techniques and layer."""
    folder.mkdir(parents=True, exist_ok=True)
    platform = evaluation.platform
    write_plots(folder, platform, evaluation.windows, evaluation.calibration.threshold)
    (folder / f"{platform}.md").write_text(_page(evaluation))
    figures = {name: round(value, 4) for name, value in evaluation.outcome.as_metrics().items()}
    coverage = technique_coverage(evaluation.windows, evaluation.calibration.threshold)
    found = {"figures": figures, "techniques": [one.as_numbers() for one in coverage]}
    (folder / f"{platform}.json").write_text(json.dumps(found, indent=1) + "\n")
    told = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json")) if path.stem in _KIND}
    (folder / "README.md").write_text(_index({name: one["figures"] for name, one in told.items()}))
    by_technique = {name: one["techniques"] for name, one in told.items()}
    (folder / "techniques.md").write_text(_techniques(by_technique))
    (folder / "attack-coverage.json").write_text(json.dumps(navigator_layer(by_technique), indent=1) + "\n")


def figure_text(name: str, value: float) -> str:
    """A figure as text; counts without decimals."""
    if value != value:
        return "–"
    return f"{value:,.0f}" if name.startswith("n_") else f"{value:.1f}" if name == "false_per_day" else f"{value:.3f}"


def _page(evaluation: Evaluation) -> str:
    outcome, split = evaluation.outcome, evaluation.split
    kind = _KIND[evaluation.platform]
    data, training = evaluation.card["data"], evaluation.card["training"]
    parts = [
        f"# Evaluation of logster-{evaluation.platform}",
        f"Written by `logster models train`. {len(split.train)} captures taught, {len(split.held_out)} were held out: "
        f"{outcome.n_attack} windows with attack, {outcome.n_other} without. No capture is on both sides. Of these "
        f"{kind}s no capture taught: {', '.join(split.held_out_groups)}. {_ALSO_TAUGHT[evaluation.platform]}",
        "## Figures",
        f"At attack_prob ≥ {evaluation.calibration.threshold}. Intervals: 95 %, by drawing captures anew.",
        _table(("figure", "value", "interval"), [
            (label, figure_text(name, getattr(outcome, name)), _interval(evaluation.intervals.get(name)))
            for name, label in FIGURES.items()
        ]),
        "## Beside simpler models",
        "The same windows and vocabulary. The simpler models are not calibrated, so only their ranking is compared.",
        _table(("model", "PR-AUC", "ROC-AUC", "recall at 1 % false"), _peer_rows(evaluation)),
        *_who_is_better(evaluation),
        *_controls(evaluation.controls),
        f"## By {kind}",
        f"A window of several {kind}s counts in each."
        if kind == "technique" else "Captures of a role are benign hosts and intrusions on such hosts.",
        _table((kind, "captures", "attack windows", "found", "other windows", "false"), [
            (g.name, g.n_captures, g.n_attack, g.n_found, g.n_other, g.n_false) for g in evaluation.groups
        ]),
        "## What its explanations are worth",
        "Means over held-out windows with attack that are flagged. An event is of a process of the attack where one is at "
        "either end of it.",
        _table(("figure", "value"), [
            (label, figure_text(name, getattr(evaluation.explanations, name)))
            for name, label in FIGURES_OF_EXPLANATIONS.items()
        ]),
        "## Plots",
        "\n".join(f"![{title}]({evaluation.platform}-{name}.png)" for name, title in _PLOTS),
        "## How it was trained",
        _table(("what", "value"), [
            ("windows in the training lake", f"{data['n_windows']:,}, Delta version {data['delta_version']}"),
            ("SHA-256 of windows and labels", f"`{data['digest']}`"),
            *((name, value) for name, value in training.items()),
            *((name, figure_text(name, value)) for name, value in evaluation.card["metrics"].items() if name in _INNER),
        ]),
        "`cv_…` are figures of the cross-validation inside the training captures, from which the calibration comes.",
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


_ALSO_TAUGHT = {
    "windows": "Each held-out attack has one of them; other techniques of the same capture may have been taught by others.",
    "linux": "Techniques of the intrusions stand on both sides.",
}

_INNER = ("cv_pr_auc", "cv_precision", "cv_recall", "cv_false_per_day")


def _peer_rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    names = ("pr_auc", "roc_auc", "recall_at_1_percent")
    own = ("**the network**", *(figure_text(name, getattr(evaluation.outcome, name)) for name in names))
    return [own, *((peer, *(figure_text(n, told[n]) for n in names)) for peer, told in evaluation.peers.items())]


def _who_is_better(evaluation: Evaluation) -> list[str]:
    """Says plainly where a simpler model ranks as well."""
    own = evaluation.outcome.pr_auc
    equal = [name for name, told in evaluation.peers.items() if told["pr_auc"] > own - _NO_DIFFERENCE]
    return [f"As good or better by PR-AUC (to {_NO_DIFFERENCE}): {'; '.join(equal)}."] if equal else []


def _controls(controls: Mapping[str, Mapping[str, float]]) -> list[str]:
    if not controls:
        return []
    rows = [(CONTROLS[name], *(figure_text(n, told[n]) for n in ("pr_auc", "roc_auc")))
            for name, told in controls.items() if name in CONTROLS]  # fmt: skip
    prior = figure_text("pr_auc", controls["prior"]["pr_auc"])
    return [
        "## What can be told without seeing the attack",
        f"Regressions that are shown nothing of it. Chance is a PR-AUC of {prior} and a ROC-AUC of 0.5; what is above it, the "
        "captures give away by how they were recorded, and a model may live on it.",
        _table(("shown", "PR-AUC", "ROC-AUC"), rows),
    ]


def _index(figures: Mapping[str, Mapping[str, float]]) -> str:
    rows = [
        (label, *(figure_text(name, told.get(name, float("nan"))) for told in figures.values()))
        for name, label in {"n_attack": "windows with attack", "n_other": "windows without", **FIGURES}.items()
    ]
    return "\n\n".join([
        "# Evaluation of the models",
        "What was held out from training, by whole captures and whole techniques (Windows) or roles of hosts (Linux). "
        "Figures are of windows unless they say otherwise; how each is made is in `models/evaluation.py`. What was found of "
        "each ATT&CK technique is in [techniques.md](techniques.md), and as a layer for MITRE's Navigator in "
        "[attack-coverage.json](attack-coverage.json).",
        _table(("figure", *(f"[{name}]({name}.md)" for name in figures)), rows),
        _LIMITS,
    ]) + "\n"  # fmt: skip


def _techniques(of_platform: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    return "\n\n".join([
        "# Techniques that were held out, and what was found of them",
        "Written by `logster models train`. Windows with attack of held-out captures at or over the threshold, by tactic and "
        "technique. A capture's windows count for all of its techniques: labels do not say which step a window holds. Most "
        "techniques have one or two captures, so a row is a sign and no rate. `unknown`: no capture of it was held out on "
        "that platform; every technique that is not here is unknown on all.",
        _table(("tactic", "technique", "name", *of_platform), tactic_rows(of_platform)),
    ]) + "\n"  # fmt: skip


_LIMITS = """## What these figures cannot say
- Windows: the captures are short recordings of a laboratory, most with the attack in the middle. Windows without attack
  are mostly quiet ones beside an attack, and one laptop's ordinary work. False windows per endpoint-day on a fleet at
  work will differ.
- Linux: the intrusions were played by script on simulated hosts, mixed into ordinary work of the same minutes.
- Labels of Windows windows come from patterns over commands and tools; some are wrong.
- While this training was built, the held-out windows of each platform were judged by some ten variants of it. Which to
  keep was decided by cross-validation inside the training captures where that told them apart; still, they are no longer
  unseen, and one training differs from the next by more than its interval says.
- attack_prob is calibrated as if one window in three held an attack, about as in the Windows captures; that is far above
  a real fleet, so it ranks and weighs windows, and is no forecast of how many alerts are right."""


def _interval(ends: tuple[float, float] | None) -> str:
    return f"{ends[0]:.3f} – {ends[1]:.3f}" if ends else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)])
