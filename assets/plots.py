"""Plots for asset metadata, as PNG in Markdown, so that Dagster's pages show them without another server."""

import base64
import io
from collections.abc import Sequence

import dagster as dg

from pipelines.schemas.alerts import SEVERITY_THRESHOLDS

__all__ = ["probability_plot"]


def probability_plot(counts: Sequence[int]) -> dg.MarkdownMetadataValue:
    """Plot how many windows have which ``attack_prob``, with the severities' bounds.

    Args:
        counts: windows in each of ``len(counts)`` equal parts of [0, 1], the last one closed.
    """
    # a second to import, which loading definitions need not wait for
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # without pyplot: it keeps figures in global state, and asks for a display
    figure = Figure(figsize=(6, 2.4), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    width = 1 / len(counts)
    axes.bar([number * width for number in range(len(counts))], counts, width=width, align="edge", color="#4f6d8f")
    # most windows are benign: on a plain scale the few that matter are not seen
    axes.set_yscale("symlog", linthresh=1)
    axes.set_xlim(0, 1)
    axes.set_ylim(bottom=0)
    for severity, bound in SEVERITY_THRESHOLDS.items():
        axes.axvline(bound, color="#a33", linewidth=0.8, linestyle="--")
        axes.text(bound, 1.01, severity.value, fontsize=6, ha="center", transform=axes.get_xaxis_transform())
    axes.set_xlabel("attack_prob")
    axes.set_ylabel("windows")
    out = io.BytesIO()
    figure.savefig(out, format="png")
    encoded = base64.b64encode(out.getvalue()).decode("ascii")
    return dg.MetadataValue.md(f"![windows by attack_prob](data:image/png;base64,{encoded})")
