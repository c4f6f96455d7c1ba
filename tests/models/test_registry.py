import json
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from models.registry import CHAMPION, Registry
from pipelines.errors import ModelError
from pipelines.settings import Settings
from tests.models.test_weights import save

pytestmark = pytest.mark.slow  # MLflow sets up its database


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return Registry(Settings(lake=str(tmp_path_factory.mktemp("registry") / "lake"), _env_file=None))


def _database(registry: Registry) -> Path:
    return Path(registry.client.tracking_uri.removeprefix("sqlite:///"))


def _forget(registry: Registry, name: str) -> None:
    with suppress(MlflowException):
        registry.client.delete_registered_model(name)


def test_versions_are_seeded_promoted_and_rolled_back(registry: Registry, tmp_path: Path) -> None:
    seeded = registry.seed_if_empty()
    assert sorted((ref.name, ref.version) for ref in seeded) == [("logster-linux", "1"), ("logster-windows", "1")]
    assert registry.seed_if_empty() == []
    assert {ref.digest for ref in registry.champions().values()} == {ref.digest for ref in seeded}

    save(tmp_path / "new.pt")
    second = registry.register(tmp_path / "new.pt", platform="linux", tags={"origin": "test"})
    assert second.version == "2"
    assert registry.resolve(f"logster-linux@{CHAMPION}").version == "1"
    with pytest.raises(ModelError, match="no earlier champion"):
        registry.rollback("logster-linux")
    registry.promote("logster-linux", "2", without_evaluation="a test")
    champion = registry.resolve("models:/logster-linux@champion")
    assert (champion.version, champion.digest) == ("2", second.digest)
    assert registry.rollback("logster-linux").version == "1"

    run = registry.client.get_run(registry.client.get_model_version("logster-linux", "2").run_id)
    assert run.data.metrics["pr_auc"] == 0.5
    assert run.data.params["net_hidden"] == "128"
    folder = Path(second.path).parent
    assert "window_graph" in (folder / "MLmodel").read_text()
    assert json.loads((folder / "input_example.json").read_text())["columns"] == ["window_graph"]


@pytest.mark.parametrize("last", ["create_registered_model", "create_model_version", "set_registered_model_alias"])
def test_seeding_that_was_cut_off_is_brought_to_its_end(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    shutil.copyfile(_database(registry), tmp_path / "mlflow.db")  # setting one up takes seconds
    own = Registry(Settings(lake=str(tmp_path / "lake"), _env_file=None))
    for platform in ("linux", "windows"):
        _forget(own, f"logster-{platform}")

    class Killed(BaseException):
        pass

    def cut_off(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as cut:
        cut.setattr(own.client, last, cut_off)
        with pytest.raises(Killed):
            own.seed_if_empty()
    again = Registry(Settings(lake=str(tmp_path / "lake"), _env_file=None))
    again.seed_if_empty()
    assert {platform: ref.version for platform, ref in again.champions().items()} == {"linux": "1", "windows": "1"}


def test_a_champion_that_was_taken_away_stays_away(registry: Registry) -> None:
    registry.seed_if_empty()
    champion = registry.champions()["windows"]
    registry.client.delete_registered_model_alias("logster-windows", CHAMPION)
    assert registry.seed_if_empty() == []
    assert "windows" not in registry.champions()
    registry.promote("logster-windows", champion.version)


def test_a_broken_database_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(ModelError, match=r"mlflow\.db cannot be used"):
        Registry(Settings(lake=str(tmp_path / "lake"), _env_file=None))


def test_what_cannot_score_is_no_version(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(b"not weights")
    for act in (
        lambda: registry.register(tmp_path / "bad.pt", platform="linux"),
        lambda: registry.promote("logster-linux", "99"),
        lambda: registry.resolve("logster-linux@nobody"),
        lambda: registry.resolve("nonsense"),
    ):
        with pytest.raises(ModelError):
            act()
