"""Registered models in MLflow: seeding, resolving aliases, registering, promoting, rolling back.

Nothing here knows what a network is; what goes in and comes out are weights' files and `ModelRef`.
"""

import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from models.weights import LoadedModel, ModelRef, digest_of, load_model
from pipelines.errors import ModelError
from pipelines.schemas.telemetry import PLATFORMS
from pipelines.settings import Settings

# before MLflow is imported: it speaks to nobody outside, and says nothing of its migrations
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
# each round of scoring asks; by default a server that is down holds a request up for some four minutes
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
for _noisy in ("mlflow", "alembic"):
    logging.getLogger(_noisy).setLevel(logging.ERROR)

from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag  # noqa: E402
from mlflow.entities.model_registry import ModelVersion  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from mlflow.models import Model, ModelSignature  # noqa: E402
from mlflow.types import ColSpec, Schema  # noqa: E402
from sqlalchemy.exc import SQLAlchemyError  # noqa: E402

__all__ = ["CHAMPION", "SHIPPED", "Registry", "model_name", "shipped_weights"]

CHAMPION, PREVIOUS = "champion", "previous"
SHIPPED = Path(__file__).parent / "models"
_EXPERIMENT = "logster-models"
_SQLITE = "sqlite:///"
_SHIPPED_ORIGIN, _SEEDED = "shipped", "seeded"
_FOLDER, _WEIGHTS = "model", "weights.pt"
_URI = re.compile(r"^(?:models:/)?(?P<name>[\w-]+)(?:@(?P<alias>[\w-]+)|/(?P<version>\d+))$")
_NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # what MLflow says of a model and of an alias
_INPUT = Schema([ColSpec("string", "window_graph")])
_OUTPUT = Schema([ColSpec("double", "attack_prob")])


def model_name(platform: str) -> str:
    """Registered name of a platform's model."""
    return f"logster-{platform}"


def shipped_weights(platform: str) -> Path:
    """The weights' file that Logster ships for a platform."""
    return SHIPPED / f"{model_name(platform)}.pt"


class Registry:
    """The models of one tracking server or database.

    Args:
        settings: its ``tracking_uri``; artefacts of a database land beside it in ``mlartifacts``.

    Raises:
        ModelError: the server or database cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._usable: dict[str, LoadedModel] = {}
        uri = settings.tracking_uri
        # MLflow raises its loggers again while it sets up its database
        logging.getLogger("alembic").disabled = True
        try:
            if uri.startswith(_SQLITE):
                _set_up(Path(uri.removeprefix(_SQLITE)))
            self.client = MlflowClient(tracking_uri=uri, registry_uri=uri)
            self._experiment = self._experiment_id()
        except (MlflowException, SQLAlchemyError) as error:
            raise ModelError(f"MLflow at {uri} cannot be used: {_first_line(error)}") from None

    def seed_if_empty(self) -> list[ModelRef]:
        """Register the shipped weights as version 1, alias champion, of each model that is not there; gives those.

        A seeding that was cut off is brought to its end. Once done it is never done again, whatever is removed.
        """
        return [
            self._seed(platform)
            for platform in PLATFORMS
            if shipped_weights(platform).exists() and not self._is_seeded(model_name(platform))
        ]

    def _seed(self, platform: str) -> ModelRef:
        name = model_name(platform)
        there = self._versions(name)
        ref = self._ref(there[0]) if there else self.register(
            shipped_weights(platform), platform=platform, tags={"origin": _SHIPPED_ORIGIN}
        )  # fmt: skip
        self.client.set_registered_model_alias(name, CHAMPION, ref.version)
        self.client.set_registered_model_tag(name, _SEEDED, "yes")
        return ref

    def _is_seeded(self, name: str) -> bool:
        there = self._versions(name)
        if not there:
            return False
        is_cut_off = len(there) == 1 and there[0].tags.get("origin") == _SHIPPED_ORIGIN
        return not is_cut_off or _SEEDED in self.client.get_registered_model(name).tags

    def resolve(self, uri: str) -> ModelRef:
        """Find a version by ``name@alias`` or ``name/version`` and make sure that it can score.

        Raises:
            ModelError: there is none, or its weights cannot be used.
        """
        found = _URI.match(uri)
        if found is None:
            raise ModelError(f"'{uri}' names no model; write NAME@ALIAS or NAME/VERSION, e.g. logster-linux@champion")
        name = found["name"]
        try:
            if found["alias"]:
                version = self.client.get_model_version_by_alias(name, found["alias"])
            else:
                version = self.client.get_model_version(name, found["version"])
        except MlflowException as error:
            raise ModelError(
                f"there is no model {uri} in {self._settings.tracking_uri}: {_first_line(error)}"
            ) from None
        return self._ref(version)

    def champions(self) -> dict[str, ModelRef]:
        """The champion of each platform that has one.

        Raises:
            ModelError: a champion's weights cannot be used, or the registry cannot.
        """
        found = {platform: self.champion(platform) for platform in PLATFORMS}
        return {platform: ref for platform, ref in found.items() if ref is not None}

    def champion(self, platform: str) -> ModelRef | None:
        """The champion of a platform; None where no version is.

        Raises:
            ModelError: its weights cannot be used, or the registry cannot.
        """
        try:
            version = self.client.get_model_version_by_alias(model_name(platform), CHAMPION)
        except MlflowException as error:
            if error.error_code in _NOT_THERE:
                return None
            raise ModelError(f"MLflow at {self._settings.tracking_uri} cannot be used: {_first_line(error)}") from None
        return self._ref(version)

    def register(
        self, weights: Path, *, platform: str | None = None, tags: Mapping[str, str] | None = None
    ) -> ModelRef:
        """Register a weights' file as the model's next version, with what its card says of it.

        Args:
            weights: a file of `models.weights.save_model`.
            platform: platform that it must be for; without one, the platform that it is for.
            tags: put on run and version.

        Raises:
            ModelError: the file cannot be used.
        """
        content = weights.read_bytes() if weights.is_file() else b""
        model = load_model(weights, platform=platform)
        name, digest = model_name(model.platform), digest_of(content)
        run = self.client.create_run(self._experiment, run_name=name, tags=dict(tags or {}))
        run_id = run.info.run_id
        self._log_card(run_id, model)
        with tempfile.TemporaryDirectory() as folder:
            _write_artefact(Path(folder), weights, model, run_id)
            self.client.log_artifacts(run_id, folder, _FOLDER)
        self.client.set_terminated(run_id)
        if not self._versions(name):
            self._create(name)
        version = self.client.create_model_version(
            name,
            source=f"{run.info.artifact_uri}/{_FOLDER}",
            run_id=run_id,
            tags={"digest": digest, "platform": model.platform, **(tags or {})},
        )
        return self._ref(version)

    def promote(self, name: str, version: str) -> None:
        """Make a version champion; the one before it gets the alias ``previous``.

        Raises:
            ModelError: there is no such version, or it cannot be used.
        """
        self.resolve(f"{name}/{version}")
        try:
            before = str(self.client.get_model_version_by_alias(name, CHAMPION).version)
        except MlflowException:
            before = None
        if before is not None and before != str(version):
            self.client.set_registered_model_alias(name, PREVIOUS, before)
        self.client.set_registered_model_alias(name, CHAMPION, version)

    def rollback(self, name: str) -> ModelRef:
        """Make the champion before this one champion again; twice changes nothing.

        Raises:
            ModelError: there is none before it.
        """
        try:
            before = self.client.get_model_version_by_alias(name, PREVIOUS)
        except MlflowException:
            raise ModelError(f"{name} has no earlier champion to go back to") from None
        self.promote(name, str(before.version))
        return self.resolve(f"{name}@{CHAMPION}")

    def _experiment_id(self) -> str:
        there = self.client.get_experiment_by_name(_EXPERIMENT)
        if there is not None:
            return str(there.experiment_id)
        uri = self._settings.tracking_uri
        location = None
        if uri.startswith(_SQLITE):
            location = (Path(uri.removeprefix(_SQLITE)).resolve().parent / "mlartifacts").as_uri()
        return str(self.client.create_experiment(_EXPERIMENT, artifact_location=location))

    def _versions(self, name: str) -> list[ModelVersion]:
        return list(self.client.search_model_versions(f"name='{name}'"))

    def _create(self, name: str) -> None:
        try:
            self.client.create_registered_model(name, description="Graph attention network over 3-minute windows")
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _log_card(self, run_id: str, model: LoadedModel) -> None:
        card = model.card
        flat = {**card.get("training", {}), **{f"net_{k}": v for k, v in asdict(model.network.config).items()}}
        params = [Param(key, str(value)[:500]) for key, value in flat.items()]
        calibration = asdict(model.calibration)
        metrics = {**{k: v for k, v in card.get("metrics", {}).items() if isinstance(v, int | float)}, **calibration}
        now = 0
        self.client.log_batch(
            run_id, [Metric(key, float(value), now, 0) for key, value in metrics.items()], params, [RunTag("card", "1")]
        )
        data: Mapping[str, Any] = card.get("data", {})
        if data:
            dataset = Dataset(
                name=f"window_graphs-{model.platform}",
                digest=str(data.get("digest", ""))[:36],
                source_type="delta",
                source=json.dumps({"table": "window_graphs", "version": data.get("delta_version")}),
            )
            self.client.log_inputs(run_id, [DatasetInput(dataset)])
        self.client.log_dict(run_id, dict(card), "card.json")

    def _ref(self, version: ModelVersion) -> ModelRef:
        tags = version.tags
        name, number = str(version.name), str(version.version)
        if "digest" not in tags or "platform" not in tags:
            raise ModelError(f"{name} version {number} was not registered by Logster; it has no digest")
        digest, platform = str(tags["digest"]), str(tags["platform"])
        path = self._weights_path(version, digest)
        if digest not in self._usable:
            self._usable[digest] = load_model(path, digest=digest, platform=platform)
        model = self._usable[digest]
        config = {**model.card, "calibration": asdict(model.calibration)}
        return ModelRef(name, number, platform, digest, str(path), config=config)

    def _weights_path(self, version: ModelVersion, digest: str) -> Path:
        """The version's file on this machine, fetched once where the artefacts lie elsewhere."""
        source = self.client.get_model_version_download_uri(version.name, version.version)
        parts = urlsplit(source)
        if parts.scheme in ("", "file"):
            return Path(unquote(parts.path)) / _WEIGHTS
        kept = Path(tempfile.gettempdir()) / f"logster-{os.getuid()}" / f"{digest}.pt"
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                fetched = self.client.download_artifacts(version.run_id, f"{_FOLDER}/{_WEIGHTS}", str(kept.parent))
            except (MlflowException, OSError) as error:
                raise ModelError(f"weights of {version.name} version {version.version}: {_first_line(error)}") from None
            shutil.move(fetched, kept)
        return kept


def _set_up(database: Path) -> None:
    """Make MLflow's database aside and move it to its place whole: one that was cut off in the making never opens again."""
    if database.exists():
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".mlflow-", dir=database.parent) as folder:
        made, whole = Path(folder) / "made.db", Path(folder) / "whole.db"
        MlflowClient(tracking_uri=f"{_SQLITE}{made}").search_experiments(max_results=1)
        # MLflow keeps the one it made open
        shutil.copyfile(made, whole)
        with suppress(FileExistsError):  # another process was first
            os.link(whole, database)


def _write_artefact(folder: Path, weights: Path, model: LoadedModel, run_id: str) -> None:
    """An MLflow model folder: MLmodel with signature, input example, weights, and the code that loads them."""
    shutil.copyfile(weights, folder / _WEIGHTS)
    (folder / "code").mkdir()
    shutil.copyfile(Path(__file__).with_name("pyfunc_loader.py"), folder / "code" / "logster_loader.py")
    example = {"columns": ["window_graph"], "data": [[json.dumps(_EXAMPLE | {"platform": model.platform})]]}
    (folder / "input_example.json").write_text(json.dumps(example))
    described = Model(
        artifact_path=_FOLDER,
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


def _first_line(error: Exception) -> str:
    message = cast(str, getattr(error, "message", None) or str(error))
    return message.strip().split("\n")[0][:160]
