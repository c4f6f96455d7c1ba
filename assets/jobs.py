"""Jobs and schedules: micro-batches instead of the continuous stream, backfill by hours, and the checks by themselves.

The continuous stream is the default driver, so every schedule is delivered stopped.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

import dagster as dg

from assets.detection import DETECTION, POOL
from assets.materialisations import of_batch, of_detection
from assets.resources import LakeResource
from pipelines.detection import DetectionCounts
from pipelines.ingestion import BatchCounts
from pipelines.settings import Settings
from pipelines.stream import StreamDriver

__all__ = ["check_lake", "hourly_checks", "micro_batch", "micro_batches", "rebuild_detection"]

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING,
]  # fmt: skip


class _RunListener:
    """Reports what the driver wrote as events of the run that drives it; what goes wrong with that is logged."""

    def __init__(self, context: dg.OpExecutionContext, settings: Settings) -> None:
        self._context, self._settings = context, settings

    def ingested(self, number: int, counts: BatchCounts, *, at: datetime) -> None:
        self._report(lambda: of_batch(self._settings, number, counts, at=at))

    def detected(self, counts: DetectionCounts, *, at: datetime) -> None:
        self._report(lambda: of_detection(self._settings, at=at))

    def _report(self, made: Callable[[], Iterable[dg.AssetMaterialization]]) -> None:
        try:
            for materialisation in made():
                self._context.log_event(materialisation)
        except Exception as error:  # the rows are written; their description must not undo that
            self._context.log.warning(f"could not describe what was written: {error}")


@dg.op(pool=POOL)
def drive_micro_batch(context: dg.OpExecutionContext, lake: LakeResource) -> None:
    """Handle all that has landed and score the windows that have closed; refused while the stream runs."""
    from models.champions import champion_scorer  # torch and MLflow take seconds to load: not at definition

    settings = lake.settings
    driver = StreamDriver(lake.opened(), champion_scorer(settings), listeners=[_RunListener(context, settings)])
    driver.run_once(close_all=False)


@dg.job
def micro_batch() -> None:
    """One micro-batch: landing zone to alerts, then an end; for where some minutes' latency are enough."""
    drive_micro_batch()


rebuild_detection = dg.define_asset_job(
    "rebuild_detection",
    selection=dg.AssetSelection.assets(*DETECTION),
    description="Windows, scores and alerts of chosen hours anew, from events.",
)
check_lake = dg.define_asset_job(
    "check_lake", selection=dg.AssetSelection.all_asset_checks(), description="All checks, without writing anything."
)


@dg.schedule(job=micro_batch, cron_schedule="*/5 * * * *", default_status=dg.DefaultScheduleStatus.STOPPED)
def micro_batches(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """A micro-batch every five minutes, unless the one before is still at work."""
    running = context.instance.get_runs_count(dg.RunsFilter(job_name=micro_batch.name, statuses=_UNFINISHED))
    return dg.SkipReason("the micro-batch before has not ended yet") if running else dg.RunRequest()


hourly_checks = dg.ScheduleDefinition(
    name="hourly_checks", job=check_lake, cron_schedule="30 * * * *", default_status=dg.DefaultScheduleStatus.STOPPED
)
