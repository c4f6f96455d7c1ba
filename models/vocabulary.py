"""The words that a model knows, as hashes; a word it does not know counts by its shape alone.

A word enters the vocabulary when several captures have it and it is nobody's name: what one recording alone says
cannot be learnt. Hashes only: the weights name no file, host or person of the training data.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from models.tokens import NAME, tokens_of, unnamed

__all__ = ["Vocabulary", "hash_of"]

Ids = npt.NDArray[np.int64]

_FIELDS = (
    "exe", "file", "cmd", "ps", "reg", "data", "dir", "in", "ext", "user", "net", "port", "proto", "domain", "logon",
    "call", "edge",
)  # fmt: skip
_SHAPES = ("short", "medium", "long", "digits", "dotted", "class")
_CACHED_TEXTS = 100_000


def hash_of(token: str) -> int:
    """63 bits of BLAKE2b: the same on every machine, and no two words of a vocabulary meet."""
    return int.from_bytes(hashlib.blake2b(token.encode(), digest_size=8).digest(), "big") >> 1


def _shape_of(token: str) -> str:
    field, _, word = token.partition(":")
    if word.startswith("<"):
        shape = "class"
    elif "." in word:
        shape = "dotted"
    elif any(character.isdigit() or character == "#" for character in word):
        shape = "digits"
    else:
        shape = "short" if len(word) < 5 else "medium" if len(word) < 12 else "long"
    return f"?{field}:{shape}"


def _all_shapes() -> list[str]:
    return [f"?{field}:{shape}" for field in _FIELDS for shape in _SHAPES]


class Vocabulary:
    """Known words, and from texts to their numbers.

    Args:
        hashes: `hash_of` each known word in the order of the embedding's rows; shapes of unknown words among them.
    """

    def __init__(self, hashes: Ids) -> None:
        self.hashes = hashes
        self._row_of = {int(value): row for row, value in enumerate(hashes)}
        self._texts: dict[tuple[str, str], tuple[tuple[str, ...], Ids]] = {}
        self._words: dict[str, int] = {}

    def __len__(self) -> int:
        """Number of words, shapes included."""
        return len(self.hashes)

    @classmethod
    def learn(
        cls, tokens_by_group: Iterable[set[str]], *, names: frozenset[str], min_groups: int, size: int
    ) -> "Vocabulary":
        """Choose the words that most groups have.

        Args:
            tokens_by_group: all tokens of each capture.
            names: words that name somebody or something anywhere in the data.
            min_groups: captures that a word must be in.
            size: words at most.
        """
        counts = Counter(token for tokens in tokens_by_group for token in tokens)
        shapes = _all_shapes()
        named = [f"{field}:{NAME}" for field in _FIELDS]
        common = sorted(
            (token for token, n in counts.items() if n >= min_groups and token.partition(":")[2] not in names),
            key=lambda token: (-counts[token], token),
        )
        words = list(dict.fromkeys([*shapes, *named, *common]))[:size]
        return cls(np.array([hash_of(word) for word in words], dtype=np.int64))

    @property
    def is_of_logster(self) -> bool:
        """Whether every word is there once, and the shapes among them by which words that it does not know count."""
        return len(self._row_of) == len(self.hashes) and all(hash_of(shape) in self._row_of for shape in _all_shapes())

    def ids(self, kind: str, text: str | None, names: frozenset[str]) -> Ids:
        """Rows of a text's words.

        Args:
            kind: node type, or ``edge``.
            text: a node's or edge's text.
            names: words that are names in this window.
        """
        key = (kind, text or "")
        known = self._texts.get(key)
        if known is None:
            if len(self._texts) >= _CACHED_TEXTS:
                self._texts.clear()
            tokens = tokens_of(*key)
            known = self._texts[key] = (tokens, self._rows(tokens))
        tokens, rows = known
        if not names:
            return rows
        plain = unnamed(tokens, names)
        return rows if plain == tokens else self._rows(tuple(dict.fromkeys(plain)))

    def _rows(self, tokens: tuple[str, ...]) -> Ids:
        return np.array([self._row(token) for token in tokens], dtype=np.int64)

    def _row(self, token: str) -> int:
        row = self._words.get(token)
        if row is None:
            row = self._row_of.get(hash_of(token))
            if row is None:
                row = self._row_of.get(hash_of(_shape_of(token)), 0)
            if len(self._words) >= _CACHED_TEXTS:
                self._words.clear()
            self._words[token] = row
        return row
