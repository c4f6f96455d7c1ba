"""How well a model does on windows that it has not seen: figures, intervals over captures, and tables by group.

Written out in NumPy: they are few, and a reader can check them; tests hold them against scikit-learn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from models.dataset import Example

__all__ = [
    "Group", "Judged", "Outcome", "average_precision", "brier", "by_group", "calibration_error", "covered_days",
    "intervals", "judge", "judged", "precision_recall", "reliability", "roc_auc",
]  # fmt: skip

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_RESAMPLES = 1000
_MICROS_A_DAY = 86_400_000_000
_BINS = 10


@dataclass(frozen=True)
class Judged:
    """Windows with label and attack_prob.

    Attributes:
        is_attack, attack_prob, start, end: (n_windows,); times in microseconds.
        capture, endpoint, label: of each window.
        groups: of each window, its capture's techniques (Windows) or role (Linux).
        techniques: of each window, its capture's techniques.
    """

    is_attack: Bools
    attack_prob: Floats
    start: Ints
    end: Ints
    capture: tuple[str, ...]
    endpoint: tuple[str, ...]
    label: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    techniques: tuple[tuple[str, ...], ...]

    def part(self, rows: Ints) -> "Judged":
        """Some of the windows; a row may come twice."""
        return Judged(
            self.is_attack[rows], self.attack_prob[rows], self.start[rows], self.end[rows],
            tuple(self.capture[row] for row in rows), tuple(self.endpoint[row] for row in rows),
            tuple(self.label[row] for row in rows), tuple(self.groups[row] for row in rows),
            tuple(self.techniques[row] for row in rows),
        )  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """Figures of one model on one set of windows; NaN where there is nothing to count.

    Attributes:
        precision, recall: at the threshold.
        recall_at_1_percent: recall where one window in a hundred without attack is flagged.
        captures_found: share of attacked captures with at least one attack window flagged.
        false_per_day: flagged windows without attack, per endpoint-day.
        endpoint_days: time that windows without attack cover, overlaps once.
    """

    n_attack: int
    n_other: int
    precision: float
    recall: float
    pr_auc: float
    roc_auc: float
    recall_at_1_percent: float
    captures_found: float
    n_false: int
    endpoint_days: float
    false_per_day: float
    brier: float
    calibration_error: float

    def as_metrics(self) -> dict[str, float]:
        """Plain numbers for the card; what is not a number is left out."""
        return {name: float(value) for name, value in asdict(self).items() if np.isfinite(value)}


@dataclass(frozen=True)
class Group:
    """One technique or role of the held-out captures."""

    name: str
    n_captures: int
    n_attack: int
    n_found: int
    n_other: int
    n_false: int


def judged(examples: Sequence[Example], attack_prob: Floats) -> Judged:
    """Put examples and their probabilities side by side."""
    return Judged(
        is_attack=np.array([one.is_attack for one in examples], dtype=bool),
        attack_prob=np.asarray(attack_prob, dtype=np.float64),
        start=np.array([one.graph.window_start for one in examples], dtype=np.int64),
        end=np.array([one.graph.window_end for one in examples], dtype=np.int64),
        capture=tuple(one.capture.tenant for one in examples),
        endpoint=tuple(one.graph.endpoint for one in examples),
        label=tuple(one.label for one in examples),
        groups=tuple((one.capture.role,) if one.capture.role else one.capture.techniques for one in examples),
        techniques=tuple(one.capture.techniques for one in examples),
    )


def judge(windows: Judged, threshold: float) -> Outcome:
    """Figures of a model on windows."""
    truth, p = windows.is_attack, windows.attack_prob
    flagged = p >= threshold
    n_false = int((flagged & ~truth).sum())
    precision, recall = precision_recall(truth, p, threshold)
    days = covered_days(windows.part(np.flatnonzero(~truth)))
    attacked = {c for c, is_attack in zip(windows.capture, truth, strict=True) if is_attack}
    found = {c for c, hit in zip(windows.capture, flagged & truth, strict=True) if hit}
    return Outcome(
        n_attack=int(truth.sum()),
        n_other=int((~truth).sum()),
        precision=precision,
        recall=recall,
        pr_auc=average_precision(truth, p),
        roc_auc=roc_auc(truth, p),
        recall_at_1_percent=_recall_at(truth, p, 0.01),
        captures_found=_ratio(len(found), len(attacked)),
        n_false=n_false,
        endpoint_days=days,
        false_per_day=_ratio(n_false, days),
        brier=brier(truth, p),
        calibration_error=calibration_error(truth, p),
    )


def intervals(
    windows: Judged, figures: Mapping[str, Callable[[Bools, Floats], float]], *, seed: int, resamples: int = _RESAMPLES
) -> dict[str, tuple[float, float]]:
    """95 % intervals by drawing captures, not windows, with replacement: windows of one capture are not independent.

    Args:
        windows: what was judged.
        figures: by name, of labels and probabilities.
        seed: of the draw.
        resamples: how often.
    """
    draw = np.random.default_rng(seed)
    names = sorted(set(windows.capture))
    rows_of = [np.flatnonzero([c == name for c in windows.capture]) for name in names]
    values: dict[str, list[float]] = {name: [] for name in figures}
    for _ in range(resamples):
        rows = np.concatenate([rows_of[i] for i in draw.integers(len(names), size=len(names))])
        for name, figure in figures.items():
            values[name].append(figure(windows.is_attack[rows], windows.attack_prob[rows]))
    ends = {name: np.nanpercentile(found, [2.5, 97.5]) for name, found in values.items() if np.isfinite(found).any()}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}


def by_group(windows: Judged, threshold: float) -> list[Group]:
    """Figures of each technique or role; a window of several techniques counts in each."""
    rows: dict[str, list[int]] = {}
    for number, names in enumerate(windows.groups):
        for name in names or ("none",):
            rows.setdefault(name, []).append(number)
    groups = []
    for name, numbers in sorted(rows.items()):
        truth, flagged = windows.is_attack[numbers], windows.attack_prob[numbers] >= threshold
        groups.append(Group(
            name, len({windows.capture[n] for n in numbers}), int(truth.sum()), int((truth & flagged).sum()),
            int((~truth).sum()), int((~truth & flagged).sum()),
        ))  # fmt: skip
    return groups


def covered_days(windows: Judged) -> float:
    """Time that windows cover, each moment of an endpoint once, in days."""
    spans: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for capture, endpoint, start, end in zip(
        windows.capture, windows.endpoint, windows.start.tolist(), windows.end.tolist(), strict=True
    ):
        spans.setdefault((capture, endpoint), []).append((start, end))
    total = 0
    for own in spans.values():
        reached = 0
        for start, end in sorted(own):
            total += max(0, end - max(start, reached))
            reached = max(reached, end)
    return total / _MICROS_A_DAY


def average_precision(truth: Bools, p: Floats) -> float:
    """Area under precision over recall, as steps (PR-AUC); windows of the same probability come together."""
    if not truth.any():
        return float("nan")
    n_true, n_all = _cumulated(truth, p)
    recall = n_true / truth.sum()
    return float((np.diff(recall, prepend=0.0) * (n_true / n_all)).sum())


def roc_auc(truth: Bools, p: Floats) -> float:
    """Share of pairs of an attack and another window that are in the right order; equal ones count half."""
    n_attack, n_other = int(truth.sum()), int((~truth).sum())
    if not n_attack or not n_other:
        return float("nan")
    _, place, count = np.unique(p, return_inverse=True, return_counts=True)
    rank = np.cumsum(count) - (count - 1) / 2
    return float((rank[place][truth].sum() - n_attack * (n_attack + 1) / 2) / (n_attack * n_other))


def precision_recall(truth: Bools, p: Floats, threshold: float) -> tuple[float, float]:
    """Precision and recall of windows at or over the threshold."""
    flagged = p >= threshold
    n_true = int((flagged & truth).sum())
    return _ratio(n_true, int(flagged.sum())), _ratio(n_true, int(truth.sum()))


def brier(truth: Bools, p: Floats) -> float:
    """Mean squared distance of probability and truth."""
    return float(((p - truth) ** 2).mean()) if len(p) else float("nan")


def calibration_error(truth: Bools, p: Floats) -> float:
    """Expected calibration error: distance of mean probability and share of attacks, over ten bins of equal width."""
    return (
        float(sum(n / len(p) * abs(said - share) for said, share, n in reliability(truth, p)))
        if len(p)
        else float("nan")
    )


def reliability(truth: Bools, p: Floats) -> list[tuple[float, float, int]]:
    """Mean probability, share of attacks and windows of each bin that has any."""
    bins = np.minimum((p * _BINS).astype(int), _BINS - 1)
    found = [np.flatnonzero(bins == number) for number in range(_BINS)]
    return [(float(p[rows].mean()), float(truth[rows].mean()), len(rows)) for rows in found if len(rows)]


def _cumulated(truth: Bools, p: Floats) -> tuple[Floats, Floats]:
    """Attacks, and windows, at or over each distinct probability, highest first."""
    order = np.argsort(-p, kind="stable")
    last = np.append(np.flatnonzero(np.diff(p[order])), len(p) - 1)
    return np.cumsum(truth[order])[last].astype(np.float64), (last + 1).astype(np.float64)


def _recall_at(truth: Bools, p: Floats, false_share: float) -> float:
    if not truth.any() or truth.all():
        return float("nan")
    n_true, n_all = _cumulated(truth, p)
    allowed = (n_all - n_true) <= false_share * (~truth).sum()
    return float(n_true[allowed].max(initial=0.0) / truth.sum())


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
