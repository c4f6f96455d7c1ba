"""The model owner's commands, as processes."""

import json
from pathlib import Path

import pytest

from tests.models.test_weights import save

pytestmark = pytest.mark.slow  # MLflow sets up its database


def test_a_version_goes_the_owners_way_by_the_commands_that_the_output_names(logster_commands, tmp_path: Path) -> None:
    save(tmp_path / "new.pt")
    registered, listed, alone, refused = logster_commands(
        ["models", "register", "new.pt"],
        ["models", "list", "logster-linux", "--json"],
        ["models", "challenge", "logster-linux", "1"],
        ["models", "promote", "logster-linux", "2"],
    )
    assert registered[0] == 0 and "logster-linux version 2" in registered[1] and "PR-AUC" in registered[1]
    # an empty registry got the shipped one first
    versions = [json.loads(line) for line in listed[1].splitlines()]
    assert [(one["version"], one["aliases"], one["evaluated"]) for one in versions] == [
        ("2", [], "no"), ("1", ["champion"], "shipped"),
    ]  # fmt: skip
    assert alone[0] == 1 and "version 1 is the champion" in alone[2]
    assert refused[0] == 1 and refused[1] == ""
    assert len(refused[2].splitlines()) == 1 and "`logster models evaluate logster-linux/2 --data FOLDER`" in refused[2]

    promote = registered[1].splitlines()[-1].partition("logster ")[2].split()
    without, challenged, promoted, none_left, table, back = logster_commands(
        [*promote, "--without-evaluation", ""],
        ["models", "challenge", "logster-linux", "2"],
        [*promote, "--without-evaluation", "a test"],
        ["models", "challenge", "logster-linux", "--end"],
        ["models", "list"],
        ["models", "rollback", "logster-linux"],
    )
    assert without[0] == 1 and "wants a reason" in without[2]
    assert "version 2 scores beside the champion" in challenged[1]
    assert promoted[1] == "logster-linux version 2 is champion\n"
    assert none_left[0] == 1 and "has no challenger" in none_left[2]  # its promotion ended it
    assert "champion" in table[1] and "previous" in table[1] and "logster-windows" in table[1]
    assert back[1] == "logster-linux version 1 is champion again\n"


def test_what_is_no_weights_file_is_refused_in_one_line(logster, tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(b"not weights")
    refused = logster("models", "register", "bad.pt")
    assert refused.returncode == 1 and refused.stdout == ""
    assert len(refused.stderr.splitlines()) == 1 and refused.stderr.startswith("logster: bad.pt: not a weights' file")
