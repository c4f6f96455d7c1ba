"""What the network must beat: a logistic regression over the words of a window, without graph, order or time.

The other peer, the same network without edges, is a `NetworkConfig` with ``sees_edges=False``.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]  # its stubs are a package of their own
from sklearn.linear_model import LogisticRegression

from models.fitting import Window

__all__ = ["bag_logits"]

Floats = npt.NDArray[np.float64]

_STRENGTH = 1.0  # scikit-learn's default


def bag_logits(train: Sequence[Window], judged: Sequence[Window], n_words: int) -> Floats:
    """Logits of windows by a regression over the words that are in them.

    Args:
        train: windows that teach.
        judged: windows to score.
        n_words: size of the vocabulary.
    """
    of: dict[tuple[str, bool], float] = {}
    for window in train:
        key = (window.capture, window.is_attack)
        of[key] = of.get(key, 0.0) + 1.0
    weight = [window.weight / of[window.capture, window.is_attack] ** 0.5 for window in train]
    model = LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=2000)
    model.fit(_words_of(train, n_words), [window.is_attack for window in train], sample_weight=weight)
    return np.asarray(model.decision_function(_words_of(judged, n_words)), dtype=np.float64)


def _words_of(windows: Sequence[Window], n_words: int) -> csr_matrix:
    """Which words are in which window, of nodes and of edges (those of edges in columns of their own)."""
    rows, columns = [], []
    for number, window in enumerate(windows):
        graph = window.tensors
        words = np.unique(np.concatenate([graph.node_words, graph.detail_words + n_words]))
        rows.append(np.full(len(words), number))
        columns.append(words)
    row, column = np.concatenate(rows), np.concatenate(columns)
    return csr_matrix((np.ones(len(row)), (row, column)), shape=(len(windows), 2 * n_words))
