"""Cross-validation inside the training captures: logits of windows that a fit has not seen, for calibration and figures.

Folds are whole groups: captures of the same techniques (Windows) or hosts of a role (Linux). One technique may stand in
several folds beside others, so that these figures come from an easier task than the held-out ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from models.captures import SPLIT_SEED, Capture, by_hash
from models.fitting import FitConfig, Window, fit, logits_of
from models.network import NetworkConfig

__all__ = ["cross_validate", "folds_of"]

Floats = npt.NDArray[np.float64]


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
) -> Floats:
    """Logits of all windows, (n_windows,), each by a network that has not seen its group.

    Args:
        network_config: shape of the network.
        config: how it is fitted.
        windows: all training windows.
        fold: of each capture.
        progress: told what goes on.
    """
    of_window = np.array([fold[window.capture] for window in windows])
    logits = np.zeros(len(windows))
    for number in sorted(set(fold.values())):
        progress(f"cross-validation, fold {number + 1} of {len(set(fold.values()))}")
        seen = [windows[i] for i in np.flatnonzero(of_window != number).tolist()]
        left_out = np.flatnonzero(of_window == number).tolist()
        network = fit(network_config, replace(config, seed=config.seed + number), seen)
        logits[left_out] = logits_of(network, [windows[i].tensors for i in left_out])
    return logits
