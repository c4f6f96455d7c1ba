"""What words say by themselves, without graph, order or time: a logistic regression over the words of a window.

The network's own word evidence starts from it, so that the graph has only to learn what words alone do not say. In a
few hundred labelled windows a network learns that much worse than a regression with its one, convex optimum.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]  # its stubs are a package of their own
from sklearn.linear_model import LogisticRegression

from models.network import USUAL_WORDS
from models.tensors import GraphTensors

__all__ = ["fitted_evidence"]

Floats = npt.NDArray[np.float64]

_STRENGTH = 30.0  # of 1, 3, 10 and 30 the best in cross-validation on Linux (PR-AUC 0.546, 0.580, 0.611, 0.622)


def fitted_evidence(
    windows: Sequence[GraphTensors], is_attack: Sequence[bool], weights: Sequence[float], n_words: int
) -> tuple[Floats, float]:
    """Evidence of each word for an attack, (n_words,), and that of a window without words.

    Args:
        windows: both labels among them.
        is_attack: their labels.
        weights: what each counts.
        n_words: size of the vocabulary.
    """
    model = LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=2000)
    model.fit(_words_there(windows, n_words), list(is_attack), sample_weight=list(weights))
    return np.asarray(model.coef_[0], dtype=np.float64), float(model.intercept_[0])


def _words_there(windows: Sequence[GraphTensors], n_words: int) -> csr_matrix:
    rows, columns, values = [], [], []
    for number, window in enumerate(windows):
        words = np.unique(window.node_words)
        rows.append(np.full(len(words), number))
        columns.append(words)
        values.append(np.full(len(words), (USUAL_WORDS / max(len(words), 1)) ** 0.5))
    row, column, value = (np.concatenate(parts) for parts in (rows, columns, values))
    return csr_matrix((value, (row, column)), shape=(len(windows), n_words))
