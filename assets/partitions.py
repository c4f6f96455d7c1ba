"""The hours that windows, scores and alerts are partitioned by (UTC): a window belongs to the hour that it starts in."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import dagster as dg

__all__ = ["HOUR", "HOURLY", "hour_of", "known_hours", "partition_of", "stretches"]

HOUR = timedelta(hours=1)

# the hour that runs is a partition, too, so that the stream's reports of it are seen at once;
# some 8,800 a year: Dagster's pages stay quick up to about 100,000
HOURLY = dg.HourlyPartitionsDefinition(start_date="2019-01-01-00:00", timezone="UTC", end_offset=1)


def partition_of(hour: datetime) -> str:
    """Key of the partition that begins with an hour (UTC)."""
    return hour.strftime(HOURLY.fmt)


def hour_of(partition: str) -> datetime:
    """The hour (UTC) that a partition's key names."""
    return datetime.strptime(partition, HOURLY.fmt).replace(tzinfo=UTC)


def known_hours(hours: Iterable[datetime]) -> list[datetime]:
    """Those hours that are partitions, in order: a record's clock may name any year, past and future."""
    return sorted(hour for hour in set(hours) if HOURLY.has_partition_key(partition_of(hour)))


def stretches(hours: Iterable[datetime], *, longest: timedelta = timedelta(days=1)) -> list[tuple[datetime, datetime]]:
    """Put hours together to half-open spans [first, last) without holes, none longer than ``longest``."""
    spans: list[tuple[datetime, datetime]] = []
    for hour in sorted(set(hours)):
        if spans and spans[-1][1] == hour and hour + HOUR - spans[-1][0] <= longest:
            spans[-1] = (spans[-1][0], hour + HOUR)
        else:
            spans.append((hour, hour + HOUR))
    return spans
