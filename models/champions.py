"""The champions as a scorer, which is all that stream and backfill know of models, with their challengers beside them."""

from collections.abc import Mapping
from datetime import datetime

import structlog
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from models.registry import CHALLENGER, Registry
from models.scoring import score_windows
from models.weights import ModelRef
from pipelines.detection import CHALLENGED_BY, Scorer
from pipelines.java_errors import first_line, java_causes
from pipelines.lineage import settled
from pipelines.schemas.telemetry import PLATFORMS
from pipelines.settings import Settings

__all__ = ["Challengers", "Champions", "champion_scorer", "scorer_of"]

_LOG = structlog.get_logger("logster.models")


def champion_scorer(settings: Settings) -> Scorer:
    """The scorer by the registry's champions; an empty registry is seeded with the shipped weights first.

    Each round of scoring asks for champions and challengers anew, so that a promotion, rollback or challenge reaches a
    stream that runs.

    Raises:
        ModelError: a champion's weights cannot be used.
    """
    registry = Registry(settings)
    registry.seed_if_empty()
    return scorer_of(registry)


def scorer_of(registry: Registry) -> Scorer:
    """The scorer by a registry's champions, with rows of their challengers where there are any.

    Raises:
        ModelError: a champion's weights cannot be used, or the registry cannot.
    """
    champions, challengers = Champions(registry), Challengers(registry)

    def score(graphs: DataFrame, scored_at: datetime) -> DataFrame:
        known = champions.now()
        rows = score_windows(graphs, known, scored_at=scored_at)
        for ref in challengers.beside({platform: known[platform] for platform in champions.told}):
            try:
                # by itself and now: a challenger that breaks takes no champion's row with it
                own = settled(score_windows(graphs, {ref.platform: ref}, scored_at=scored_at, role=CHALLENGER))
            except Exception as error:
                challengers.set_aside(ref, error)
            else:
                rows = _with_challenger(rows, own, ref)
        return rows

    return score


class Champions:
    """The champion of each platform, as far as it can be told: a registry that fails does not stop who scores.

    Args:
        registry: where they are registered.

    Raises:
        ModelError: a champion's weights cannot be used, or the registry cannot.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        # with their bytes, so that a file that is changed or removed later does not stop the version that was good
        self._known = {platform: ref.with_bytes() for platform, ref in registry.champions().items()}
        self._problems: dict[str, str] = {}

    @property
    def told(self) -> frozenset[str]:
        """Platforms whose champion could be told and used when it was last asked for."""
        return frozenset(self._known) - frozenset(self._problems)

    def now(self) -> dict[str, ModelRef]:
        """The champions as they are now; where one cannot be told or used, the last that could, and a warning."""
        for platform in PLATFORMS:
            try:
                ref = self._registry.champion(platform)
                known = self._known.get(platform)
                is_new = ref is not None and (known is None or _identity(known) != _identity(ref))
                taken_up = ref.with_bytes() if ref is not None and is_new else None
            except Exception as error:  # whatever it is, the last good version goes on
                self._warn(platform, str(error))
                continue
            if ref is None:
                if known is not None:
                    self._warn(platform, "there is none any more")
                continue
            self._problems.pop(platform, None)
            if taken_up is not None:
                _LOG.info("champion taken up", model=ref.name, version=ref.version, before=known and known.version)
                self._known[platform] = taken_up
        told = self.told
        return {platform: ref.without_bytes() if platform in told else ref for platform, ref in self._known.items()}

    def _warn(self, platform: str, problem: str) -> None:
        """Once a problem, not once a round."""
        if self._problems.get(platform) != problem:
            self._problems[platform] = problem
            known = self._known.get(platform)
            _LOG.warning(
                "champion cannot be told, the last one goes on",
                platform=platform, version=known and known.version, problem=problem,
            )  # fmt: skip


class Challengers:
    """The challenger of each platform; one that cannot be told or used is left out, with a warning.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._taken_up: dict[str, ModelRef] = {}
        self._problems: dict[str, str] = {}
        self._set_aside: dict[str, tuple[str, str, str]] = {}

    def beside(self, champions: Mapping[str, ModelRef]) -> list[ModelRef]:
        """The challengers that score beside these champions; a champion is not its own."""
        found = {}
        for platform, champion in champions.items():
            try:
                ref = self._registry.challenger(platform)
            except Exception as error:  # whatever it is, the champion scores alone
                self._warn(platform, str(error))
                continue
            self._problems.pop(platform, None)
            if ref is not None and ref.version != champion.version and _identity(ref) != self._set_aside.get(platform):
                found[platform] = ref
        for platform, ref in found.items():
            if platform not in self._taken_up or _identity(self._taken_up[platform]) != _identity(ref):
                _LOG.info("challenger taken up", model=ref.name, version=ref.version)
        self._taken_up = found
        return list(found.values())

    def set_aside(self, ref: ModelRef, error: Exception) -> None:
        """Leave one that broke while it scored out, until another version challenges: it must not cost each round."""
        self._set_aside[ref.platform] = _identity(ref)
        _LOG.warning(
            "challenger broke and is set aside until another challenges or the pipeline starts anew, the champion goes on",
            model=ref.name, version=ref.version, problem=_problem_of(error),
        )  # fmt: skip

    def _warn(self, platform: str, problem: str) -> None:
        if self._problems.get(platform) != problem:
            self._problems[platform] = problem
            _LOG.warning(
                "challenger cannot be told or used, the champion scores alone", platform=platform, problem=problem
            )


def _identity(ref: ModelRef) -> tuple[str, str, str]:
    return ref.name, ref.version, ref.digest


def _problem_of(error: Exception) -> str:
    """What a worker raised, without its traceback; where none did, what Spark says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if any(line.startswith("Traceback ") for line in lines):
        return lines[-1]
    causes = java_causes(error)
    return causes[-1].message if causes else first_line(error)


def _with_challenger(rows: DataFrame, challenger: DataFrame, ref: ModelRef) -> DataFrame:
    """Add a challenger's rows, and its version to the rows of the champion that it scored beside."""
    version = F.when(F.col("platform") == ref.platform, F.lit(ref.version))
    if CHALLENGED_BY in rows.columns:
        version = version.otherwise(F.col(CHALLENGED_BY))
    return rows.withColumn(CHALLENGED_BY, version).unionByName(challenger, allowMissingColumns=True)
