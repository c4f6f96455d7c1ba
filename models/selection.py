"""Cross-validation inside the training captures: how long to fit, and logits of windows that a fit has not seen.

Folds are whole groups: captures of the same techniques (Windows) or hosts of a role (Linux). One technique may stand in
several folds beside others, so that these figures come from an easier task than the held-out ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.calibration import fit_calibration, probabilities
from models.captures import SPLIT_SEED, Capture, by_hash
from models.fitting import FitConfig, Window, fit, logits_of
from models.network import NetworkConfig, WindowGAT

__all__ = ["Validated", "cross_validate", "folds_of"]

Floats = npt.NDArray[np.float64]

_FIRST_JUDGED = 2  # epochs
_JUDGED_EVERY = 2


@dataclass(frozen=True)
class Validated:
    """What cross-validation found.

    Attributes:
        epochs: number of epochs whose networks judge unseen captures best.
        logits: (n_windows,) of those networks, each window by the one that has not seen its group.
        loss: cross-entropy of those logits, calibrated.
    """

    epochs: int
    logits: Floats
    loss: float


def folds_of(captures: Sequence[Capture], n_folds: int) -> dict[str, int]:
    """Fold of each capture; captures of the same group share one, and folds are about the same size."""
    groups: dict[str, list[Capture]] = {}
    for capture in captures:
        groups.setdefault(capture.role or "+".join(capture.techniques), []).append(capture)
    sizes = [0] * n_folds
    fold: dict[str, int] = {}
    order = {name: rank for rank, name in enumerate(by_hash(groups, SPLIT_SEED))}
    for name in sorted(groups, key=lambda one: (-len(groups[one]), order[one])):
        smallest = sizes.index(min(sizes))
        sizes[smallest] += len(groups[name])
        fold.update({capture.tenant: smallest for capture in groups[name]})
    return fold


def cross_validate(
    network_config: NetworkConfig,
    config: FitConfig,
    windows: Sequence[Window],
    fold: dict[str, int],
    progress: Callable[[str], None] = lambda _: None,
) -> Validated:
    """Fit once a fold, judge each epoch by the windows left out, and choose the number of epochs.

    Args:
        network_config: shape of the network.
        config: how it is fitted; ``epochs`` is the most that is tried.
        windows: all training windows.
        fold: of each capture.
        progress: told what goes on.
    """
    of_window = np.array([fold[window.capture] for window in windows])
    judged = [n for n in range(_FIRST_JUDGED, config.epochs + 1) if n % _JUDGED_EVERY == 0]
    logits = {n: np.zeros(len(windows)) for n in judged}
    for number in sorted(set(fold.values())):
        left_out = np.flatnonzero(of_window == number).tolist()

        def judge(epoch: int, network: WindowGAT, left_out: list[int] = left_out) -> None:
            if epoch in logits:
                logits[epoch][left_out] = logits_of(network, [windows[i].tensors for i in left_out])

        progress(f"cross-validation, fold {number + 1} of {len(set(fold.values()))}")
        seen = [windows[i] for i in np.flatnonzero(of_window != number).tolist()]
        fit(network_config, replace(config, seed=config.seed + number), seen, judge)
    losses = {n: _loss(logits[n], windows) for n in judged}
    best = min(judged, key=lambda n: (losses[n], n))
    return Validated(best, logits[best], losses[best])


def _loss(logits: Floats, windows: Sequence[Window]) -> float:
    """Cross-entropy after calibration: how sure a network is of itself is mended anyway, the order of windows is not."""
    told = np.array([window.is_attack for window in windows])
    p = probabilities(logits, fit_calibration(logits, told.tolist()))
    return float(-np.log(np.where(told, p, 1 - p)).mean())
