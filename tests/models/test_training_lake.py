"""The training lake: windows of labelled captures, finished or not there at all, and what made them kept with them."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from models import dataset
from models.captures import Capture, LabelledWindow
from models.dataset import build_training_lake, lake_problem, read_examples
from pipelines.errors import ModelError
from pipelines.settings import Settings
from tests.pipelines.telemetry import START, audit_lines

pytestmark = pytest.mark.slow

MINUTE = timedelta(minutes=1)
CAPTURES = [Capture(name, f"{name}.log", "linux", "auditd", True, ("T1059",), "web", "") for name in ("one", "two")]
LABELS = [LabelledWindow(one.tenant, "web-01", START + n * MINUTE, "attack") for one in CAPTURES for n in range(3)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for capture in CAPTURES:
        (folder / capture.path).write_text("\n".join(audit_lines()) + "\n")
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    return Settings(lake=str(tmp_path / "training-lake"), _env_file=None)


def test_only_a_finished_build_takes_the_place_of_the_one_before(
    spark: SparkSession, data: Path, own: Settings, monkeypatch
) -> None:
    monkeypatch.setattr(dataset, "_BYTES_A_JOB", 1)  # a job a capture

    def build(captures: list[Capture], *, cut_off_at: int | None = None) -> list[str]:
        told: list[str] = []

        def progress(what: str) -> None:
            if len(told) == cut_off_at:
                raise KeyboardInterrupt
            told.append(what)

        build_training_lake(spark, own, data=data, captures=captures, labels=LABELS, progress=progress)
        return told

    with pytest.raises(KeyboardInterrupt):
        build(CAPTURES, cut_off_at=1)
    assert lake_problem(own, CAPTURES, "linux") == "no finished windows are there"
    with pytest.raises(ModelError, match=r"no finished windows are there; train without --reuse-lake"):
        read_examples(own, CAPTURES, "linux")

    assert len(build(CAPTURES)) == 2
    assert lake_problem(own, CAPTURES, "linux") is None
    before = read_examples(own, CAPTURES, "linux")
    assert {(one.capture.tenant, one.label) for one in before.examples} == {("one", "attack"), ("two", "attack")}
    with pytest.raises(KeyboardInterrupt):
        build(CAPTURES, cut_off_at=0)
    assert read_examples(own, CAPTURES, "linux").digest == before.digest

    other = replace(CAPTURES[0], tenant="three")
    assert lake_problem(own, [*CAPTURES, other], "linux") == "1 of the 3 captures are not among them, e.g. three"
    wider = own.model_copy(update={"window_width": 5 * MINUTE})
    assert lake_problem(wider, CAPTURES, "linux") == "they were made with window_width 180.0 where it is 300.0 now"
    for name in ("PARSER_VERSION", "TOKENS_VERSION"):
        with monkeypatch.context() as patch:
            patch.setattr(dataset, name, "99")
            problem = lake_problem(own, CAPTURES, "linux")
            assert problem is not None and f"{name.lower()} 1 where it is 99 now" in problem

    build(CAPTURES[:1])  # takes the place of what is there
    assert len(read_examples(own, CAPTURES[:1], "linux").examples) == len(before.examples) / 2
    assert [path.name for path in Path(own.lake).iterdir()] == ["examples_linux"]
