"""Putting the parts together for a command: session, lake, scorer."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from pyspark.sql import DataFrame

from models.registry import Registry
from models.scoring import score_windows
from pipelines.detection import Scorer
from pipelines.lake import Lake
from pipelines.session import start_session
from pipelines.settings import Settings

__all__ = ["champion_scorer", "opened_lake"]


@contextmanager
def opened_lake(settings: Settings, *, app_name: str) -> Iterator[Lake]:
    """Start Spark, give the lake, stop Spark."""
    session = start_session(settings, app_name=app_name)
    try:
        yield Lake(session, settings)
    finally:
        session.stop()


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
