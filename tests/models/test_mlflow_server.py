"""The model owner's path against a real MLflow server: promotion, challenge, rollback, and files that must not score."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import torch
from mlflow.exceptions import MlflowException
from pyspark.sql import SparkSession
from structlog.testing import capture_logs

from logster.services import mlflow_service
from models.champions import Challengers, Champions, scorer_of
from models.comparison import Version, compare
from models.registry import CHALLENGER, CHAMPION, Registry, model_name
from models.weights import Calibration, ModelRef, digest_of, load_model, save_model
from pipelines.detection import detect_due
from pipelines.errors import ModelError
from pipelines.lake import Lake
from pipelines.lake_reader import delta_table
from pipelines.schemas.telemetry import PLATFORMS
from pipelines.settings import Settings
from tests.models.bad_weights import BAD
from tests.models.test_weights import save
from tests.pipelines.cheap_lake import END, fill
from tests.pipelines.tables import rows

pytestmark = pytest.mark.e2e

LINUX = model_name("linux")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server as `logster up` starts it: SQLite behind it, artefacts served by it."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    service = mlflow_service(Settings(lake=str(folder / "lake"), mlflow_port=port, _env_file=None))
    assert service is not None
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            service.command, env={**os.environ, **service.environment}, cwd=folder, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while not service.answers:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@pytest.fixture
def own(address: str, settings: Settings) -> Settings:
    return settings.model_copy(update={"mlflow_tracking_uri": address})


@pytest.fixture
def registry(own: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The server's registry with the shipped models alone, and none of its files on this machine yet."""
    on_another_machine(tmp_path / "first", monkeypatch)
    found = Registry(own)
    for platform in PLATFORMS:
        with suppress(MlflowException):
            found.client.delete_registered_model(model_name(platform))
    found.seed_if_empty()
    return found


def on_another_machine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the files that are fetched are kept there."""
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))


def smuggle(registry: Registry, content: bytes, folder: Path) -> str:
    """Put a file in past Logster's door, as whoever may write to MLflow can; gives the version."""
    (folder / "weights.pt").write_bytes(content)
    client = registry.client
    run = client.create_run(client.get_experiment_by_name("logster-models").experiment_id)
    client.log_artifact(run.info.run_id, str(folder / "weights.pt"), "model")
    version = client.create_model_version(
        LINUX,
        f"{run.info.artifact_uri}/model",
        run.info.run_id,
        tags={"digest": digest_of(content), "platform": "linux"},
    )
    return str(version.version)


def tamper(registry: Registry, ref: ModelRef, folder: Path) -> None:
    """Change a version's file on the server after it was registered."""
    (folder / "weights.pt").write_bytes(Path(ref.path).read_bytes() + b"tampered")
    run_id = registry.client.get_model_version(ref.name, ref.version).run_id
    registry.client.log_artifact(run_id, str(folder / "weights.pt"), "model")


@pytest.mark.parametrize("kind", [*BAD, "digest"])
def test_a_bad_file_scores_nothing_and_the_last_good_version_goes_on(
    registry: Registry, own: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    save(tmp_path / "good.pt")
    good, trace = (tmp_path / "good.pt").read_bytes(), tmp_path / "code-ran"
    if kind == "digest":
        message = "content differs from what was registered"
        ref = registry.register(tmp_path / "good.pt")
        bad = ref.version
        tamper(registry, ref, tmp_path)
    else:
        make, message = BAD[kind]
        (tmp_path / "bad.pt").write_bytes(make(good, trace))
        with pytest.raises(ModelError, match=message):
            registry.register(tmp_path / "bad.pt")
        bad = smuggle(registry, make(good, trace), tmp_path)
    running, beside = Champions(registry), Challengers(registry)
    with pytest.raises(ModelError, match=message):
        registry.promote(LINUX, bad, without_evaluation="to see it refused")
    with pytest.raises(ModelError, match=message):
        registry.challenge(LINUX, bad)
    assert registry.name_and_version(f"{LINUX}@{CHAMPION}") == (LINUX, "1")

    on_another_machine(tmp_path / "second", monkeypatch)
    for alias, problem_of in ((CHAMPION, running.now), (CHALLENGER, lambda: beside.beside(running.now()))):
        registry.client.set_registered_model_alias(LINUX, alias, bad)
        with capture_logs() as logs:
            answers = [problem_of() for _ in range(2)]
        (told,) = logs
        assert told["log_level"] == "warning" and told["platform"] == "linux" and message in told["problem"]
        assert answers[0] == answers[1]
        if alias == CHAMPION:
            assert answers[0]["linux"].version == "1" and running.told == {"windows"}
            with pytest.raises(ModelError, match=message):
                Champions(Registry(own))  # a pipeline that starts with it is refused
            registry.client.set_registered_model_alias(LINUX, CHAMPION, "1")
        else:
            assert answers[0] == []
    assert not trace.exists()
    if kind == "code":
        load = torch.load(tmp_path / "bad.pt", weights_only=False)
        assert load and trace.exists()  # it is a file that would have


def test_a_version_is_promoted_once_the_current_holdout_has_judged_it_and_is_rolled_back(
    registry: Registry, tmp_path: Path
) -> None:
    for seed in (2, 3):
        save(tmp_path / f"{seed}.pt", seed=seed)
        registry.register(tmp_path / f"{seed}.pt")
    running, noon = Champions(registry), datetime(2026, 3, 1, 12, tzinfo=UTC)

    def judge(version: str, holdout: str, hours: int) -> None:
        registry.note_evaluation(
            LINUX, version, holdout=holdout, figures={"pr_auc": 0.5}, at=noon + timedelta(hours=hours)
        )

    def scoring() -> str:
        return running.now()["linux"].version

    with pytest.raises(ModelError, match=f"`logster models evaluate {LINUX}/2 --data FOLDER`"):
        registry.promote(LINUX, "2")
    judge("2", "spring", 0)
    assert registry.promote(LINUX, "2").version == scoring() == "2"
    judge("3", "summer", 1)
    registry.promote(LINUX, "3")
    with pytest.raises(ModelError, match="on an older holdout than version 3"):
        registry.promote(LINUX, "2")
    assert registry.rollback(LINUX).version == scoring() == "2"  # a rollback needs no evaluation
    assert registry.promote(LINUX, "1").version == scoring() == "1"  # the shipped one counts as it is
    with pytest.raises(ModelError, match="wants a reason"):
        registry.promote(LINUX, "2", without_evaluation=" ")
    registry.promote(LINUX, "2", without_evaluation="field test")
    found = {one.version: one for one in registry.versions(LINUX, with_figures=True)}
    assert found["2"].tags["promotion.without_evaluation"] == "field test"
    assert {version: one.aliases for version, one in found.items()} == {"3": (), "2": ("champion",), "1": ("previous",)}
    assert found["2"].figures == {"pr_auc": 0.5} and found["1"].is_shipped and not found["3"].is_shipped

    # what was fetched and is no longer what it was is fetched again
    kept = Path(registry.resolve(f"{LINUX}/3").path)
    kept.write_bytes(b"torn")
    assert digest_of(Path(registry.resolve(f"{LINUX}/3").path).read_bytes()) == found["3"].digest

    # a version that somebody else put there is listed, and never used
    registry.client.set_model_version_tag(LINUX, "3", "digest", "../weights")
    with pytest.raises(ModelError, match="was not registered by Logster"):
        registry.promote(LINUX, "3", without_evaluation="a test")
    assert [one.version for one in registry.versions(LINUX)] == ["3", "2", "1"]


class Fleeting(Registry):
    """A registry whose challenger's file goes away between the look at it and the scoring."""

    def challenger(self, platform: str) -> ModelRef | None:
        ref = super().challenger(platform)
        if ref is not None:
            Path(ref.path).unlink()
        return ref


def test_a_challenger_scores_beside_the_champion_raises_nothing_and_is_promoted(
    registry: Registry, own: Settings, tmp_path: Path, spark: SparkSession
) -> None:
    def registered(seed: int, attack_prob: float) -> str:
        """A version that says the same of every window."""
        shift = torch.logit(torch.tensor(attack_prob)).item()
        save(tmp_path / "of.pt", seed=seed)
        model = load_model(tmp_path / "of.pt")
        save_model(
            tmp_path / "made.pt", model.network, model.vocabulary, platform="linux",
            calibration=Calibration(0.0, shift), card=model.card,
        )  # fmt: skip
        return registry.register(tmp_path / "made.pt").version

    quiet, loud, fleeting = registered(2, 0.01), registered(3, 0.99), registered(4, 0.5)
    registry.promote(LINUX, quiet, without_evaluation="a test")
    registry.challenge(LINUX, loud)
    with pytest.raises(ModelError, match="is the champion"):
        registry.challenge(LINUX, quiet)
    lake = Lake(spark, own)
    lake.create_tables()
    fill(lake)
    work = lake.read("pending").localCheckpoint()
    score = scorer_of(registry)

    def round_of_detection(scorer=score) -> None:
        lake.append("pending", work)
        before = delta_table(own, "window_scores").version()
        detect_due(lake, scorer, now=END)
        assert delta_table(own, "window_scores").version() == before + 1  # one commit, with a challenger or without

    def roles() -> dict[tuple[str, str], int]:
        counted: dict[tuple[str, str], int] = {}
        for row in rows(own, "window_scores"):
            key = row["model_version"], row["role"]
            counted[key] = counted.get(key, 0) + 1
        return counted

    def alerted() -> set[str]:
        return {row["model_version"] for row in rows(own, "alerts")}

    round_of_detection()
    assert (roles(), alerted()) == ({(quiet, "champion"): 6, (loud, "challenger"): 6}, set())
    found = compare(own, Version(LINUX, quiet), Version(LINUX, loud))
    assert (found.n_windows, found.n_only, found.n_alone) == (6, (0, 6), (0, 0))

    registry.promote(LINUX, loud, without_evaluation="a test")
    assert registry.challenger("linux") is None  # its challenge has ended
    registry.challenge(LINUX, fleeting)
    breaking = scorer_of(Fleeting(own))
    with capture_logs() as logs:
        round_of_detection(breaking)
        assert (roles(), alerted()) == ({(quiet, "rescore"): 6, (loud, "champion"): 6}, {loud})
        round_of_detection(breaking)
    (warned,) = [one for one in logs if one["log_level"] == "warning"]
    assert warned["version"] == fleeting and "cannot be read" in warned["problem"]

    registry.end_challenge(LINUX)
    registry.rollback(LINUX)
    registry.challenge(LINUX, loud)  # champion of these windows so far
    round_of_detection()
    assert (roles(), alerted()) == ({(quiet, "champion"): 6, (loud, "challenger"): 6}, set())
