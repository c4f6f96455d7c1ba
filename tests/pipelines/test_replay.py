"""Quarantined records read again: the tables are those of telemetry that was read well at once, however it went."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from pipelines.ingestion import ingest_batch
from pipelines.lake import Lake
from pipelines.ledger import read_ledger
from pipelines.replay import ReplayCounts, Selection, replay_quarantine
from pipelines.settings import Settings
from pipelines.sources.files import SOURCE_LINES
from tests.pipelines.mortal_lake import Killed, MortalLake
from tests.pipelines.tables import comparable, rows
from tests.pipelines.telemetry import audit_lines, windows_lines

pytestmark = pytest.mark.slow

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOISE = ["what is this", "and this"]


def lines_of(spark: SparkSession, records: list[str], *, source: str = "auto", origin: str = "file") -> DataFrame:
    found = [
        {"tenant": "t", "source": source, "origin": f"{origin}#{number}", "record": record}
        for number, record in enumerate(records)
    ]
    return spark.createDataFrame(pa.Table.from_pylist(found, schema=SOURCE_LINES))


def new_lake(spark: SparkSession, folder: Path) -> Lake:
    lake = Lake(spark, Settings(lake=str(folder / "lake"), _env_file=None))
    lake.create_tables()
    return lake


def ingest(lake: Lake, lines: DataFrame, number: int) -> None:
    ingest_batch(lake, lines, stream_id="s", number=number, received_at=NOW + timedelta(minutes=number))


def events_of(lake: Lake) -> list[str]:
    return comparable(rows(lake.settings, "events"))


def refused_of(lake: Lake) -> list[tuple[str, str, str]]:
    return sorted((row["record"], row["source"], row["reason"]) for row in rows(lake.settings, "quarantine"))


def test_records_that_were_refused_become_the_events_that_they_would_have_been(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Audit events of which some records were read and some refused among them, and one record that came twice."""
    records = windows_lines()[:60] + audit_lines()
    refused = records[::3]
    well = new_lake(spark, tmp_path / "well")
    ingest(well, lines_of(spark, records + NOISE), 0)

    lake = new_lake(spark, tmp_path / "mended")
    ingest(lake, lines_of(spark, [one for one in records if one not in refused] + NOISE), 0)
    ingest(lake, lines_of(spark, refused, source="nxlog", origin="other"), 1)
    ingest(lake, lines_of(spark, refused[:5], source="nxlog", origin="again"), 2)
    assert len(rows(lake.settings, "quarantine")) == len(refused) + 5 + len(NOISE)
    assert events_of(lake) != events_of(well)

    # by default they are read as what they were taken for, and that is as wrong as it was
    before = refused_of(lake)
    assert replay_quarantine(lake, Selection()).n_read == 0
    assert refused_of(lake) == before

    # of the record that came twice only one row is asked for
    in_second_batch = Selection(source="nxlog", first=NOW + timedelta(minutes=1), last=NOW + timedelta(minutes=2))
    counts = replay_quarantine(lake, in_second_batch, record_format="auto")
    assert (counts.n_selected, counts.n_torn, counts.n_read) == (len(refused), 0, len(refused))
    assert events_of(lake) == events_of(well)
    assert [record for record, _, _ in refused_of(lake)] == sorted(NOISE)
    ledger = read_ledger(lake)
    assert ledger.balances, ledger
    # windows that the events fall into wait to be scored anew
    assert any(row["batch_id"].startswith("replay-") for row in rows(lake.settings, "pending"))

    assert replay_quarantine(lake, Selection()) == ReplayCounts(len(NOISE), 0, 0, 0)
    assert events_of(lake) == events_of(well)


def test_a_replay_that_was_cut_off_is_brought_to_its_end(spark: SparkSession, tmp_path: Path) -> None:
    records = audit_lines()[:12]
    well = new_lake(spark, tmp_path / "well")
    ingest(well, lines_of(spark, records), 0)
    lake = MortalLake(spark, Settings(lake=str(tmp_path / "torn" / "lake"), _env_file=None))
    lake.create_tables()
    ingest(lake, lines_of(spark, records[::2]), 0)
    ingest(lake, lines_of(spark, records[1::2], source="nxlog", origin="other"), 1)
    for last_step in ("append events", "change quarantine"):
        lake.ends_before_step = last_step
        with pytest.raises(Killed):
            replay_quarantine(lake, Selection(), record_format="auto")
    lake.ends_before_step = None
    replay_quarantine(lake, Selection(), record_format="auto")
    assert events_of(lake) == events_of(well)
    assert refused_of(lake) == []
    assert read_ledger(lake).balances


def test_what_the_source_could_not_read_whole_is_not_read_again(spark: SparkSession, tmp_path: Path) -> None:
    lake = new_lake(spark, tmp_path)
    torn = lines_of(spark, [audit_lines()[0][:60]]).selectExpr(
        "* EXCEPT (source_problem)", "'line too long' source_problem"
    )
    ingest(lake, torn.select(*SOURCE_LINES.names), 0)
    assert replay_quarantine(lake, Selection(), record_format="auto") == ReplayCounts(1, 1, 0, 0)
    assert [reason for _, _, reason in refused_of(lake)] == ["line too long"]
