"""The weights' file: state dict, vocabulary, calibration and card in one file of plain types; and `ModelRef` to it.

Read with ``weights_only=True``: a file can hold numbers and text, but no code.
"""

import hashlib
import io
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.network import NetworkConfig, WindowGAT
from models.tokens import TOKENS_VERSION
from models.vocabulary import Vocabulary
from pipelines.errors import ModelError
from pipelines.schemas.graphs import EDGE_TYPES, NODE_TYPES, WINDOW_GRAPHS
from pipelines.schemas.telemetry import PLATFORMS

__all__ = ["Calibration", "LoadedModel", "ModelRef", "digest_of", "load_model", "save_model", "schema_hash"]

_FORMAT = 1
_CARD = ("training", "data", "split", "metrics")
_MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Calibration:
    """From logits to a probability and a verdict.

    Attributes:
        scale: factor of the difference of the logits (one over the temperature).
        shift: added to it.
        threshold: least attack_prob whose verdict is attack.
    """

    scale: float = 1.0
    shift: float = 0.0
    threshold: float = 0.7


@dataclass(frozen=True)
class ModelRef:
    """One registered version of a model; small, and may travel to executors.

    Attributes:
        name: registered name, ``logster-<platform>``.
        version: registered version.
        platform: `windows` or `linux`.
        digest: SHA-256 of the weights' file.
        path: the weights' file.
        weights: the file's bytes, where the reader does not share the disk.
        config: card of the model (calibration, data, metrics), plain types.
    """

    name: str
    version: str
    platform: str
    digest: str
    path: str
    weights: bytes | None = field(default=None, repr=False)
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def with_bytes(self) -> "ModelRef":
        """The same with the file's bytes in it."""
        return replace(self, weights=self.weights or _read(Path(self.path)))

    def without_bytes(self) -> "ModelRef":
        """The same to be read from its file."""
        return replace(self, weights=None)


@dataclass(frozen=True)
class LoadedModel:
    """A network ready to score, in evaluation mode.

    Attributes:
        network: its weights do not take gradients.
        vocabulary: its words.
        calibration: from logits to attack_prob.
        platform: `windows` or `linux`.
        card: how it was trained, on what, and how well it does; plain types.
    """

    network: WindowGAT
    vocabulary: Vocabulary
    calibration: Calibration
    platform: str
    card: Mapping[str, Any]


def schema_hash() -> str:
    """Names what the network was shown: columns of a window graph, types of nodes and edges, and the tokens' version."""
    shown = {
        "nodes": str(WINDOW_GRAPHS.field("nodes").type),
        "edges": str(WINDOW_GRAPHS.field("edges").type),
        "node_types": NODE_TYPES,
        "edge_types": EDGE_TYPES,
        "tokens": TOKENS_VERSION,
    }
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:16]


def save_model(
    path: Path,
    network: WindowGAT,
    vocabulary: Vocabulary,
    *,
    platform: str,
    calibration: Calibration,
    card: Mapping[str, Any],
) -> str:
    """Write the weights' file and give its digest; the same model gives the same bytes.

    Args:
        path: where to.
        network: the network.
        vocabulary: its words.
        platform: `windows` or `linux`.
        calibration: from logits to attack_prob.
        card: plain types only.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {name: value.detach().cpu().contiguous().clone() for name, value in network.state_dict().items()}
    buffer = io.BytesIO()
    torch.save(
        {
            "format": _FORMAT,
            "platform": platform,
            "schema_hash": schema_hash(),
            "config": asdict(network.config),
            "calibration": asdict(calibration),
            "card": json.loads(json.dumps(card)),
            "vocabulary": torch.from_numpy(vocabulary.hashes.copy()),
            "state_dict": state,
        },
        buffer,
    )
    path.write_bytes(buffer.getvalue())
    return digest_of(buffer.getvalue())


def load_model(source: Path | bytes, *, digest: str | None = None, platform: str | None = None) -> LoadedModel:
    """Read a weights' file.

    Args:
        source: the file or its content.
        digest: SHA-256 that it must have.
        platform: platform that it must be for.

    Raises:
        ModelError: it cannot be used, and why.
    """
    where = str(source) if isinstance(source, Path) else "the weights"
    content = _read(source) if isinstance(source, Path) else source
    if digest is not None and digest_of(content) != digest:
        raise ModelError(f"{where}: content differs from what was registered; register the file anew or roll back")
    try:
        held = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # a file from anywhere: torch stumbles over it in many ways
        raise ModelError(f"{where}: not a weights' file ({_first_line(error)})") from None
    if not isinstance(held, dict) or held.get("format") != _FORMAT:
        raise ModelError(f"{where}: not a Logster weights' file of format {_FORMAT}")
    if held.get("schema_hash") != schema_hash():
        raise ModelError(f"{where}: trained on graphs of another shape; train again with `logster models train`")
    own, card = held.get("platform"), held.get("card", {})
    if own not in PLATFORMS:
        raise ModelError(f"{where}: is for '{own}'; platforms are {', '.join(PLATFORMS)}")
    if platform is not None and own != platform:
        raise ModelError(f"{where}: is for {own}, not for {platform}")
    known = {field.name for field in fields(NetworkConfig)}
    if isinstance(held.get("config"), dict) and not known.issuperset(held["config"]):
        raise ModelError(
            f"{where}: made by another version of Logster; train anew (`logster models train`), or register and promote the "
            "weights that this one ships (`logster models register`, `logster models promote`)"
        )
    try:
        config = NetworkConfig(**held["config"])
        network = WindowGAT(config)
        network.load_state_dict(held["state_dict"])
        vocabulary = Vocabulary(np.asarray(held["vocabulary"].numpy(), dtype=np.int64))
        calibration = Calibration(**{name: float(value) for name, value in held["calibration"].items()})
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise ModelError(f"{where}: weights and config do not fit ({_first_line(error)})") from None
    if len(vocabulary) != config.n_words:
        raise ModelError(f"{where}: {len(vocabulary)} words but {config.n_words} embeddings")
    if not vocabulary.is_of_logster:
        raise ModelError(f"{where}: its vocabulary is not one of Logster's; train again with `logster models train`")
    numbers = [calibration.scale, calibration.shift, calibration.threshold]
    if not all(map(math.isfinite, numbers)) or not all(bool(v.isfinite().all()) for v in network.state_dict().values()):
        raise ModelError(f"{where}: holds numbers that are not finite")
    if not isinstance(card, dict) or not all(isinstance(card.get(part, {}), dict) for part in _CARD):
        raise ModelError(f"{where}: its card is not one of Logster's")
    network.eval().requires_grad_(False)
    return LoadedModel(network, vocabulary, calibration, own, card)


def digest_of(content: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise ModelError(f"{path}: {size} bytes are too many for a model of Logster")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:120] or type(error).__name__
