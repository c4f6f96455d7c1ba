"""Weights' files that must not score, as someone may put them into a registry."""

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch


class _RunsCode:
    """Makes a folder when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self._trace),)


def with_code(good: bytes, trace: Path) -> bytes:
    """The same file with a pickle in it that makes the folder ``trace`` where it is let."""
    return _written({**_read(good), "state_dict": _RunsCode(trace)})


def of_another_shape(good: bytes, _: Path) -> bytes:
    """Its tensors are not those that its config asks for."""
    held = _read(good)
    return _written({**held, "config": {**held["config"], "hidden": 64}})


def of_other_words(good: bytes, _: Path) -> bytes:
    """As many words as embeddings, but none that Logster's tokens have."""
    held = _read(good)
    return _written({**held, "vocabulary": held["vocabulary"] ^ 1})


BAD: Mapping[str, tuple[Callable[[bytes, Path], bytes], str]] = {
    "code": (with_code, "not a weights' file"),
    "shape": (of_another_shape, "weights and config do not fit"),
    "vocabulary": (of_other_words, "its vocabulary is not one of Logster's"),
}
"""What is wrong with a file: how it is made of a good one, and what its refusal says."""


def _read(content: bytes) -> dict[str, Any]:
    held: dict[str, Any] = torch.load(io.BytesIO(content), weights_only=True)
    return held


def _written(held: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(held, buffer)
    return buffer.getvalue()
