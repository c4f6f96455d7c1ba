"""The model owner's commands, as processes."""

from pathlib import Path

import pytest

from models.registry import Registry
from pipelines.settings import Settings
from tests.models.test_weights import save

pytestmark = pytest.mark.slow  # MLflow sets up its database


def test_a_weights_file_is_registered_beside_the_champion_and_promoted(logster, tmp_path: Path) -> None:
    save(tmp_path / "new.pt")
    ended = logster("models", "register", "new.pt")
    assert ended.returncode == 0, ended.stderr
    assert "logster-linux version 2" in ended.stdout and "PR-AUC" in ended.stdout
    promote = ended.stdout.splitlines()[-1].removeprefix("make it champion: ")
    registry = Registry(Settings(lake=str(tmp_path / "lake"), _env_file=None))
    assert registry.resolve("logster-linux@champion").version == "1"  # an empty registry got the shipped one first
    assert logster(*promote.split()[1:]).stdout == "logster-linux version 2 is champion\n"
    assert registry.resolve("logster-linux@champion").version == "2"


def test_what_is_no_weights_file_is_refused_in_one_line(logster, tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(b"not weights")
    refused = logster("models", "register", "bad.pt")
    assert refused.returncode == 1 and refused.stdout == ""
    assert len(refused.stderr.splitlines()) == 1 and refused.stderr.startswith("logster: bad.pt: not a weights' file")
