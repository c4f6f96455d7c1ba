import numpy as np
import pytest

from models.fitting import prepared
from models.training import vocabulary_of
from models.word_evidence import fitted_evidence
from tests.models.made_up import examples

pytestmark = pytest.mark.fast


def test_words_of_an_intrusion_speak_for_it() -> None:
    made = examples(12)
    vocabulary = vocabulary_of(made, size=2_000, min_captures=2)
    windows = prepared(made, vocabulary)
    truth = np.array([window.is_attack for window in windows])
    evidence, _ = fitted_evidence(
        [window.tensors for window in windows], truth.tolist(),
        [window.weight for window in windows], len(vocabulary),
    )  # fmt: skip
    told = {word: evidence[vocabulary.ids("process", f"/usr/bin/{word}", frozenset())[0]] for word in ("whoami", "ls")}
    assert told["whoami"] > 0.1 > told["ls"]
