"""Events whose time cannot be, or was told long before the shipper saw them: flagged in ``fields``, never refused.

| field | says |
| --- | --- |
| ``clock_skew_seconds`` | so long after its record was collected, or read by Logster, the event is said to have happened |
| ``collection_delay_seconds`` | so long after its time a shipper saw the event |

The first is a clock that runs ahead, or a time of another zone than it was taken for; the second a clock that runs behind,
or a shipper with a backlog. Only from an hour on, in whole seconds. Without a time of collection nothing tells a clock
that runs behind from an old file, so no record is flagged for being old. A function of the record and of when it was
received.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

__all__ = ["clock_fields"]

_LEAST_SECONDS = 3_600
_NOTHING = "CAST(map() AS MAP<STRING, STRING>)"


def clock_fields(ts: Column, received_at: Column, collected: Column | None = None) -> Column:
    """The entries for ``fields``, as a map that mostly is empty.

    Args:
        ts: the event's time.
        received_at: when its record was read.
        collected: when the shipper saw it, as text; null where that is not known.
    """
    seconds = F.unix_seconds(ts)
    ahead = seconds - F.unix_seconds(received_at)
    if collected is None:
        return F.when(ahead >= _LEAST_SECONDS, _entry("clock_skew_seconds", ahead)).otherwise(F.expr(_NOTHING))
    seen = F.when(collected.isNotNull(), F.unix_seconds(F.try_to_timestamp(collected)))
    most = F.greatest(ahead, seconds - seen)
    return (
        F.when(most >= _LEAST_SECONDS, _entry("clock_skew_seconds", most))
        .when(seen - seconds >= _LEAST_SECONDS, _entry("collection_delay_seconds", seen - seconds))
        .otherwise(F.expr(_NOTHING))
    )


def _entry(name: str, seconds: Column) -> Column:
    return F.create_map(F.lit(name), seconds.cast("string"))
