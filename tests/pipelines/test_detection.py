"""Which version has the word on a window that several have scored, and what its alerts then are."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines import detection
from pipelines.detection import Scorer, detect_due, rebuild_alerts, rebuild_scores, rescore
from pipelines.lake import Lake, conform
from pipelines.schemas.tables import table_named
from pipelines.settings import Settings
from tests.pipelines.tables import rows

pytestmark = pytest.mark.slow

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
END = NOON + timedelta(hours=1)
ENDPOINTS = {"web-1": {"1": 0.9, "2": 0.1}, "web-2": {"1": 0.2, "2": 0.99}}
"""What versions say of an endpoint's windows: the withdrawn version 2 clears one and accuses the other."""


def scorer(version: str) -> Scorer:
    def score(graphs: DataFrame, at: datetime) -> DataFrame:
        prob = F.lit(0.0)
        for endpoint, said in ENDPOINTS.items():
            prob = F.when(F.col("endpoint") == endpoint, said[version]).otherwise(prob)
        return graphs.select(
            "tenant", "endpoint", "platform", "window_start", "window_end", F.lit("logster-linux").alias("model_name"),
            F.lit(version).alias("model_version"), F.lit("champion").alias("role"), prob.alias("attack_prob"),
            F.lit("benign").alias("verdict"), F.array().cast("array<struct<event_id:string,weight:double,summary:string>>")
            .alias("contributing_events"), F.lit(1).alias("n_nodes"), F.lit(1).alias("n_edges"), F.lit(at).alias("scored_at"),
        )  # fmt: skip

    return score


@pytest.fixture(scope="module")
def empty_lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(spark, Settings(lake=str(tmp_path_factory.mktemp("detection") / "lake"), _env_file=None))
    lake.create_tables()
    return lake


@pytest.fixture
def lake(empty_lake: Lake) -> Iterator[Lake]:
    """One pane an endpoint, and its three windows on the work list."""
    panes, pending = [], []
    for endpoint in ENDPOINTS:
        whose = {"tenant": "acme", "endpoint": endpoint, "platform": "linux"}
        at = NOON + timedelta(minutes=2)
        panes.append({
            **whose, "pane_start": at, "n_events": 1, "n_edges_dropped": 0,
            "nodes": [{"id": "p", "type": "process", "label": "sh", "text": "/bin/sh"}],
            "edges": [{"src": "p", "dst": "p", "type": "ended", "ts": at, "event_id": "e", "text": "", "n_events": 1}],
        })  # fmt: skip
        for minute in range(3):
            start = NOON + timedelta(minutes=minute)
            pending.append({
                **whose, "kind": "window", "start": start, "end": start + timedelta(minutes=3), "ingested_at": start,
                "batch_id": "b",
            })  # fmt: skip
    for name, found in (("panes", panes), ("pending", pending)):
        table = table_named(name)
        made = empty_lake.spark.createDataFrame(pa.Table.from_pylist(found, table.schema))
        empty_lake.append(name, conform(made, table))
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


def score_again(lake: Lake, version: str, now: datetime = END) -> None:
    rebuild_scores(lake, scorer(version), first=NOON, last=END, now=now)
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
