"""The ledger: every row of ``raw`` is accounted for by an event or a quarantine row, or it is missing."""

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.lake import Lake

__all__ = ["Ledger", "read_ledger"]

_KINDS = ("n", "e", "q")  # rows of raw, of events' records, of quarantine


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
    told = (
        _told(lake.read("raw").select("record_id"), n=1)
        .unionByName(_told(events.select(F.explode("record_ids").alias("record_id")), e=1))
        .unionByName(_told(lake.read("quarantine").select("record_id"), q=1))
    )
    # not by joins: Spark takes the ids of a table, which are most of what it holds, for a few small columns of it, and
    # would hand all of them to each task
    records = told.groupBy("record_id").agg(*[F.sum(name).alias(name) for name in _KINDS])
    n, e, q = F.col("n"), F.col("e") > 0, F.col("q") > 0
    row = records.agg(
        *[F.coalesce(F.sum(F.when(which, n)), F.lit(0)) for which in (F.lit(True), e, q, ~e & ~q, e & q)]
    ).first()
    assert row is not None  # an aggregate without groups always has its row
    n_raw, n_in_events, n_in_quarantine, n_missing, n_in_both = row
    return Ledger(n_raw, n_in_events, n_in_quarantine, n_missing, n_in_both, n_events=events.count())


def _told(ids: DataFrame, **one: int) -> DataFrame:
    """Ids with a one for the table that they are of."""
    return ids.select("record_id", *[F.lit(one.get(name, 0)).alias(name) for name in _KINDS])
