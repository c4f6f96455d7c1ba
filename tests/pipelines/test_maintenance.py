"""Small files put together: the same rows in fewer files, each of them written again once."""

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from structlog.testing import capture_logs

from pipelines.lake import Lake
from pipelines.maintenance import compact, remove_unreferenced
from pipelines.session import compaction_conf
from pipelines.settings import Settings
from pipelines.stream import StreamDriver

MEGABYTE = 1 << 20


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    lake = Lake(spark, Settings(lake=str(tmp_path / "lake"), file_bytes=MEGABYTE, _env_file=None))
    lake.create_tables()
    return lake


@pytest.fixture
def _files_of_a_megabyte(spark: SparkSession) -> None:
    """What `start_session` would set for ``file_bytes`` of one megabyte; the run's session has the default."""
    told = compaction_conf(MEGABYTE)
    before = {name: spark.conf.get(name) for name in told}
    for name, value in told.items():
        spark.conf.set(name, value)
    yield
    for name, value in before.items():
        spark.conf.set(name, value)


def raw_rows(spark: SparkSession, first: int, *, n: int, n_files: int, characters: int = 64) -> DataFrame:
    """Rows of ``raw`` whose text packs to half its size, spread over files."""
    text = F.expr(f"array_join(transform(sequence(1, {characters // 64}), at -> sha2(concat(id, '/', at), 256)), '')")
    return spark.range(first, first + n, numPartitions=n_files).select(
        F.sha2(F.col("id").cast("string"), 256).alias("record_id"), F.lit("t").alias("tenant"),
        F.lit("auditd").alias("source"), F.concat(F.lit("f#"), "id").alias("origin"), text.alias("record"),
        F.lit(datetime(2026, 3, 2, tzinfo=UTC)).alias("received_at"), F.lit("s/0").alias("batch_id"),
    )  # fmt: skip


def refused(rows: DataFrame) -> DataFrame:
    return rows.withColumns({"reason": F.lit("why"), "parser_version": F.lit("1")})


def refused_rows(spark: SparkSession, *, n_files: int) -> DataFrame:
    return refused(raw_rows(spark, 0, n=2 * n_files, n_files=n_files))


def no_scores(graphs: DataFrame, now: datetime) -> DataFrame:
    raise AssertionError("there are no windows")


def files_of(lake: Lake, name: str) -> set[str]:
    return set(lake.read(name).inputFiles())


def test_many_small_files_become_few_with_the_same_rows(spark: SparkSession, lake: Lake) -> None:
    for number in range(2):
        rows = raw_rows(spark, 1000 * number, n=200, n_files=20)
        lake.append("raw", rows, app_id="s", version=number)
    before = sorted(map(tuple, lake.read("raw").collect()))
    (done,) = compact(lake)
    assert (done.table, done.n_before, done.n_after) == ("raw", 40, 1)
    assert len(files_of(lake, "raw")) == 1
    assert sorted(map(tuple, lake.read("raw").collect())) == before
    assert compact(lake) == []  # nothing is left to do
    # a batch that comes again is still known
    lake.append("raw", raw_rows(spark, 1000, n=200, n_files=20), app_id="s", version=1)
    assert lake.read("raw").count() == 400


def test_few_small_files_are_left_alone(spark: SparkSession, lake: Lake) -> None:
    lake.append("raw", raw_rows(spark, 0, n=62, n_files=31))
    before = files_of(lake, "raw")
    assert compact(lake) == []
    assert files_of(lake, "raw") == before


@pytest.mark.slow
@pytest.mark.usefixtures("_files_of_a_megabyte")
@pytest.mark.parametrize("name", ["raw", "quarantine"])  # one is clustered, the other is not
def test_what_is_large_enough_is_not_written_again(spark: SparkSession, lake: Lake, name: str) -> None:
    written: list[set[str]] = []
    for number in range(3):
        rows = raw_rows(spark, 10_000 * number, n=2_000, n_files=40, characters=2_048)
        lake.append(name, refused(rows))
        (done,) = compact(lake, [name])
        # of the last round what was too small for a file of its own may come along, no more
        assert 40 <= done.n_before <= 42
        written.append(files_of(lake, name))
    assert len(written[0] & written[2]) >= len(written[0]) - 1
    assert lake.read(name).select("record_id").distinct().count() == 6_000
    sizes = [Path(urlsplit(file).path).stat().st_size for file in written[2]]
    assert sorted(sizes)[1] > MEGABYTE // 2
    assert max(sizes) < 2 * MEGABYTE


@pytest.mark.slow
def test_what_no_table_holds_is_removed_once_it_is_old_enough(spark: SparkSession, lake: Lake) -> None:
    lake.append("raw", raw_rows(spark, 0, n=4, n_files=1))
    torn = [Path(lake.path("raw")) / f"part-{name}.snappy.parquet" for name in ("old", "new")]
    for path in torn:
        path.write_bytes(b"of a write that was cut off")
    a_while_ago = time.time() - timedelta(days=8).total_seconds()
    os.utime(torn[0], (a_while_ago, a_while_ago))
    remove_unreferenced(lake, ["raw"], after=timedelta(days=7))
    assert [path.exists() for path in torn] == [False, True]
    assert lake.read("raw").count() == 4


def test_a_table_that_cannot_be_done_is_told_and_the_others_go_on(
    spark: SparkSession, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("raw", "quarantine"):
        lake.append(name, refused_rows(spark, n_files=40))
    delta = Lake.delta

    def broken(self: Lake, name: str) -> object:
        if name == "raw":
            raise OSError("No space left on device")
        return delta(self, name)

    monkeypatch.setattr(Lake, "delta", broken)
    with capture_logs() as told:
        assert [one.table for one in compact(lake)] == ["quarantine"]
    assert [(line["table"], line["reason"]) for line in told if line["log_level"] == "warning"] == [
        ("raw", "No space left on device")
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("every", "n_files"), [(timedelta(minutes=10), 1), (timedelta(0), 40)])
def test_a_run_puts_files_together_unless_told_not_to(
    spark: SparkSession, tmp_path: Path, every: timedelta, n_files: int
) -> None:
    settings = Settings(lake=str(tmp_path / "lake"), compact_every=every, _env_file=None)
    lake = Lake(spark, settings)
    lake.create_tables()
    lake.append("quarantine", refused_rows(spark, n_files=40))
    StreamDriver(lake, no_scores).run_once()
    assert len(files_of(lake, "quarantine")) == n_files


@pytest.mark.slow
def test_a_stream_puts_files_together_between_its_batches(spark: SparkSession, tmp_path: Path) -> None:
    settings = Settings(
        lake=str(tmp_path / "lake"),
        compact_every=timedelta(milliseconds=1),
        trigger=timedelta(seconds=1),
        _env_file=None,
    )
    lake = Lake(spark, settings)
    lake.create_tables()
    lake.append("quarantine", refused_rows(spark, n_files=40))
    stop = threading.Event()
    driver = StreamDriver(lake, no_scores)
    running = threading.Thread(target=driver.run, args=(stop,))
    running.start()
    try:
        deadline = time.monotonic() + 120
        while len(files_of(lake, "quarantine")) > 1 and time.monotonic() < deadline:
            time.sleep(0.5)
    finally:
        stop.set()
        running.join()
    assert len(files_of(lake, "quarantine")) == 1
