"""The champions as a scorer, which is all that stream and backfill know of models."""

from datetime import datetime

from pyspark.sql import DataFrame

from models.registry import Registry
from models.scoring import score_windows
from pipelines.detection import Scorer
from pipelines.settings import Settings

__all__ = ["champion_scorer"]


def champion_scorer(settings: Settings) -> Scorer:
    """The scorer by the registry's champions; an empty registry is seeded with the shipped weights first.

    Raises:
        ModelError: a champion's weights cannot be used.
    """
    registry = Registry(settings)
    registry.seed_if_empty()
    refs = registry.champions()

    def score(graphs: DataFrame, scored_at: datetime) -> DataFrame:
        return score_windows(graphs, refs, scored_at=scored_at)

    return score
