"""What `logster models` shows on a terminal: a registered version; a model's figures beside its peers."""

from collections.abc import Iterable

from rich.table import Table

from models.report import FIGURES, Evaluation, figure_text
from models.weights import ModelRef

__all__ = ["evaluation_tables", "version_table"]

_RANKING = ("pr_auc", "roc_auc", "recall_at_1_percent")


def version_table(ref: ModelRef) -> Table:
    """A registered version with the figures of its card, which are those of its training."""
    table = Table(title=f"{ref.name} version {ref.version}", title_justify="left", show_header=False)
    table.add_row("platform", ref.platform)
    table.add_row("SHA-256", ref.digest)
    table.add_row("threshold of a verdict", str(ref.config["calibration"]["threshold"]))
    metrics = ref.config.get("metrics", {})
    for name, label in FIGURES.items():
        if isinstance(metrics.get(name), int | float):
            table.add_row(label, figure_text(name, metrics[name]))
    if not metrics:
        table.add_row("figures", "its card has none")
    return table


def evaluation_tables(evaluation: Evaluation) -> Iterable[Table]:
    """Figures with intervals, and what each technique or role gave."""
    outcome = evaluation.outcome
    figures = Table(
        title=f"logster-{evaluation.platform} on {outcome.n_attack} held-out windows with attack, {outcome.n_other} without",
        title_justify="left",
    )  # fmt: skip
    figures.add_column("figure")
    figures.add_column("value", justify="right")
    figures.add_column("95 % interval", justify="right")
    for peer in evaluation.peers:
        figures.add_column(peer, justify="right")
    for name, label in FIGURES.items():
        ends = evaluation.intervals.get(name)
        peers = [figure_text(name, told[name]) if name in _RANKING else "" for told in evaluation.peers.values()]
        interval = f"{ends[0]:.3f} – {ends[1]:.3f}" if ends else ""
        figures.add_row(label, figure_text(name, getattr(outcome, name)), interval, *peers)
    groups = Table(title="by technique" if evaluation.platform == "windows" else "by role", title_justify="left")
    for column in ("name", "captures", "attack windows", "found", "other windows", "false"):
        groups.add_column(column, justify="left" if column == "name" else "right")
    for group in evaluation.groups:
        counts = (group.n_captures, group.n_attack, group.n_found, group.n_other, group.n_false)
        groups.add_row(group.name, *map(str, counts))
    return figures, groups
