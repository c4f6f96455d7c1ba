"""The champions as a scorer, which is all that stream and backfill know of models."""

from datetime import datetime

import structlog
from pyspark.sql import DataFrame

from models.registry import Registry
from models.scoring import score_windows
from models.weights import ModelRef
from pipelines.detection import Scorer
from pipelines.schemas.telemetry import PLATFORMS
from pipelines.settings import Settings

__all__ = ["Champions", "champion_scorer"]

_LOG = structlog.get_logger("logster.models")


def champion_scorer(settings: Settings) -> Scorer:
    """The scorer by the registry's champions; an empty registry is seeded with the shipped weights first.

    Each round of scoring asks for the champions anew, so that a promotion or rollback reaches a stream that runs.

    Raises:
        ModelError: a champion's weights cannot be used.
    """
    registry = Registry(settings)
    registry.seed_if_empty()
    champions = Champions(registry)

    def score(graphs: DataFrame, scored_at: datetime) -> DataFrame:
        return score_windows(graphs, champions.now(), scored_at=scored_at)

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


def _identity(ref: ModelRef) -> tuple[str, str, str]:
    return ref.name, ref.version, ref.digest
