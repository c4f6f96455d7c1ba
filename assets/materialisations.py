"""What the stream did, as Dagster's materialisations: of tables after a micro-batch, of hours after a round of detection."""

from collections.abc import Iterator
from datetime import datetime

import dagster as dg

from assets.partitions import known_hours, partition_of
from assets.summaries import Metadata, hours_scored_at, ingestion_lag_seconds, row_count, summarise_hours
from pipelines.ingestion import BatchCounts
from pipelines.settings import Settings

__all__ = ["of_batch", "of_detection"]

_DETECTION = ("window_graphs", "window_scores", "alerts")


def of_batch(
    settings: Settings, number: int, counts: BatchCounts, *, at: datetime
) -> Iterator[dg.AssetMaterialization]:
    """Materialisations of ``raw``, ``events`` and, where it grew, ``quarantine``.

    Args:
        settings: says where the lake is.
        number: the micro-batch's number.
        counts: what it did.
        at: when it was read (UTC); `ingested_at` of its events.
    """
    new_rows = {"raw": counts.n_records, "events": counts.n_events, "quarantine": counts.n_quarantined}
    for name, n_new in new_rows.items():
        if not n_new:
            continue
        metadata: Metadata = {"dagster/row_count": row_count(settings, name), "new_rows": n_new, "micro_batch": number}
        if name == "events":
            lag = ingestion_lag_seconds(settings, at)
            if lag is not None:
                metadata["lag_seconds"] = lag
        yield dg.AssetMaterialization(name, metadata=metadata, description="written by the stream")


def of_detection(settings: Settings, *, at: datetime) -> Iterator[dg.AssetMaterialization]:
    """Materialisations of ``window_graphs``, ``window_scores`` and ``alerts``, one for each hour of windows scored.

    Args:
        settings: says where the lake is.
        at: time of the round (UTC); `scored_at` of its windows.
    """
    hours = known_hours(hours_scored_at(settings, at))
    for name in _DETECTION:
        for hour, metadata in summarise_hours(settings, name, hours).items():
            yield dg.AssetMaterialization(
                name, partition=partition_of(hour), metadata=metadata, description="written by the stream"
            )
