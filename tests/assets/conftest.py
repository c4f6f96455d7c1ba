from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def score() -> Callable[..., dict[str, Any]]:
    """A champion's score of the window that starts so many minutes after noon."""

    def make(minute: int, prob: float, **columns: Any) -> dict[str, Any]:
        start = NOON + timedelta(minutes=minute)
        return {
            "tenant": "acme", "endpoint": "web-1", "platform": "linux", "window_start": start,
            "window_end": start + timedelta(minutes=3), "model_name": "logster-linux", "model_version": "1",
            "role": "champion", "attack_prob": prob, "verdict": "attack" if prob >= 0.7 else "benign",
            "contributing_events": [], "n_nodes": 1, "n_edges": 1, "scored_at": start + timedelta(minutes=4), **columns,
        }  # fmt: skip

    return make
