"""The model owner's commands, as processes."""

import json
from pathlib import Path

import pytest

from pipelines.settings import Settings
from tests.models.test_comparison import score
from tests.models.test_weights import save

pytestmark = pytest.mark.slow  # MLflow sets up its database

COMPARE = "logster models compare logster-linux@champion logster-linux@challenger"


def test_a_version_goes_the_owners_way_by_the_commands_that_the_output_names(
    logster_commands, settings: Settings, write, tmp_path: Path
) -> None:
    save(tmp_path / "new.pt")
    write("window_scores", *(score("1", minute, 0.9) for minute in range(3)))
    registered, listed, alone, unscored, refused = logster_commands(
        ["models", "register", "new.pt"],
        ["models", "list", "logster-linux", "--json"],
        ["models", "challenge", "logster-linux", "1"],
        ["models", "backtest", "logster-linux", "2"],
        ["models", "promote", "logster-linux", "2"],
    )
    assert registered[0] == 0 and "logster-linux version 2" in registered[1] and "PR-AUC" in registered[1]
    # an empty registry got the shipped one first
    versions = [json.loads(line) for line in listed[1].splitlines()]
    assert [(one["version"], one["aliases"], one["evaluated"]) for one in versions] == [
        ("2", [], "no"), ("1", ["champion"], "shipped"),
    ]  # fmt: skip
    assert alone[0] == 1 and "version 1 is the champion" in alone[2]
    assert "has scored none of the 3 windows" in unscored[1]
    assert "logster score --model logster-linux/2 --from 2026-02-22T12:02:01 --to 2026-03-01T12:02:01" in unscored[1]
    assert refused[0] == 1 and refused[1] == ""  # before anything is shown
    assert len(refused[2].splitlines()) == 1 and "`logster models evaluate logster-linux/2 --data FOLDER`" in refused[2]

    challenge, compare, promote = (
        next(line for line in text.splitlines() if f"logster models {name}" in line).partition("logster ")[2].split()
        for name, text in (
            ("challenge", registered[1]), ("compare", COMPARE), ("promote", registered[1]),
        )
    )  # fmt: skip
    write("window_scores", *(score("2", minute, 0.1) for minute in range(2)))
    challenged, compared, without, promoted, none_left, table, back = logster_commands(
        challenge,
        compare,
        [*promote, "--backtest-days", "0", "--without-evaluation", ""],
        [*promote, "--without-evaluation", "a test"],
        ["models", "challenge", "logster-linux", "--end"],
        ["models", "list"],
        ["models", "rollback", "logster-linux"],
    )
    assert challenged[1].splitlines()[-1].endswith(COMPARE)
    assert "windows that both scored" in compared[1] and "scored by logster-linux/1 alone" in compared[1]
    assert without[0] == 1 and "wants a reason" in without[2]
    assert (
        "of 2 windows in [2026-02-22 12:02, 2026-03-01 12:02): 0 more would be attacks, 2 would be none" in promoted[1]
    )
    assert promoted[1].endswith("logster-linux version 2 is champion\n")
    assert none_left[0] == 1 and "has no challenger" in none_left[2]  # its promotion ended it
    assert "champion" in table[1] and "previous" in table[1] and "logster-windows" in table[1]
    assert back[1] == "logster-linux version 1 is champion again\n"


def test_what_is_no_weights_file_is_refused_in_one_line(logster, tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(b"not weights")
    refused = logster("models", "register", "bad.pt")
    assert refused.returncode == 1 and refused.stdout == ""
    assert len(refused.stderr.splitlines()) == 1 and refused.stderr.startswith("logster: bad.pt: not a weights' file")
