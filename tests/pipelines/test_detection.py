"""Which version has the word on a window that several have scored, and what its alerts then are."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines import detection
from pipelines.detection import CHALLENGED_BY, Scorer, detect_due, rebuild_alerts, rebuild_scores, rescore
from pipelines.lake import Lake
from pipelines.settings import Settings
from tests.pipelines.cheap_lake import END, ENDPOINTS, N_WINDOWS, NOON, fill
from tests.pipelines.tables import rows

pytestmark = pytest.mark.slow

SAID = {"web-1": {"1": 0.9, "2": 0.1, "3": 0.9}, "web-2": {"1": 0.2, "2": 0.99, "3": 0.1}}
"""What versions say of an endpoint's windows: the withdrawn version 2 clears one and accuses the other."""


def scorer(version: str) -> Scorer:
    def score(graphs: DataFrame, at: datetime) -> DataFrame:
        prob = F.lit(0.0)
        for endpoint, said in SAID.items():
            prob = F.when(F.col("endpoint") == endpoint, said[version]).otherwise(prob)
        return graphs.select(
            "tenant", "endpoint", "platform", "window_start", "window_end", F.lit("logster-linux").alias("model_name"),
            F.lit(version).alias("model_version"), F.lit("champion").alias("role"), prob.alias("attack_prob"),
            F.lit("benign").alias("verdict"), F.array().cast("array<struct<event_id:string,weight:double,summary:string>>")
            .alias("contributing_events"), F.lit(1).alias("n_nodes"), F.lit(1).alias("n_edges"), F.lit(at).alias("scored_at"),
        )  # fmt: skip

    return score


def with_challenger(champion: str, challenger: str) -> Scorer:
    def score(graphs: DataFrame, at: datetime) -> DataFrame:
        beside = scorer(challenger)(graphs, at).withColumn("role", F.lit("challenger"))
        own = scorer(champion)(graphs, at).withColumn(CHALLENGED_BY, F.lit(challenger))
        return own.unionByName(beside, allowMissingColumns=True)

    return score


@pytest.fixture(scope="module")
def empty_lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(spark, Settings(lake=str(tmp_path_factory.mktemp("detection") / "lake"), _env_file=None))
    lake.create_tables()
    return lake


@pytest.fixture
def lake(empty_lake: Lake) -> Iterator[Lake]:
    """Two endpoints, and three windows of each on the work list."""
    fill(empty_lake)
    yield empty_lake
    for name in ("panes", "pending", "window_graphs", "window_scores", "alerts"):
        empty_lake.delta(name).delete()


def alerted(lake: Lake) -> list[tuple[str, str, int]]:
    return sorted((a["endpoint"], a["model_version"], a["window_count"]) for a in rows(lake.settings, "alerts"))


def roles(lake: Lake) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in rows(lake.settings, "window_scores"):
        found.setdefault(row["model_version"], set()).add(row["role"])
    return found


def score_again(lake: Lake, version: str | Scorer, now: datetime = END) -> None:
    score = scorer(version) if isinstance(version, str) else version
    rebuild_scores(lake, score, first=NOON, last=END, now=now)
    rebuild_alerts(lake, first=NOON, last=END, now=now)


def test_a_withdrawn_higher_version_loses_its_word_when_windows_are_scored_again(lake: Lake) -> None:
    detect_due(lake, scorer("1"), now=END)
    assert (alerted(lake), roles(lake)) == ([("web-1", "1", 3)], {"1": {"champion"}})
    score_again(lake, "2")
    assert (alerted(lake), roles(lake)) == ([("web-2", "2", 3)], {"1": {"rescore"}, "2": {"champion"}})
    score_again(lake, "1")
    assert (alerted(lake), roles(lake)) == ([("web-1", "1", 3)], {"1": {"champion"}, "2": {"rescore"}})
    before = sorted(map(str, rows(lake.settings, "window_scores")))
    score_again(lake, "1", now=END + timedelta(hours=1))
    assert sorted(map(str, rows(lake.settings, "window_scores"))) == before  # not even when they were scored


def test_a_window_that_a_late_event_opens_again_is_the_present_champions(lake: Lake) -> None:
    work = (
        lake.read("pending").where("endpoint = 'web-2' AND start = TIMESTAMP '2026-03-01 12:01:00'").localCheckpoint()
    )
    detect_due(lake, scorer("2"), now=END)
    lake.append("pending", work)
    detect_due(lake, scorer("1"), now=END)
    by_window = {
        (row["endpoint"], row["window_start"].minute, row["model_version"]): row["role"]
        for row in rows(lake.settings, "window_scores")
    }
    assert by_window["web-2", 1, "1"] == "champion" and by_window["web-2", 1, "2"] == "rescore"
    assert by_window["web-2", 0, "2"] == by_window["web-1", 1, "2"] == "champion"
    assert alerted(lake) == [("web-2", "2", 2)]


def test_a_round_cut_off_between_scores_and_alerts_is_made_good_by_the_next(lake: Lake, monkeypatch) -> None:
    work = lake.read("pending").localCheckpoint()
    detect_due(lake, scorer("2"), now=END)
    lake.append("pending", work)

    def cut_off(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(detection, "update_alerts", cut_off)
        with pytest.raises(KeyboardInterrupt):
            detect_due(lake, scorer("1"), now=END)
    # one commit: whoever looks now finds one champion a window
    assert roles(lake) == {"1": {"champion"}, "2": {"rescore"}}
    assert alerted(lake) == [("web-2", "2", 3)]
    detect_due(lake, scorer("1"), now=END)
    assert alerted(lake) == [("web-1", "1", 3)]
    assert lake.read("pending").isEmpty()


def test_scoring_history_by_a_version_that_was_champion_raises_nothing(lake: Lake) -> None:
    detect_due(lake, scorer("2"), now=END)
    score_again(lake, "1")
    before = alerted(lake)
    as_rescore = scorer("2")
    rescore(
        lake,
        lambda graphs, at: as_rescore(graphs, at).withColumn("role", F.lit("rescore")),
        first=NOON,
        last=END,
        now=END,
    )
    rebuild_alerts(lake, first=NOON, last=END, now=END)
    assert alerted(lake) == before == [("web-1", "1", 3)]
    assert roles(lake) == {"1": {"champion"}, "2": {"rescore"}}


def test_a_challenger_raises_nothing_until_it_is_champion_and_nothing_again_after(lake: Lake) -> None:
    detect_due(lake, with_challenger("3", "1"), now=END)
    assert (alerted(lake), roles(lake)) == ([("web-1", "3", 3)], {"1": {"challenger"}, "3": {"champion"}})
    score_again(lake, with_challenger("1", "2"))
    assert (alerted(lake), roles(lake)) == (
        [("web-1", "1", 3)], {"1": {"champion"}, "2": {"challenger"}, "3": {"rescore"}},
    )  # fmt: skip
    # each becomes what the other was, in one commit, and of windows that are gone the rows of both go
    lake.delta("window_graphs").delete("window_start = TIMESTAMP '2026-03-01 12:01:00'")
    score_again(lake, with_challenger("2", "1"))
    assert (alerted(lake), roles(lake)) == (
        [("web-2", "2", 2)], {"1": {"challenger"}, "2": {"champion"}, "3": {"rescore"}},
    )  # fmt: skip
    assert len(rows(lake.settings, "window_scores")) == 3 * len(ENDPOINTS) * (N_WINDOWS - 1)
