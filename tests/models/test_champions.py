"""A change of champion reaches who scores, and a registry that fails does not stop them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from structlog.testing import capture_logs

from models import registry as registry_module
from models.champions import Champions, champion_scorer
from models.registry import Registry, shipped_weights
from models.weights import load_model
from pipelines.lake import conform
from pipelines.schemas.tables import table_named
from pipelines.settings import Settings
from tests.models.made_up import examples, table_of
from tests.models.test_weights import save

pytestmark = pytest.mark.slow  # MLflow sets up its database


@pytest.fixture
def registry(settings: Settings) -> Registry:
    found = Registry(settings)
    found.seed_if_empty()
    return found


def linux(champions: Champions) -> str:
    return champions.now()["linux"].version


def test_promotion_and_rollback_are_seen_and_the_same_weights_are_not_read_again(
    registry: Registry, tmp_path: Path, monkeypatch
) -> None:
    champions = Champions(registry)
    read: list[str | None] = []

    def counted(source, *, digest=None, platform=None):
        read.append(digest)
        return load_model(source, digest=digest, platform=platform)

    monkeypatch.setattr(registry_module, "load_model", counted)
    assert [linux(champions) for _ in range(3)] == ["1"] * 3
    assert read == []
    save(tmp_path / "new.pt")
    other = Registry(registry._settings)  # another process
    other.register(tmp_path / "new.pt", platform="linux")
    other.promote("logster-linux", "2", without_evaluation="a test")
    read.clear()
    with capture_logs() as logs:
        assert [linux(champions) for _ in range(2)] == ["2", "2"]
    assert [(one["event"], one["version"], one["before"]) for one in logs] == [("champion taken up", "2", "1")]
    assert len(read) == 1
    other.rollback("logster-linux")
    assert linux(champions) == "1" and champions.now()["windows"].version == "1"


def test_a_champion_that_cannot_score_leaves_the_last_good_one_and_is_told_once(
    registry: Registry, tmp_path: Path
) -> None:
    champions = Champions(registry)
    save(tmp_path / "new.pt")
    other = Registry(registry._settings)
    second = other.register(tmp_path / "new.pt", platform="linux")
    other.promote("logster-linux", "2", without_evaluation="a test")
    with Path(second.path).open("ab") as file:
        file.write(b"tampered")
    with capture_logs() as logs:
        assert [linux(champions) for _ in range(3)] == ["1"] * 3
    assert len(logs) == 1 and "differs from what was registered" in logs[0]["problem"]
    registry.client.delete_registered_model_alias("logster-linux", "champion")
    with capture_logs() as logs:
        assert linux(champions) == "1"
    assert "none any more" in logs[0]["problem"]


@pytest.mark.parametrize("is_removed", [False, True])
def test_a_champion_whose_file_is_changed_while_it_scores_goes_on_from_memory(
    registry: Registry, is_removed: bool
) -> None:
    champions = Champions(registry)
    assert champions.now()["linux"].weights is None  # the workers read the file
    file = Path(champions.now()["linux"].path)
    content = file.read_bytes()
    if is_removed:
        file.unlink()
    else:
        file.write_bytes(content[:-1] + b"?")
    with capture_logs() as logs:
        refs = [champions.now()["linux"] for _ in range(2)]
    (told,) = logs
    assert ("cannot be read" if is_removed else "differs from what was registered") in told["problem"]
    assert {ref.version for ref in refs} == {"1"} and refs[0].weights == content
    file.write_bytes(content)
    assert champions.now()["linux"].weights is None


def test_a_champion_of_another_platform_is_refused(registry: Registry) -> None:
    champions = Champions(registry)
    registry.client.set_model_version_tag("logster-linux", "1", "platform", "windows")
    with capture_logs() as logs:
        assert linux(champions) == "1"
    assert "is for windows" in logs[0]["problem"]


def test_a_broken_registry_leaves_the_last_champions_until_it_is_mended(registry: Registry, settings: Settings) -> None:
    champions = Champions(registry)
    database = Path(settings.tracking_uri.removeprefix("sqlite:///"))
    content = database.read_bytes()
    database.write_bytes(b"no database" * 4096)
    with capture_logs() as logs:
        assert [linux(champions), linux(champions)] == ["1", "1"]
    assert {one["platform"] for one in logs} == {"linux", "windows"} and len(logs) == 2
    assert "cannot be used" in logs[0]["problem"]
    database.write_bytes(content)
    registry.promote("logster-linux", registry.register(shipped_weights("linux"), platform="linux").version)
    assert linux(champions) == "2"


def test_a_promotion_reaches_a_scorer_that_runs_and_a_file_that_goes_away_does_not_stop_it(
    spark: SparkSession, settings: Settings, tmp_path: Path
) -> None:
    table = table_named("window_graphs")
    graphs = conform(spark.createDataFrame(table_of(examples(2))), table)
    score = champion_scorer(settings)

    def versions() -> set[str]:
        return {row["model_version"] for row in score(graphs, datetime.now(UTC)).collect()}

    assert versions() == {"1"}
    registry = Registry(settings)
    second = registry.register(shipped_weights("linux"), platform="linux")
    assert versions() == {"1"}
    registry.promote(second.name, second.version)
    assert versions() == {"2"}
    registry.rollback(second.name)
    assert versions() == {"1"}
    save(tmp_path / "new.pt")
    third = registry.register(tmp_path / "new.pt")
    registry.promote(third.name, third.version, without_evaluation="a test")
    score = champion_scorer(settings)
    Path(third.path).unlink()  # before any worker has read it
    assert versions() == {"3"}
