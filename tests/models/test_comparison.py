"""What two versions made of the same windows, from stored scores."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from models.comparison import Version, backtest_span, compare
from pipelines.errors import LakeError
from pipelines.settings import Settings

pytestmark = pytest.mark.fast

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ONE, OTHER = Version("logster-linux", "1"), Version("logster-linux", "2")


def score(version: str, minute: int, prob: float, **columns: Any) -> dict[str, Any]:
    start = NOON + minute * MINUTE
    return {
        "tenant": "acme", "endpoint": "web-1", "platform": "linux", "window_start": start, "window_end": start + 3 * MINUTE,
        "model_name": "logster-linux", "model_version": version, "role": "champion" if version == "1" else "challenger",
        "attack_prob": prob, "verdict": "attack" if prob >= 0.7 else "benign", "n_nodes": 3, "n_edges": 2,
        "contributing_events": [{"event_id": "e", "weight": 1.0, "summary": f"seen by {version}"}] if prob >= 0.1 else [],
        "scored_at": start, **columns,
    }  # fmt: skip


def test_windows_that_both_scored_are_counted_and_the_rest_is_told(
    settings: Settings, write: Callable[..., None]
) -> None:
    write(
        "window_scores",
        score("1", 0, 0.9), score("2", 0, 0.95),  # both
        score("1", 1, 0.2), score("2", 1, 0.8),  # the other alone
        score("1", 2, 0.99), score("2", 2, 0.05),  # the one alone, and further apart
        score("1", 3, 0.1), score("2", 3, 0.1, endpoint="web-2"),  # the same minute of two endpoints is no pair
        score("1", 4, 0.9), score("2", 4, 0.1, n_edges=9),  # a late event came between
        score("3", 0, 0.9), score("1", 1, 0.9, model_name="logster-windows"),  # other models
        score("1", 5, 0.1), score("2", 5, 0.2, tenant="umbrella"), score("1", 5, 0.3, tenant="umbrella"),
    )  # fmt: skip
    found = compare(settings, ONE, OTHER)
    assert (found.n_windows, found.n_agree, found.n_changed, found.n_alone) == (4, 2, 1, (2, 1))
    assert (found.n_attack, found.n_only) == ((2, 2), (1, 1))
    assert (found.first_start, found.last_start) == (NOON, NOON + 5 * MINUTE)
    assert [(one.window_start, one.is_by_one, one.stood_out) for one in found.differences] == [
        (NOON + 2 * MINUTE, True, "seen by 1"), (NOON + MINUTE, False, "seen by 2"),
    ]  # fmt: skip
    assert [(e.tenant, e.endpoint, e.n_windows, e.n_attack, e.n_differing) for e in found.endpoints] == [
        ("acme", "web-1", 3, (2, 2), 2), ("umbrella", "web-1", 1, (0, 0), 0),
    ]  # fmt: skip
    assert (
        compare(settings, OTHER, ONE).n_only == (1, 1) and len(compare(settings, ONE, OTHER, limit=1).differences) == 1
    )
    part = compare(settings, ONE, OTHER, first=NOON + MINUTE, last=NOON + 2 * MINUTE)
    assert (part.n_windows, part.n_only) == (1, (0, 1))


def test_the_last_days_end_with_the_newest_window_and_not_with_a_clock_that_is_wrong(
    settings: Settings, write: Callable[..., None]
) -> None:
    assert backtest_span(settings, "logster-linux", days=7, now=NOON) is None  # a lake without scores
    write("window_scores", score("1", 0, 0.1), score("2", -30, 0.1), score("1", 60 * 24 * 900, 0.1))
    last = NOON + timedelta(seconds=1)
    assert backtest_span(settings, "logster-linux", days=7, now=NOON + timedelta(days=30)) == (
        last - timedelta(days=7), last
    )  # fmt: skip
    assert backtest_span(settings, "logster-windows", days=7, now=NOON) is None


def test_scores_that_cannot_be_read_are_one_clear_line(settings: Settings, write: Callable[..., None]) -> None:
    write("window_scores", score("1", 0, 0.1))
    for file in (Path(settings.lake) / "window_scores").glob("*.parquet"):
        file.unlink()
    with pytest.raises(LakeError, match="window_scores cannot be read"):
        compare(settings, ONE, OTHER)
