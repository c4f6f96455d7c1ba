"""When a shipper saw an event, where its record tells: kept only if that may be hours from the event's own time."""

from pyspark.sql import Column
from pyspark.sql import functions as F

__all__ = ["COLLECTED", "collected_at"]

COLLECTED = "collected"
"""The entry of a record's header that holds it; it is no field of the event."""

_HOUR = len("2026-03-05T08")
_ZONED = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S{0,12}(?:Z|[+-]\d\d:?\d\d)$"


def collected_at(collected: Column, time: Column) -> Column:
    """A time of collection as text; null where it lies within the hour of the event's own, or either has no zone.

    Args:
        collected: as ``2026-03-05T08:15:30Z``.
        time: the event's own.
    """
    # nearly always so, and then no pattern is matched and nothing is parsed
    is_near = (
        F.endswith(collected, F.lit("Z"))
        & F.endswith(time, F.lit("Z"))
        & F.startswith(collected, F.substring(time, 1, _HOUR))
    )
    return F.when(~is_near & F.rlike(collected, F.lit(_ZONED)) & F.rlike(time, F.lit(_ZONED)), collected)
