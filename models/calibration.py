"""From logits to probabilities: a straight line through the logits of captures that the network has not seen.

Source: Platt 1999, with his smoothed targets; the slope is kept positive, so that no order changes.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.weights import Calibration

__all__ = ["THRESHOLD", "fit_calibration", "probabilities"]

Floats = npt.NDArray[np.float64]

THRESHOLD = 0.7
"""Least attack_prob that alerts (MEDIUM); fixed by the detection rules, not fitted."""

_LEAST_SCALE = 0.05
_PULL = 0.05  # towards scale 1 and shift 0, in windows; two separable clouds would give an endless slope
_ROUNDS = 200


def fit_calibration(logits: Floats, is_attack: Sequence[bool], weights: Floats | None = None) -> Calibration:
    """Find scale and shift by weighted maximum likelihood (Newton's method).

    Args:
        logits: differences of logits of unseen windows.
        is_attack: their labels, both among them.
        weights: what each window counts.
    """
    told = np.asarray(is_attack, dtype=bool)
    counts = np.ones(len(logits)) if weights is None else weights
    n_attack, n_other = counts[told].sum(), counts[~told].sum()
    target = np.where(told, (n_attack + 1) / (n_attack + 2), 1 / (n_other + 2))
    scale, shift = 1.0, 0.0
    for _ in range(_ROUNDS):
        p = probabilities(logits, Calibration(scale, shift))
        error = counts * (p - target)
        bend = counts * p * (1 - p)
        slope = np.array([(error * logits).sum() + _PULL * (scale - 1), error.sum() + _PULL * shift])
        cross = (bend * logits).sum()
        curve = np.array([[(bend * logits**2).sum() + _PULL, cross], [cross, bend.sum() + _PULL]])
        if scale <= _LEAST_SCALE and slope[0] > 0:  # it would turn the order round: only the shift moves
            step = np.array([0.0, slope[1] / curve[1, 1]])
        else:
            step = np.linalg.solve(curve, slope)
        step *= min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-12))
        scale, shift = max(scale - step[0], _LEAST_SCALE), shift - step[1]
        if np.abs(step).max() < 1e-9:
            break
    return Calibration(scale=float(scale), shift=float(shift), threshold=THRESHOLD)


def probabilities(logits: Floats, calibration: Calibration) -> Floats:
    """attack_prob of each window."""
    raised = np.clip(logits * calibration.scale + calibration.shift, -60, 60)
    return np.asarray(1 / (1 + np.exp(-raised)), dtype=np.float64)
