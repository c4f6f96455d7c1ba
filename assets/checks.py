"""Checks of the tables: the ledger of records, each table's shape, and whether the pipeline keeps up.

What a failure means and what to do is in ``docs/dagster.md``.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from assets.detection import DETECTION, window_scores
from assets.quality import age_of_newest_record, detection_backlog, shape_problems
from assets.resources import LakeResource
from assets.telemetry import TELEMETRY, raw
from pipelines.ledger import read_ledger

__all__ = ["CHECKS"]

# three ticks of the micro-batch schedule; the continuous stream is done within seconds
_LONGEST_BACKLOG = timedelta(minutes=15)
# a network may be quiet for so long at night; longer, and a shipper has probably stopped
_LONGEST_SILENCE = timedelta(hours=1)


@dg.asset_check(asset=raw.key, description="Every row of `raw` is in an event or in quarantine, and in one only.")
def ledger_balances(lake: LakeResource) -> dg.AssetCheckResult:
    """Count the rows of raw against events and quarantine; see `pipelines.ledger`."""
    ledger = read_ledger(lake.opened())
    return dg.AssetCheckResult(
        passed=ledger.balances,
        metadata={
            "raw": ledger.n_raw,
            "in_events": ledger.n_in_events,
            "in_quarantine": ledger.n_in_quarantine,
            "missing": ledger.n_missing,
            "in_both": ledger.n_in_both,
            "events": ledger.n_events,
        },
    )


@dg.asset_check(asset=raw.key, description=f"A record was received within the last {_LONGEST_SILENCE}.")
def records_arrive(lake: LakeResource) -> dg.AssetCheckResult:
    """Compare the newest record's time of receipt with the clock; a warning, since a source may be quiet."""
    age = age_of_newest_record(lake.settings, now=datetime.now(UTC))
    return dg.AssetCheckResult(
        passed=age is not None and age <= _LONGEST_SILENCE,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={} if age is None else {"age_seconds": age.total_seconds()},
    )


@dg.asset_check(
    asset=window_scores, description=f"No closed window waits longer than {_LONGEST_BACKLOG} for its score."
)
def detection_keeps_up(lake: LakeResource) -> dg.AssetCheckResult:
    """Look for work that has been due for too long; see `assets.quality.detection_backlog`."""
    backlog = detection_backlog(lake.settings, now=datetime.now(UTC))
    return dg.AssetCheckResult(
        passed=backlog.age <= _LONGEST_BACKLOG,
        metadata={"waiting": backlog.n_waiting, "oldest_seconds": backlog.age.total_seconds()},
    )


def _shape_check(asset: dg.AssetKey) -> dg.AssetChecksDefinition:
    name = asset.to_user_string()

    @dg.asset_check(
        asset=asset,
        name="shape_is_declared",
        description="Columns and types are the declared ones, and every reader can read the table's features.",
    )
    def check(lake: LakeResource) -> dg.AssetCheckResult:
        problems = shape_problems(lake.settings, name)
        return dg.AssetCheckResult(passed=not problems, metadata={"problems": dg.MetadataValue.json(problems)})

    return check


CHECKS: list[dg.AssetChecksDefinition] = [
    ledger_balances,
    records_arrive,
    detection_keeps_up,
    *[_shape_check(spec.key) for spec in TELEMETRY],
    *[_shape_check(asset.key) for asset in DETECTION],
]
