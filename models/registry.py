"""Registered models in MLflow: seeding, resolving aliases, registering, challenging, promoting, rolling back.

Nothing here knows what a network is; what goes in and comes out are weights' files and `ModelRef`.
"""

import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from models.versions import SHIPPED_ORIGIN, RegisteredVersion, evaluation_tags, promotion_problem, unjudged_tags
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
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # of one file of a megabyte
for _noisy in ("mlflow", "alembic"):
    logging.getLogger(_noisy).setLevel(logging.ERROR)

from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag  # noqa: E402
from mlflow.entities.model_registry import ModelVersion  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from sqlalchemy.exc import SQLAlchemyError  # noqa: E402

from models.artefacts import FOLDER, first_line, weights_path, write_artefact  # noqa: E402

__all__ = ["CHALLENGER", "CHAMPION", "SHIPPED", "Registry", "model_name", "shipped_weights"]

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
SHIPPED = Path(__file__).parent / "models"
_EXPERIMENT = "logster-models"
_SQLITE = "sqlite:///"
_SEEDED = "seeded"
_URI = re.compile(r"^(?:models:/)?(?P<name>[\w-]+)(?:@(?P<alias>[\w-]+)|/(?P<version>\d+))$")
_NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # what MLflow says of a model and of an alias
_DIGEST = re.compile(r"[0-9a-f]{64}")
_CARD_FIGURES = ("pr_auc", "precision", "recall")
_PLATFORM_OF = {f"logster-{platform}": platform for platform in PLATFORMS}


@dataclass(frozen=True)
class _Usable:
    """Weights that were read and can score, and what the file system said of their file then."""

    model: LoadedModel
    state: tuple[int, ...] | None


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
        self._usable: dict[str, _Usable] = {}
        uri = settings.tracking_uri
        # MLflow raises its loggers again while it sets up its database
        logging.getLogger("alembic").disabled = True
        try:
            if uri.startswith(_SQLITE):
                _set_up(Path(uri.removeprefix(_SQLITE)))
            self.client = MlflowClient(tracking_uri=uri, registry_uri=uri)
            self._experiment = self._experiment_id()
        except (MlflowException, SQLAlchemyError) as error:
            raise ModelError(f"MLflow at {uri} cannot be used: {first_line(error)}") from None

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
            shipped_weights(platform), platform=platform, tags={"origin": SHIPPED_ORIGIN}
        )  # fmt: skip
        self.client.set_registered_model_alias(name, CHAMPION, ref.version)
        self.client.set_registered_model_tag(name, _SEEDED, "yes")
        return ref

    def _is_seeded(self, name: str) -> bool:
        there = self._versions(name)
        if not there:
            return False
        is_cut_off = len(there) == 1 and there[0].tags.get("origin") == SHIPPED_ORIGIN
        return not is_cut_off or _SEEDED in self.client.get_registered_model(name).tags

    def resolve(self, uri: str, *, anew: bool = False) -> ModelRef:
        """Find a version by ``name@alias`` or ``name/version`` and make sure that it can score.

        Args:
            uri: which version.
            anew: look at the registered file itself, also where a copy of it is kept on this machine.

        Raises:
            ModelError: there is none, or its weights cannot be used.
        """
        return self._ref(self._named(uri), anew=anew)

    def name_and_version(self, uri: str) -> tuple[str, str]:
        """Find a version by ``name@alias`` or ``name/version`` and give both; its weights are not looked at.

        Raises:
            ModelError: there is none.
        """
        version = self._named(uri)
        return str(version.name), str(version.version)

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
        version = self._aliased(model_name(platform), CHAMPION)
        return None if version is None else self._ref(version)

    def challenger(self, platform: str) -> ModelRef | None:
        """The challenger of a platform; None where no version is.

        Raises:
            ModelError: its weights cannot be used, or the registry cannot.
        """
        version = self._aliased(model_name(platform), CHALLENGER)
        return None if version is None else self._ref(version)

    def names(self) -> list[str]:
        """Names of the models that are registered, of those that Logster has."""
        with self._asking():
            return [name for name in _PLATFORM_OF if self._versions(name)]

    def versions(self, name: str, *, with_figures: bool = False) -> list[RegisteredVersion]:
        """All versions of a model, newest first, whether they can be used or not.

        Args:
            name: registered name.
            with_figures: ask for the figures of each version's card, too; one more request a version.

        Raises:
            ModelError: there is no such model, or the registry cannot be used.
        """
        if name not in _PLATFORM_OF:
            raise ModelError(f"there is no model '{name}'; Logster's are {', '.join(_PLATFORM_OF)}")
        with self._asking():
            found = self._versions(name)
            aliases = dict(self.client.get_registered_model(name).aliases) if found else {}
            return [
                RegisteredVersion(
                    name=name,
                    version=str(one.version),
                    registered_at=datetime.fromtimestamp(one.creation_timestamp / 1_000, UTC),
                    aliases=tuple(sorted(alias for alias, its in aliases.items() if str(its) == str(one.version))),
                    tags=dict(one.tags),
                    figures=self._card_figures(one) if with_figures else {},
                    is_shipped=self._is_shipped(one),
                )
                for one in sorted(found, key=lambda one: int(one.version), reverse=True)
            ]

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
            write_artefact(Path(folder), weights, model, run_id)
            self.client.log_artifacts(run_id, folder, FOLDER)
        self.client.set_terminated(run_id)
        if not self._versions(name):
            self._create(name)
        version = self.client.create_model_version(
            name,
            source=f"{run.info.artifact_uri}/{FOLDER}",
            run_id=run_id,
            tags={"digest": digest, "platform": model.platform, **(tags or {})},
        )
        return self._ref(version)

    def note_evaluation(
        self, name: str, version: str, *, holdout: str, figures: Mapping[str, float], at: datetime
    ) -> None:
        """Note on a version what it was judged by and how it did; it may be promoted while no newer holdout judges others.

        Args:
            name: registered name.
            version: its version.
            holdout: digest of the held-out windows and labels.
            figures: of `models.evaluation.Outcome`, by name.
            at: when (UTC).

        Raises:
            ModelError: there is no such version, or the registry cannot be used.
        """
        with self._asking():
            self._tag(name, version, evaluation_tags(holdout, figures, at))

    def check_promotion(self, name: str, version: str, *, without_evaluation: str | None = None) -> ModelRef:
        """Make sure that a version may be promoted: it can score, and was judged by the current holdout.

        Args:
            name: registered name.
            version: its version.
            without_evaluation: why it may do without an evaluation.

        Raises:
            ModelError: it may not.
        """
        if without_evaluation is not None and not without_evaluation.strip():
            raise ModelError("--without-evaluation wants a reason, which is noted on the version")
        ref = self.resolve(f"{name}/{version}", anew=True)
        problem = self._promotion_problem(ref)
        if problem is not None and without_evaluation is None:
            raise ModelError(problem)
        return ref

    def promote(self, name: str, version: str, *, without_evaluation: str | None = None) -> ModelRef:
        """Make a version champion; the one before it gets the alias ``previous``, and a challenge of its own ends.

        Args:
            name: registered name.
            version: its version.
            without_evaluation: why it may do without an evaluation; noted on the version where it has none.

        Raises:
            ModelError: there is no such version, it cannot be used, or it was not judged by the current holdout.
        """
        ref = self.check_promotion(name, version, without_evaluation=without_evaluation)
        with self._asking():
            if without_evaluation is not None and self._promotion_problem(ref) is not None:
                self._tag(name, ref.version, unjudged_tags(without_evaluation.strip(), datetime.now(UTC)))
            self._crown(ref)
        return ref

    def rollback(self, name: str) -> ModelRef:
        """Make the champion before this one champion again, evaluated or not; twice changes nothing.

        Raises:
            ModelError: there is none before it, or it cannot be used any more.
        """
        before = self._aliased(name, PREVIOUS)
        if before is None:
            raise ModelError(f"{name} has no earlier champion to go back to")
        ref = self._ref(before, anew=True)
        with self._asking():
            self._crown(ref)
        return ref

    def challenge(self, name: str, version: str) -> ModelRef:
        """Have a version score beside the champion; its rows raise nothing.

        Raises:
            ModelError: there is no such version, it cannot be used, or it is champion itself.
        """
        ref = self.resolve(f"{name}/{version}", anew=True)
        champion = self._aliased(name, CHAMPION)
        if champion is None:
            raise ModelError(f"{name} has no champion to score beside; `logster models promote` makes one")
        if str(champion.version) == ref.version:
            raise ModelError(f"{name} version {ref.version} is the champion; a challenger is another version")
        with self._asking():
            self.client.set_registered_model_alias(name, CHALLENGER, ref.version)
        return ref

    def end_challenge(self, name: str) -> str:
        """Take the alias of the challenger away; gives its version.

        Raises:
            ModelError: there is none.
        """
        challenger = self._aliased(name, CHALLENGER)
        if challenger is None:
            raise ModelError(f"{name} has no challenger")
        with self._asking():
            self.client.delete_registered_model_alias(name, CHALLENGER)
        return str(challenger.version)

    def _crown(self, ref: ModelRef) -> None:
        before = self._aliased(ref.name, CHAMPION)
        if before is not None and str(before.version) != ref.version:
            self.client.set_registered_model_alias(ref.name, PREVIOUS, str(before.version))
        self.client.set_registered_model_alias(ref.name, CHAMPION, ref.version)
        challenger = self._aliased(ref.name, CHALLENGER)
        if challenger is not None and str(challenger.version) == ref.version:
            self.client.delete_registered_model_alias(ref.name, CHALLENGER)

    def _promotion_problem(self, ref: ModelRef) -> str | None:
        versions = self.versions(ref.name)
        return promotion_problem(next(one for one in versions if one.version == ref.version), versions)

    def _tag(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        for key, value in tags.items():
            self.client.set_model_version_tag(name, version, key, value)

    def _is_shipped(self, version: ModelVersion) -> bool:
        if version.tags.get("origin") == SHIPPED_ORIGIN:
            return True
        digest = _shipped_digest(_PLATFORM_OF[version.name])
        return digest is not None and str(version.tags.get("digest", "")) == digest

    def _card_figures(self, version: ModelVersion) -> dict[str, float]:
        try:
            metrics = self.client.get_run(version.run_id).data.metrics
        except MlflowException:  # its run was removed, or it never had one
            return {}
        return {name: float(metrics[name]) for name in _CARD_FIGURES if name in metrics}

    def _named(self, uri: str) -> ModelVersion:
        found = _URI.match(uri)
        if found is None:
            raise ModelError(f"'{uri}' names no model; write NAME@ALIAS or NAME/VERSION, e.g. logster-linux@champion")
        name = found["name"]
        try:
            if found["alias"]:
                return self.client.get_model_version_by_alias(name, found["alias"])
            return self.client.get_model_version(name, found["version"])
        except MlflowException as error:
            raise ModelError(f"there is no model {uri} in {self._settings.tracking_uri}: {first_line(error)}") from None

    def _aliased(self, name: str, alias: str) -> ModelVersion | None:
        try:
            return self.client.get_model_version_by_alias(name, alias)
        except MlflowException as error:
            if error.error_code in _NOT_THERE:
                return None
            raise self._unusable(error) from None

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except MlflowException as error:
            raise self._unusable(error) from None

    def _unusable(self, error: MlflowException) -> ModelError:
        return ModelError(f"MLflow at {self._settings.tracking_uri} cannot be used: {first_line(error)}")

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

    def _ref(self, version: ModelVersion, *, anew: bool = False) -> ModelRef:
        tags = version.tags
        name, number = str(version.name), str(version.version)
        digest, platform = str(tags.get("digest", "")), str(tags.get("platform", ""))
        if not _DIGEST.fullmatch(digest) or not platform:
            raise ModelError(f"{name} version {number} was not registered by Logster; it has no digest")
        if _PLATFORM_OF.get(name, platform) != platform:
            raise ModelError(f"{name} version {number} is for {platform}, which is another model's platform")
        path = weights_path(self.client, version, digest, anew=anew)
        known, state = self._usable.get(digest), _state_of(path)
        if known is None or known.state != state or known.model.platform != platform:
            known = self._usable[digest] = _Usable(load_model(path, digest=digest, platform=platform), state)
        config = {**known.model.card, "calibration": asdict(known.model.calibration)}
        return ModelRef(name, number, platform, digest, str(path), config=config)


@cache
def _shipped_digest(platform: str) -> str | None:
    """SHA-256 of the shipped weights, read once a process and not once a version; None where none are shipped."""
    shipped = shipped_weights(platform)
    return digest_of(shipped.read_bytes()) if shipped.exists() else None


def _state_of(path: Path) -> tuple[int, ...] | None:
    """What differs where a file was changed or replaced; None where it is not there."""
    try:
        told = path.stat()
    except OSError:
        return None
    return told.st_ino, told.st_size, told.st_mtime_ns


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
