"""The controls find what is planted for them, and nothing where nothing is."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from models.controls import controls
from models.dataset import Example
from models.training import vocabulary_of
from tests.models.made_up import noted

pytestmark = pytest.mark.fast

HOUR = int(timedelta(hours=1).total_seconds()) * 1_000_000


def figures(made: list[Example]) -> dict[str, dict[str, float]]:
    half = len(made) // 2
    return controls(made[:half], made[half:], vocabulary_of(made[:half], size=2_000, min_captures=1), seed=1)


def at_any_time(made: list[Example], *, attacks_at_night: bool = False) -> list[Example]:
    """Recorded by ten endpoints at any hour of the day."""
    draw = random.Random(5)
    found = []
    for one in made:
        hour = draw.randrange(24)
        if attacks_at_night:
            hour = draw.randrange(0, 6) if one.is_attack else draw.randrange(9, 18)
        start = one.graph.window_start // (24 * HOUR) * 24 * HOUR + hour * HOUR
        found.append(replace(one, graph=replace(one.graph, endpoint=f"ws-{draw.randrange(10)}", window_start=start)))
    return found


def test_nothing_is_found_where_recordings_differ_by_the_attack_alone() -> None:
    found = figures(at_any_time(noted(120)))
    assert found["prior"] == {"pr_auc": 0.5, "roc_auc": 0.5}
    for name in ("identity", "background", "shuffled"):
        assert 0.35 < found[name]["roc_auc"] < 0.65, name


def test_an_intruders_commands_make_a_window_busier_and_volume_finds_that() -> None:
    assert figures(at_any_time(noted(120)))["volume"]["roc_auc"] > 0.9


def test_attacks_that_were_all_recorded_at_night_are_told_by_the_clock() -> None:
    assert figures(at_any_time(noted(120), attacks_at_night=True))["identity"]["roc_auc"] > 0.95


def test_work_that_is_only_in_attacked_recordings_is_told_by_the_background() -> None:
    def marked(one: Example) -> Example:
        texts = [text.replace("make all", "ninja release") if one.is_attack else text for text in one.graph.node_texts]
        return replace(one, graph=replace(one.graph, node_texts=texts))

    assert figures([marked(one) for one in at_any_time(noted(120))])["background"]["roc_auc"] > 0.7


def test_without_notes_of_the_attacks_processes_there_is_no_background() -> None:
    made = [replace(one, capture=replace(one.capture, attack_pids=None)) for one in noted(24)]
    assert "background" not in figures(made)
