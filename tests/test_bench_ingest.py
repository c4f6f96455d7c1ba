"""The stream that `make bench-ingest` measures does what it says, or fails."""

from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from benchmarks.ingest import ingest_stream
from benchmarks.telemetry import write_windows

pytestmark = pytest.mark.slow


def test_all_that_lies_there_is_in_the_lake_when_it_ends(spark: SparkSession, tmp_path: Path) -> None:
    telemetry = write_windows(tmp_path / "landing", 60_000, n_endpoints=2)
    done = ingest_stream(spark, telemetry, tmp_path)
    assert done.n_events == telemetry.n_records
    assert done.n_batches == 1
    assert done.usage.seconds > 0
    assert done.n_files >= 2  # one of `raw`, one of `events` at least
    assert done.stored > 0
    assert all(sizes for sizes in done.file_sizes.values())


def test_less_than_was_given_is_no_figure(spark: SparkSession, tmp_path: Path) -> None:
    telemetry = write_windows(tmp_path / "landing", 10_000, n_endpoints=1)
    with telemetry.files[0].open("a") as file:
        file.write('{"winlog": {"torn\n')
    with pytest.raises(RuntimeError, match="n_in_quarantine=1"):
        ingest_stream(spark, replace(telemetry, n_records=telemetry.n_records + 1), tmp_path)
