"""One lake, filled by the stream from made-up Windows telemetry of two endpoints over the turn of an hour: what the
stream reports, what the checks say, and that backfill and the micro-batch job come to the same rows.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from assets.definitions import defs
from assets.detection import DETECTION, alerts, window_scores
from assets.reporting import create_instance, prepared_dagster_home, reporting
from assets.resources import LakeResource
from assets.telemetry import TELEMETRY
from logster.demo_attack import Intrusion, intrude
from logster.demo_host import WindowsHost
from logster.demo_work import work
from models.champions import champion_scorer
from pipelines.lake import Lake
from pipelines.settings import Settings, load_settings
from pipelines.sources.ingest import ingest_file
from pipelines.stream import StreamDriver

pytestmark = pytest.mark.slow

START = datetime(2026, 3, 2, 9, 57, tzinfo=UTC)
NEXT_HOUR, END = START + timedelta(minutes=3), START + timedelta(minutes=4)
HOURS = ("2026-03-02-09:00", "2026-03-02-10:00")
ROWS = "dagster/partition_row_count"
WRITTEN_WHEN = {"scored_at", "created_at", "updated_at"}


def telemetry(folder: Path) -> list[Path]:
    """Two endpoints, one broken into from the other, a file each."""
    hosts = [
        WindowsHost(name, "acme.example", user=user, address=address, began=START, seed=7)
        for name, user, address in (("WS-01", "j.lindqvist", "10.20.4.31"), ("WS-02", "m.okafor", "10.20.4.32"))
    ]
    for host in hosts:
        work(host, START, END)
    intrude(hosts[0], hosts[1], START + timedelta(minutes=1, seconds=50), Intrusion.drawn("7"))
    files = []
    for number, host in enumerate(hosts):
        files.append(folder / f"{number}.jsonl")
        files[-1].write_text("\n".join(host.lines_until(END)) + "\n", encoding="utf-8")
    return files


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Iterator[Settings]:
    """Settings as the definitions read them: from the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGSTER_LAKE", str(tmp_path_factory.mktemp("backfill") / "lake"))
        load_settings.cache_clear()
        yield load_settings()
    load_settings.cache_clear()


@pytest.fixture(scope="module")
def lake(spark, settings, tmp_path_factory) -> Lake:
    """The lake after the stream has read everything and closed every window."""
    lake = Lake(spark, settings)
    for file in telemetry(tmp_path_factory.mktemp("telemetry")):
        ingest_file(file, settings, tenant="acme")
    with reporting(settings) as reporter:
        StreamDriver(lake, champion_scorer(settings), listeners=[reporter]).run_once()
    return lake


@pytest.fixture(scope="module")
def instance(lake, settings) -> Iterator[dg.DagsterInstance]:
    """The instance that the stream has reported to."""
    with create_instance(prepared_dagster_home(settings)) as instance:
        yield instance


def rows(frame: DataFrame) -> list[dict]:
    """Whole rows in the order of their text, without when they were written, probabilities to 1e-5."""
    columns = [
        F.round(name, 5).alias(name) if name == "attack_prob" else F.col(name)
        for name in frame.columns
        if name not in WRITTEN_WHEN
    ]
    if "contributing_events" in frame.columns:
        weights = F.transform("contributing_events", lambda e: e.withField("weight", F.round(e["weight"], 4)))
        frame = frame.withColumn("contributing_events", weights)
    return sorted((row.asDict(recursive=True) for row in frame.select(columns).collect()), key=str)


def snapshot(lake: Lake) -> dict[str, list[dict]]:
    return {name: rows(lake.read(name)) for name in ("panes", "window_graphs", "window_scores", "alerts")}


def latest(instance: dg.DagsterInstance, name: str) -> dg.AssetMaterialization:
    event = instance.get_latest_materialization_event(dg.AssetKey(name))
    assert event is not None, name
    return event.asset_materialization


def test_the_stream_reports_what_it_wrote(lake, instance):
    for name in ("raw", "events"):
        assert latest(instance, name).metadata["dagster/row_count"].value == lake.read(name).count()
    for name in ("window_graphs", "window_scores", "alerts"):
        assert instance.get_materialized_partitions(dg.AssetKey(name)) == set(HOURS)
    scored = latest(instance, "window_scores").metadata
    starts = F.col("window_start") >= F.lit(NEXT_HOUR)
    assert scored[ROWS].value == lake.read("window_scores").where(starts).count()
    assert scored["lag_seconds"].value > 0


def test_checks_pass_on_what_the_stream_wrote(lake, instance):
    done = defs.resolve_job_def("check_lake").execute_in_process(instance=instance)
    found = {(e.asset_key.to_user_string(), e.check_name): e for e in done.get_asset_check_evaluations()}
    assert len(found) == 9
    assert {key for key, evaluation in found.items() if not evaluation.passed} == set()
    ledger = found["raw", "ledger_balances"].metadata
    assert ledger["raw"].value == ledger["in_events"].value == lake.read("raw").count()


def test_backfill_gives_the_same_rows_as_the_stream(lake, instance):
    before = snapshot(lake)
    assert before["alerts"]
    assert {row["window_start"].hour for row in before["window_graphs"]} == {9, 10}
    for name in before:
        lake.delta(name).delete()
    done = dg.materialize(
        [*TELEMETRY, *DETECTION], selection=DETECTION, instance=instance, resources={"lake": LakeResource()},
        tags={"dagster/asset_partition_range_start": HOURS[0], "dagster/asset_partition_range_end": HOURS[1]},
    )  # fmt: skip
    after = snapshot(lake)
    assert after == before
    counts = {
        (event.asset_key.to_user_string(), event.partition): event.materialization.metadata[ROWS].value
        for event in done.all_events
        if event.is_step_materialization
    }
    for hour in HOURS:
        starts = [row for row in after["window_graphs"] if row["window_start"].strftime("%Y-%m-%d-%H:00") == hour]
        assert counts["window_graphs", hour] == counts["window_scores", hour] == len(starts)
    assert sum(counts["alerts", hour] for hour in HOURS) == len(after["alerts"])


def test_scores_and_alerts_of_one_hour_are_put_right(lake, instance):
    before = snapshot(lake)
    in_hour = F.col("window_start") >= F.lit(NEXT_HOUR)
    lake.delta("window_scores").update(in_hour, {"attack_prob": F.lit(0.0), "verdict": F.lit("benign")})
    assert snapshot(lake) != before
    dg.materialize(
        [*TELEMETRY, *DETECTION], selection=[window_scores, alerts], instance=instance,
        resources={"lake": LakeResource()}, partition_key=HOURS[1],
    )  # fmt: skip
    assert snapshot(lake) == before


def test_the_micro_batch_job_reads_what_has_landed(lake, instance, settings, tmp_path):
    line = (
        'type=USER_LOGIN msg=audit(1772445600.000:77): pid=1 uid=0 auid=0 ses=1 msg=\'op=login acct="root" '
        'exe="/usr/sbin/sshd" hostname=? addr=192.0.2.1 terminal=ssh res=success\''
    )
    (tmp_path / "late-1.log").write_text(line + "\n")
    ingest_file(tmp_path / "late-1.log", settings, tenant="acme", endpoint="late-1")
    n_before = lake.read("raw").count()
    done = defs.resolve_job_def("micro_batch").execute_in_process(instance=instance)
    assert done.success
    assert lake.read("raw").count() == n_before + 1
    assert latest(instance, "raw").metadata["new_rows"].value == 1
    assert lake.read("window_scores").where("endpoint = 'late-1'").count() == 3
