"""The ledger: every row of ``raw`` is accounted for by an event or a quarantine row, or it is missing."""

from dataclasses import dataclass

from pyspark.sql import functions as F

from pipelines.lake import Lake

__all__ = ["Ledger", "read_ledger"]


@dataclass(frozen=True)
class Ledger:
    """Counts of ``raw`` rows.

    Attributes:
        n_raw: rows received.
        n_in_events: of these, rows whose record is (part of) an event.
        n_in_quarantine: of these, rows whose record is in quarantine.
        n_missing: rows that are in neither.
        n_in_both: rows that are in both.
        n_events: rows of ``events``.
    """

    n_raw: int
    n_in_events: int
    n_in_quarantine: int
    n_missing: int
    n_in_both: int
    n_events: int

    @property
    def balances(self) -> bool:
        """Say whether every row is accounted for exactly once."""
        return not self.n_missing and not self.n_in_both


def read_ledger(lake: Lake) -> Ledger:
    """Count; equal lines share a record id, so a line received twice is accounted for by one event."""
    events = lake.read("events")
    in_events = events.select(F.explode("record_ids").alias("record_id")).distinct().withColumn("e", F.lit(1))
    in_quarantine = lake.read("quarantine").select("record_id").distinct().withColumn("q", F.lit(1))
    e, q = F.col("e").isNotNull(), F.col("q").isNotNull()
    row = (
        lake.read("raw")
        .select("record_id")
        .join(in_events, "record_id", "left")
        .join(in_quarantine, "record_id", "left")
        .agg(
            F.count(F.lit(1)),
            F.count_if(e),
            F.count_if(q),
            F.count_if(~e & ~q),
            F.count_if(e & q),
        )
        .first()
    )
    assert row is not None  # an aggregate without groups always has its row
    n_raw, n_in_events, n_in_quarantine, n_missing, n_in_both = row
    return Ledger(n_raw, n_in_events, n_in_quarantine, n_missing, n_in_both, n_events=events.count())
