import numpy as np
import pytest

from models.coverage import TechniqueCoverage, navigator_layer, tactic_rows, technique_coverage
from models.evaluation import Judged

pytestmark = pytest.mark.fast

LINUX = [TechniqueCoverage("T1059", 4, 1, 2, 1).as_numbers(), TechniqueCoverage("T1078", 2, 0, 1, 0).as_numbers()]
WINDOWS = [TechniqueCoverage("T1059", 4, 4, 1, 1).as_numbers()]


def judged(rows: list[tuple[str, bool, float, tuple[str, ...]]]) -> Judged:
    capture, is_attack, p, techniques = zip(*rows, strict=True)
    times = np.arange(len(rows), dtype=np.int64)
    return Judged(
        np.array(is_attack), np.array(p), times, times + 1, capture, ("e",) * len(rows), ("",) * len(rows),
        techniques, techniques,
    )  # fmt: skip


def test_windows_with_attack_count_once_for_each_technique_of_their_capture() -> None:
    found = technique_coverage(
        judged(
            [
                ("a", True, 0.9, ("T1059", "T1078")),
                ("a", True, 0.7, ("T1059", "T1059", "T1078")),
                ("a", False, 0.9, ("T1059",)),
                ("b", True, 0.69, ("T1059",)),
            ]
        ),
        0.7,
    )
    assert found == [TechniqueCoverage("T1059", 3, 2, 2, 1), TechniqueCoverage("T1078", 2, 2, 1, 1)]


def test_a_technique_stands_under_each_of_its_tactics() -> None:
    rows = tactic_rows({"linux": LINUX, "windows": WINDOWS})
    assert rows == sorted(rows)
    assert {row[0] for row in rows if row[1] == "T1078"} == {
        "defense-evasion", "initial-access", "persistence", "privilege-escalation",
    }  # fmt: skip
    (executed,) = [row for row in rows if row[1] == "T1059"]
    assert executed[2:] == (
        "Command and Scripting Interpreter", "1 of 4 windows, 1 of 2 captures", "4 of 4 windows, 1 of 1 captures",
    )  # fmt: skip
    assert {row[4] for row in rows if row[1] == "T1078"} == {"unknown"}


def test_layer_scores_what_was_measured_and_calls_all_else_unknown() -> None:
    layer = navigator_layer({"linux": LINUX, "windows": WINDOWS})
    told = {one["techniqueID"]: one for one in layer["techniques"]}
    assert layer["domain"] == "enterprise-attack" and layer["versions"]["layer"] == "4.5"
    assert told["T1059"]["score"] == 62 and told["T1078"]["score"] == 0
    assert "score" not in told["T1486"] and told["T1486"]["comment"].startswith("unknown")
    assert len(told) == len(layer["techniques"]) > 150 and not any("." in name for name in told)
