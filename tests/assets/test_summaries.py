"""Metadata of hours and tables, from rows that are written here; plots are looked at as pictures."""

import base64
import io
from datetime import UTC, datetime, timedelta

import matplotlib.image
import pytest

from assets.partitions import HOUR
from assets.plots import probability_plot
from assets.summaries import hours_scored_at, ingestion_lag_seconds, row_count, summarise_hours

pytestmark = pytest.mark.fast

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def picture(markdown: str):
    kind, encoded = markdown.split("(")[1].rstrip(")").split(",")
    assert kind == "data:image/png;base64"
    return matplotlib.image.imread(io.BytesIO(base64.b64decode(encoded)))


def blue(image) -> list[bool]:
    """In which twentieths of the picture's width there are bars."""
    is_bar = (abs(image[:, :, :3] - [0x4F / 255, 0x6D / 255, 0x8F / 255]) < 0.02).all(axis=2).any(axis=0)
    where = [column / len(is_bar) for column, there in enumerate(is_bar) if there]
    return [any(part / 20 <= at < (part + 1) / 20 for at in where) for part in range(20)]


def test_plot_shows_bars_where_windows_are():
    low = blue(picture(probability_plot([5, *[0] * 19]).value))
    high = blue(picture(probability_plot([*[0] * 19, 5]).value))
    assert any(low[:5])
    assert not any(low[5:])
    assert any(high[15:])
    assert not any(high[:15])


def test_scores_of_an_hour(settings, write, score):
    write("window_scores", score(0, 0.1), score(1, 0.95, scored_at=NOON + timedelta(minutes=4, seconds=30)),
          score(2, 0.5, role="challenger"), score(60, 1.0))  # fmt: skip
    found = summarise_hours(settings, "window_scores", [NOON, NOON + HOUR, NOON + 2 * HOUR])
    first = found[NOON]
    assert (first["dagster/partition_row_count"], first["attack_windows"], first["highest_attack_prob"]) == (2, 1, 0.95)
    assert first["models"] == "logster-linux 1"
    assert first["lag_seconds"] == 30.0
    assert first["newest_window_end"].value == (NOON + timedelta(minutes=4)).timestamp()
    assert any(blue(picture(first["attack_prob"].value)))
    assert found[NOON + HOUR]["dagster/partition_row_count"] == 1
    assert found[NOON + 2 * HOUR] == {"dagster/partition_row_count": 0}


def test_graphs_and_alerts_of_a_lake_that_is_not_there_have_no_rows(settings):
    for table in ("window_graphs", "alerts"):
        assert summarise_hours(settings, table, [NOON]) == {NOON: {"dagster/partition_row_count": 0}}
        assert row_count(settings, table) == 0
    assert summarise_hours(settings, "alerts", []) == {}


def test_hours_that_a_round_scored(settings, write, score):
    round_at = NOON + timedelta(hours=5, microseconds=1)
    write("window_scores", score(0, 0.1, scored_at=round_at), score(1, 0.1, scored_at=round_at),
          score(60, 0.1), score(120, 0.1, scored_at=round_at))  # fmt: skip
    assert hours_scored_at(settings, round_at) == [NOON, NOON + 2 * HOUR]


def test_lag_is_of_the_newest_event_that_is_not_ahead_of_the_clock(settings, write):
    read_at = NOON + timedelta(seconds=9)
    for number, ts in enumerate([NOON, NOON + timedelta(seconds=2), NOON + timedelta(days=99)]):
        write("events", {
            "event_id": str(number), "tenant": "acme", "endpoint": "web-1", "platform": "linux", "ts": ts,
            "ingested_at": read_at, "source": "auditd", "provider": "auditd", "event_code": "SYSCALL",
            "category": "other", "action": "other", "record_id": str(number), "record_ids": [str(number)],
            "parser_version": "1",
        })  # fmt: skip
    assert ingestion_lag_seconds(settings, read_at) == 7.0
    assert ingestion_lag_seconds(settings, NOON) is None
    assert row_count(settings, "events") == 3
