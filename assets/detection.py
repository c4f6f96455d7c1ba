"""From events to alerts, hour by hour: backfill, replay and re-scoring by the functions that the stream calls, too.

Each asset replaces exactly the windows of its hours, so a run may be cut off and repeated, and may run beside the
stream: a lock keeps the two from writing at the same time, and what the stream finds due later it builds again.
"""

import warnings
from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg

from assets.partitions import HOURLY, hour_of, partition_of, stretches
from assets.resources import LakeResource
from assets.summaries import summarise_hours
from assets.telemetry import events
from pipelines.detection import rebuild_alerts, rebuild_graphs, rebuild_scores
from pipelines.lake import Lake
from pipelines.locks import detecting

__all__ = ["DETECTION", "POOL", "alerts", "window_graphs", "window_scores"]

POOL = "detection"
"""Runs that write windows, scores and alerts share it; its limit is 1 (``dagster_home/dagster.yaml``)."""

_Rebuild = Callable[[Lake, datetime, datetime], int]


def _hourly_asset(
    *, after: dg.AssetSpec | dg.AssetsDefinition, kinds: set[str]
) -> Callable[[Callable[..., None]], dg.AssetsDefinition]:
    """What the three have in common; a range of hours is one run, since each run starts Spark."""
    with warnings.catch_warnings():
        # Dagster calls `backfill_policy` beta; the pin to 1.13 and the test of a backfill hold it
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.asset(
            deps=[after], partitions_def=HOURLY, backfill_policy=dg.BackfillPolicy.single_run(), pool=POOL,
            group_name="detection", kinds=kinds,
        )  # fmt: skip


@_hourly_asset(after=events, kinds={"delta", "spark"})
def window_graphs(context: dg.AssetExecutionContext, lake: LakeResource) -> None:
    """One endpoint's window as a typed temporal graph; see `pipelines.windows.window_graphs`."""

    def rebuild(tables: Lake, first: datetime, last: datetime) -> int:
        return rebuild_graphs(tables, first=first, last=last)

    _materialise(context, lake, rebuild)


@_hourly_asset(after=window_graphs, kinds={"delta", "pytorch"})
def window_scores(context: dg.AssetExecutionContext, lake: LakeResource) -> None:
    """One window by the champion of its platform; see `models.scoring`."""
    from models.champions import champion_scorer  # torch and MLflow take seconds to load: not at definition

    score = champion_scorer(lake.settings)

    def rebuild(tables: Lake, first: datetime, last: datetime) -> int:
        return rebuild_scores(tables, score, first=first, last=last, now=datetime.now(UTC))

    _materialise(context, lake, rebuild)


@_hourly_asset(after=window_scores, kinds={"delta", "spark"})
def alerts(context: dg.AssetExecutionContext, lake: LakeResource) -> None:
    """The alerts that windows of these hours belong to; see `pipelines.alerting.update`."""

    def rebuild(tables: Lake, first: datetime, last: datetime) -> int:
        return rebuild_alerts(tables, first=first, last=last, now=datetime.now(UTC))

    _materialise(context, lake, rebuild)


DETECTION = [window_graphs, window_scores, alerts]


def _materialise(context: dg.AssetExecutionContext, lake: LakeResource, rebuild: _Rebuild) -> None:
    """Rebuild the run's hours, a day at most at a time so that the stream is not kept waiting, and describe each."""
    table = context.asset_key.to_user_string()
    hours = [hour_of(key) for key in context.partition_keys]
    tables = lake.opened()
    for first, last in stretches(hours):
        with detecting(lake.settings):
            n_rows = rebuild(tables, first, last)
        context.log.info(f"{table}: {n_rows} rebuilt of [{first:%Y-%m-%d %H:%M}, {last:%Y-%m-%d %H:%M})")
    for hour, metadata in summarise_hours(lake.settings, table, hours).items():
        context.add_asset_metadata(metadata, partition_key=partition_of(hour))
