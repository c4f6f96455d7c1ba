"""What `logster models` shows on a terminal: registered versions; a model's figures beside its peers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table

from logster.display import plain
from models.faithfulness import FIGURES_OF_EXPLANATIONS
from models.report import FIGURES, Evaluation, figure_text
from models.versions import RegisteredVersion, standing_of
from models.weights import ModelRef

__all__ = ["evaluation_tables", "version_rows", "version_table", "versions_table"]

_RANKING = ("pr_auc", "roc_auc", "recall_at_1_percent")
_LISTED = {"pr_auc": "PR-AUC", "precision": "precision", "recall": "recall"}
_SHORT_DIGEST = 12


def version_rows(versions: Sequence[RegisteredVersion]) -> list[dict[str, Any]]:
    """The versions of one model as plain rows, with their standing to the current holdout."""
    return [
        {
            "name": one.name,
            "version": one.version,
            "aliases": list(one.aliases),
            "platform": one.platform,
            "registered_at": one.registered_at,
            "digest": one.digest,
            **{name: one.figures.get(name) for name in _LISTED},
            "evaluated": str(standing_of(one, versions)),
        }
        for one in versions
    ]


def versions_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Registered versions, as `version_rows` gives them; figures are those of their cards."""
    table = Table(title="Registered versions, newest first", title_justify="left")
    for heading in ("model", "version", "aliases", "platform", "registered (UTC)", "SHA-256"):
        table.add_column(heading, justify="right" if heading == "version" else "left")
    for heading in _LISTED.values():
        table.add_column(heading, justify="right")
    table.add_column("evaluated here")
    for row in rows:
        figures = [row[name] for name in _LISTED]
        table.add_row(
            plain(row["name"]),
            row["version"],
            plain(", ".join(row["aliases"])),
            plain(row["platform"]) or "not Logster's",
            f"{row['registered_at']:%Y-%m-%d %H:%M}",
            plain(row["digest"][:_SHORT_DIGEST]),
            *("" if value is None else f"{value:.3f}" for value in figures),
            row["evaluated"],
        )
    return table


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
    """Figures with intervals, what each technique or role gave, and what the explanations are worth."""
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
    explanations = Table(title="its explanations", title_justify="left", show_header=False)
    for name, label in FIGURES_OF_EXPLANATIONS.items():
        explanations.add_row(label, figure_text(name, getattr(evaluation.explanations, name)))
    return figures, groups, explanations
