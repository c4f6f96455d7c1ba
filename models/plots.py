"""Plots of an evaluation as small PNG files; drawn without a display."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.evaluation import Judged, average_precision, reliability

__all__ = ["write_plots"]

_SIZE = (4.4, 3.3)
_DOTS = 90
_ATTACK, _OTHER, _GREY = "#b2182b", "#4393c3", "#888888"


def write_plots(folder: Path, name: str, windows: Judged, threshold: float) -> None:
    """Write ``<name>-pr.png``, ``<name>-reliability.png`` and ``<name>-probabilities.png``."""
    for kind, draw in (("pr", _precision_recall), ("reliability", _reliability), ("probabilities", _probabilities)):
        figure = Figure(figsize=_SIZE, dpi=_DOTS, layout="constrained")
        axes = figure.add_subplot()
        draw(axes, windows, threshold)
        axes.spines[["top", "right"]].set_visible(False)
        FigureCanvasAgg(figure).print_png(str(folder / f"{name}-{kind}.png"), metadata={"Software": None})


def _precision_recall(axes: Axes, windows: Judged, threshold: float) -> None:
    truth, p = windows.is_attack, windows.attack_prob
    order = np.argsort(-p, kind="stable")
    hits = np.cumsum(truth[order])
    precision, recall = hits / np.arange(1, len(p) + 1), hits / max(1, truth.sum())
    axes.step(recall, precision, where="post", color=_ATTACK)
    flagged = p >= threshold
    if flagged.any():
        axes.plot(
            (flagged & truth).sum() / max(1, truth.sum()), (flagged & truth).sum() / flagged.sum(), "o", color="black"
        )
    axes.axhline(truth.mean(), color=_GREY, linewidth=0.8, linestyle="--")
    axes.set(
        xlim=(0, 1.02), ylim=(0, 1.02), xlabel="recall", ylabel="precision",
        title=f"PR-AUC {average_precision(truth, p):.3f} (dot: attack_prob ≥ {threshold})",
    )  # fmt: skip
    axes.title.set_fontsize(9)


def _reliability(axes: Axes, windows: Judged, threshold: float) -> None:
    found = reliability(windows.is_attack, windows.attack_prob)
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8, linestyle="--")
    axes.plot([said for said, _, _ in found], [share for _, share, _ in found], "o-", color=_ATTACK)
    for said, share, n in found:
        axes.annotate(f"{n}", (said, share), textcoords="offset points", xytext=(4, -9), fontsize=7, color=_GREY)
    axes.set(xlim=(0, 1.02), ylim=(-0.02, 1.02), xlabel="mean attack_prob", ylabel="share of attacks")


def _probabilities(axes: Axes, windows: Judged, threshold: float) -> None:
    bins = np.linspace(0, 1, 21)
    for is_attack, colour, label in ((False, _OTHER, "no attack"), (True, _ATTACK, "attack")):
        axes.hist(
            windows.attack_prob[windows.is_attack == is_attack],
            bins=bins.tolist(),
            histtype="step",
            color=colour,
            label=label,
        )
    axes.axvline(threshold, color="black", linewidth=0.8, linestyle=":")
    axes.set(xlim=(0, 1), yscale="log", xlabel="attack_prob", ylabel="windows")
    axes.legend(frameon=False, fontsize=8)
