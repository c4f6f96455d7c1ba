"""Files of a registered version: the MLflow model folder that is put there, and the weights that are brought here.

Imported by ``models.registry`` alone, which says first how MLflow is to behave.
"""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema

from models.weights import LoadedModel
from pipelines.errors import ModelError

__all__ = ["FOLDER", "first_line", "weights_path", "write_artefact"]

FOLDER = "model"
"""Folder of a run's artefacts that a version is made of."""

_WEIGHTS = "weights.pt"
_INPUT = Schema([ColSpec("string", "window_graph")])
_OUTPUT = Schema([ColSpec("double", "attack_prob")])


def write_artefact(folder: Path, weights: Path, model: LoadedModel, run_id: str) -> None:
    """An MLflow model folder: MLmodel with signature, input example, weights, and the code that loads them."""
    shutil.copyfile(weights, folder / _WEIGHTS)
    (folder / "code").mkdir()
    shutil.copyfile(Path(__file__).with_name("pyfunc_loader.py"), folder / "code" / "logster_loader.py")
    example = {"columns": ["window_graph"], "data": [[json.dumps(_EXAMPLE | {"platform": model.platform})]]}
    (folder / "input_example.json").write_text(json.dumps(example))
    described = Model(
        artifact_path=FOLDER,
        run_id=run_id,
        signature=ModelSignature(inputs=_INPUT, outputs=_OUTPUT),
        saved_input_example_info={
            "artifact_path": "input_example.json", "type": "dataframe", "pandas_orient": "split",
        },
    )  # fmt: skip
    described.add_flavor(
        "python_function",
        loader_module="logster_loader",
        data=_WEIGHTS,
        code="code",
        env={"virtualenv": "python_env.yaml"},
    )
    described.add_flavor("logster", weights=_WEIGHTS, platform=model.platform, card=dict(model.card))
    (folder / "requirements.txt").write_text("logster\n")
    (folder / "python_env.yaml").write_text("dependencies:\n  - -r requirements.txt\n")
    described.save(str(folder / "MLmodel"))


def weights_path(client: MlflowClient, version: ModelVersion, digest: str, *, anew: bool = False) -> Path:
    """The version's file on this machine; where the artefacts lie elsewhere, a copy that is fetched once and kept.

    Args:
        client: of the registry.
        version: whose file.
        digest: SHA-256 that a copy must have to be kept or used.
        anew: look at the artefact itself, whatever is kept.

    Raises:
        ModelError: it cannot be fetched, or what was fetched is not what was registered.
    """
    parts = urlsplit(client.get_model_version_download_uri(version.name, version.version))
    if parts.scheme in ("", "file"):
        return Path(unquote(parts.path)) / _WEIGHTS
    kept = Path(tempfile.gettempdir()) / f"logster-{os.getuid()}" / f"{digest}.pt"
    if anew or not _holds(kept, digest):
        _fetch(client, version, digest, kept)
    return kept


def first_line(error: Exception) -> str:
    """What MLflow says, in one line."""
    message = cast(str, getattr(error, "message", None) or str(error))
    return message.strip().split("\n")[0][:160]


def _fetch(client: MlflowClient, version: ModelVersion, digest: str, kept: Path) -> None:
    whose = f"weights of {version.name} version {version.version}"
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # into a folder of its own: another process may fetch the same file
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        try:
            fetched = Path(client.download_artifacts(version.run_id, f"{FOLDER}/{_WEIGHTS}", folder))
        except (MlflowException, OSError) as error:
            raise ModelError(f"{whose}: {first_line(error)}") from None
        if not _holds(fetched, digest):
            raise ModelError(f"{whose}: content differs from what was registered; register the file anew or roll back")
        fetched.replace(kept)


def _holds(path: Path, digest: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == digest
    except OSError:
        return False


_EXAMPLE: dict[str, Any] = {
    "tenant": "default",
    "endpoint": "example",
    "platform": "",
    "window_start": "2026-01-01T00:00:00+00:00",
    "window_end": "2026-01-01T00:03:00+00:00",
    "nodes": [
        {"id": "p1", "type": "process", "label": "sh", "text": "/bin/sh\nsh -c id\nuser=root"},
        {"id": "p2", "type": "process", "label": "id", "text": "/usr/bin/id\nid\nuser=root"},
    ],
    "edges": [
        {"src": "p1", "dst": "p2", "type": "spawned", "ts": "2026-01-01T00:00:01+00:00", "event_id": "e1",
         "text": "process_created", "n_events": 1},
    ],
}  # fmt: skip
