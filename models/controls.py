"""What models reach that may know nothing of an attack: where these rank well, the captures give themselves away.

Each is a logistic regression on the split of the network: over who recorded and when, over how busy a window is, over the
words of a window without its attack, and over all words with the labels of windows dealt out anew.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.baselines import bag_logits
from models.dataset import Example
from models.evaluation import average_precision, roc_auc
from models.faithfulness import events_of_attack, without_events
from models.fitting import Window, prepared
from models.vocabulary import Vocabulary
from pipelines.schemas.graphs import EDGE_TYPES, NODE_TYPES

__all__ = ["CONTROLS", "controls"]

Floats = npt.NDArray[np.float64]

CONTROLS: Mapping[str, str] = {
    "identity": "endpoint's name, hour and minute",
    "volume": "numbers of nodes and edges",
    "background": "words of the window without its attack",
    "shuffled": "all words, labels dealt out anew",
}
"""What each control is given, in the order shown."""

_NAME_BUCKETS = 64
_DEALS = 5


def controls(
    taught: Sequence[Example], held_out: Sequence[Example], vocabulary: Vocabulary, *, seed: int
) -> dict[str, dict[str, float]]:
    """Ranking figures of each control, ``pr_auc`` and ``roc_auc``, on the held-out windows; and ``prior`` for their share.

    ``background`` is left out where the attack's processes are not known.

    Args:
        taught: windows that teach, both labels among them.
        held_out: windows that judge, both labels among them.
        vocabulary: of the windows that teach.
        seed: of the dealing.
    """
    truth = np.array([one.is_attack for one in held_out])
    draw = np.random.default_rng(seed)

    def words(train: Sequence[Window], judged: Sequence[Window]) -> Floats:
        return bag_logits(train, judged, len(vocabulary))

    logits = {"identity": _ranked(_identity, taught, held_out), "volume": _ranked(_volume, taught, held_out)}
    apart = [[_without_attack(one) for one in part if _is_noted(one)] for part in (taught, held_out)]
    if all(len({one.is_attack for one in part}) == 2 for part in apart):
        logits["background"] = words(*(prepared(part, vocabulary) for part in apart))
    truths = {"background": np.array([one.is_attack for one in apart[1]])}
    figures = {name: _figures(truths.get(name, truth), found) for name, found in logits.items()}
    train, judged = prepared(taught, vocabulary), prepared(held_out, vocabulary)
    deals = [_figures(truth, words(_dealt(train, draw), judged)) for _ in range(_DEALS)]
    figures["shuffled"] = {name: float(np.mean([deal[name] for deal in deals])) for name in deals[0]}
    return {"prior": {"pr_auc": float(truth.mean()), "roc_auc": 0.5}, **figures}


def _figures(truth: npt.NDArray[np.bool_], logits: Floats) -> dict[str, float]:
    return {"pr_auc": average_precision(truth, logits), "roc_auc": roc_auc(truth, logits)}


def _ranked(
    features: Callable[[Example], list[float]], taught: Sequence[Example], held_out: Sequence[Example]
) -> Floats:
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
    model.fit([features(one) for one in taught], [one.is_attack for one in taught])
    return np.asarray(model.decision_function([features(one) for one in held_out]), dtype=np.float64)


def _identity(example: Example) -> list[float]:
    """The endpoint's name, hashed to a column, and the time of day as points on two circles."""
    name = hashlib.sha256(example.graph.endpoint.encode()).digest()[0] % _NAME_BUCKETS
    at = datetime.fromtimestamp(example.graph.window_start / 1e6, UTC)
    angles = np.array([at.hour / 24, at.minute / 60]) * 2 * np.pi
    return [float(name == column) for column in range(_NAME_BUCKETS)] + [*np.sin(angles), *np.cos(angles)]


def _volume(example: Example) -> list[float]:
    """Logarithms of how many nodes and edges of each type there are."""
    graph = example.graph
    counts = [graph.node_types.count(kind) for kind in NODE_TYPES] + [
        graph.edge_types.count(kind) for kind in EDGE_TYPES
    ]
    return [float(value) for value in np.log1p(counts)]


def _is_noted(example: Example) -> bool:
    labels = example.process_labels
    return any(labels.values()) if example.is_attack else True


def _without_attack(example: Example) -> Example:
    return replace(example, graph=without_events(example.graph, events_of_attack(example)))


def _dealt(windows: Sequence[Window], draw: np.random.Generator) -> list[Window]:
    """The windows with their labels dealt out anew."""
    givers = [windows[number] for number in draw.permutation(len(windows)).tolist()]
    return [
        replace(one, is_attack=giver.is_attack, weight=giver.weight) for one, giver in zip(windows, givers, strict=True)
    ]
