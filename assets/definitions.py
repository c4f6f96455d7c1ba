"""All of Logster's Dagster definitions: ``dagster dev -m assets.definitions``. Loading them starts nothing."""

import dagster as dg

from assets.checks import CHECKS
from assets.detection import DETECTION
from assets.jobs import check_lake, hourly_checks, micro_batch, micro_batches, rebuild_detection
from assets.resources import LakeResource
from assets.telemetry import TELEMETRY

__all__ = ["defs"]

defs = dg.Definitions(
    assets=[*TELEMETRY, *DETECTION],
    asset_checks=CHECKS,
    jobs=[micro_batch, rebuild_detection, check_lake],
    schedules=[micro_batches, hourly_checks],
    resources={"lake": LakeResource()},
    # the steps of a run share one Spark session, which a process for each would start anew
    executor=dg.in_process_executor,
)
