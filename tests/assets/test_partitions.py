from datetime import UTC, datetime, timedelta

import pytest

from assets.partitions import HOUR, HOURLY, hour_of, known_hours, partition_of, stretches

pytestmark = pytest.mark.fast

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def hours(*numbers: int) -> list[datetime]:
    return [NOON + number * HOUR for number in numbers]


def test_a_key_names_an_hour_and_an_hour_a_key():
    assert partition_of(NOON) == "2026-03-01-12:00"
    assert hour_of("2026-03-01-12:00") == NOON
    window = HOURLY.time_window_for_partition_key("2026-03-01-12:00")
    assert (window.start, window.end) == (NOON, NOON + HOUR)


def test_the_running_hour_is_a_partition_and_no_later_one():
    now = datetime.now(UTC)
    keys = HOURLY.get_partition_keys(current_time=now)[-1:]
    assert keys == [partition_of(now.replace(minute=0, second=0, microsecond=0))]


def test_hours_of_wrong_clocks_are_no_partitions():
    wrong = [datetime(1970, 1, 1, tzinfo=UTC), datetime(2106, 2, 7, 6, tzinfo=UTC)]
    assert known_hours([*wrong, NOON + HOUR, NOON, NOON]) == hours(0, 1)


def test_stretches_have_no_holes_and_are_no_longer_than_told():
    assert stretches(hours(3, 0, 1, 5, 1)) == [
        (NOON, NOON + 2 * HOUR), (NOON + 3 * HOUR, NOON + 4 * HOUR), (NOON + 5 * HOUR, NOON + 6 * HOUR),
    ]  # fmt: skip
    assert [last - first for first, last in stretches(hours(*range(60)))] == [
        timedelta(hours=24), timedelta(hours=24), timedelta(hours=12),
    ]  # fmt: skip
    assert stretches([]) == []
