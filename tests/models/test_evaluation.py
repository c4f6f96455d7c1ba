import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from models.calibration import fit_calibration, probabilities
from models.captures import Split
from models.evaluation import (
    Judged,
    average_precision,
    brier,
    by_group,
    calibration_error,
    covered_days,
    intervals,
    judge,
    judged,
    precision_recall,
    roc_auc,
)  # fmt: skip
from models.faithfulness import Faithfulness
from models.report import Evaluation, write_report
from models.weights import Calibration
from tests.models.made_up import examples

pytestmark = pytest.mark.fast

MINUTE = 60_000_000
scored = st.lists(st.tuples(st.booleans(), st.integers(0, 20).map(lambda n: n / 20)), min_size=2, max_size=60).filter(
    lambda rows: len({is_attack for is_attack, _ in rows}) == 2
)


@settings(max_examples=60, deadline=None)
@given(rows=scored)
def test_figures_are_those_of_scikit_learn(rows) -> None:
    truth, p = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    assert average_precision(truth, p) == pytest.approx(metrics.average_precision_score(truth, p))
    assert roc_auc(truth, p) == pytest.approx(metrics.roc_auc_score(truth, p))
    assert brier(truth, p) == pytest.approx(metrics.brier_score_loss(truth, p))
    precision, recall = precision_recall(truth, p, 0.7)
    assert recall == pytest.approx(metrics.recall_score(truth, p >= 0.7))
    if (p >= 0.7).any():
        assert precision == pytest.approx(metrics.precision_score(truth, p >= 0.7))


def test_overlapping_windows_cover_their_time_once() -> None:
    minutes = [0, 1, 2, 10]
    windows = _judged([False] * 8, [0.1] * 8, start=[*minutes, *minutes], endpoint=["a"] * 4 + ["b"] * 4)
    assert covered_days(windows) == pytest.approx(2 * 8 / 1440)


def test_false_windows_are_counted_per_day_of_windows_without_attack() -> None:
    windows = _judged([True, False, False], [0.9, 0.8, 0.2], start=[0, 10, 20])
    outcome = judge(windows, 0.7)
    assert (outcome.n_false, outcome.precision, outcome.recall) == (1, 0.5, 1.0)
    assert outcome.false_per_day == pytest.approx(1 / (6 / 1440))


def test_calibration_error_is_none_where_probabilities_say_the_truth() -> None:
    truth = np.array([True] * 3 + [False] * 7)
    assert calibration_error(truth, np.full(10, 0.3)) == pytest.approx(0)
    assert calibration_error(truth, np.full(10, 0.9)) == pytest.approx(0.6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_calibration_keeps_the_order_and_learns_the_share_of_attacks(seed) -> None:
    draw = np.random.default_rng(seed)
    truth = draw.random(200) < 0.3
    truth[:2] = True, False
    logits = draw.normal(size=200) * 3 + truth * draw.normal() * 4
    calibration = fit_calibration(logits, truth.tolist())
    assert calibration.scale > 0 and calibration.threshold == 0.7
    p = probabilities(np.sort(logits), calibration)
    assert (np.diff(p) >= 0).all()
    assert probabilities(logits, calibration).mean() == pytest.approx(truth.mean(), abs=0.03)


def test_calibration_repairs_an_overconfident_network() -> None:
    draw = np.random.default_rng(0)
    real = draw.normal(size=4000) * 2
    truth = draw.random(4000) < 1 / (1 + np.exp(-real))
    calibration = fit_calibration(5 * real + 10, truth.tolist())
    assert calibration.scale == pytest.approx(0.2, rel=0.1)
    assert calibration.shift == pytest.approx(-2, rel=0.15)


def test_intervals_draw_whole_captures() -> None:
    one = _judged([True] * 5 + [False] * 5, [0.9] * 5 + [0.1] * 5, capture=["a"] * 10)
    told = intervals(one, {"recall": lambda truth, p: precision_recall(truth, p, 0.7)[1]}, seed=1, resamples=20)
    assert told == {"recall": (1.0, 1.0)}


def test_report_names_what_was_held_out_and_its_index_shows_both_platforms(tmp_path) -> None:
    made = examples(6)
    windows = judged(made, np.linspace(0.95, 0.05, len(made)))
    split = Split(("role1",), ("c90",), tuple(sorted(set(windows.capture))))
    card = {
        "training": {"seed": 3, "epochs": 4},
        "data": {"digest": "abc", "delta_version": 2, "n_windows": 12},
        "metrics": {"pr_auc": 0.5, "cv_pr_auc": 0.25},
    }
    for platform in ("windows", "linux"):
        evaluation = Evaluation(
            platform, windows, judge(windows, 0.7), {"recall": (0.1, 0.9)}, by_group(windows, 0.7), split, Calibration(),
            card, {"words": {"pr_auc": 0.5, "roc_auc": 0.5, "recall_at_1_percent": 0.1}},
            Faithfulness(2, 0.625, 0.125, 0, float("nan"), float("nan"), 1.75),
            {"prior": {"pr_auc": 0.375, "roc_auc": 0.5}, "volume": {"pr_auc": 0.4375, "roc_auc": 0.5}}, "d",
        )  # fmt: skip
        write_report(tmp_path, evaluation)
    page, index = (tmp_path / "linux.md").read_text(), (tmp_path / "README.md").read_text()
    assert "role1" in page and "0.100 – 0.900" in page and "`abc`" in page
    assert "| 0.625 |" in page and "| – |" in page
    assert "a PR-AUC of 0.375" in page and "| numbers of nodes and edges | 0.438 | 0.500 |" in page
    assert "[linux](linux.md)" in index and "[windows](windows.md)" in index
    assert all(
        (tmp_path / f"linux-{name}.png").stat().st_size < 60_000 for name in ("pr", "reliability", "probabilities")
    )
    found = sum(one.is_attack and p >= 0.7 for one, p in zip(made, windows.attack_prob, strict=True))
    row = f"{found} of 6 windows, "
    assert (tmp_path / "techniques.md").read_text().count(row) == 2
    layer = json.loads((tmp_path / "attack-coverage.json").read_text())
    (measured,) = [one for one in layer["techniques"] if "score" in one]
    assert measured["techniqueID"] == "T1059" and measured["score"] == round(100 * found / 6)


def _judged(is_attack, p, *, start=None, endpoint=None, capture=None) -> Judged:
    n = len(is_attack)
    first = np.array(start if start is not None else range(n), dtype=np.int64) * MINUTE
    return Judged(
        np.array(is_attack), np.array(p), first, first + 3 * MINUTE, tuple(capture or ["c"] * n),
        tuple(endpoint or ["e"] * n), ("normal",) * n, (("g",),) * n, (("T1059",),) * n,
    )  # fmt: skip
