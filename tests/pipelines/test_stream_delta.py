"""The driver over Delta tables: each row arrives once and is accounted for, and a mapping that does not fit is one line."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.errors import CheckpointError, LogsterError, SettingsError, SourceError
from pipelines.ingestion import ingest_batch
from pipelines.lake import Lake
from pipelines.ledger import read_ledger
from pipelines.replay import Selection, replay_quarantine
from pipelines.settings import Settings
from pipelines.sources.delta import FILE_COLUMN, check_table, lines_of_table
from pipelines.sources.mapping import load_mapping
from pipelines.windows.edges import with_edges
from tests.pipelines.reading import origins, read_all, running, wait_for
from tests.pipelines.source_tables import SOURCE_TABLES, frame_of
from tests.pipelines.tables import comparable, rows

pytestmark = pytest.mark.slow

SCHEMA = "host STRING, at STRING, pid STRING, image STRING, who STRING, what STRUCT<name: STRING>, note STRING"
COLUMNS = {
    "ts": "at", "endpoint": "host", "platform": "'linux'", "provider": "'agent'", "event_code": "'1'",
    "category": "'process'", "action": "'process_created'", "process_pid": "CAST(pid AS BIGINT)", "process_path": "image",
}  # fmt: skip


class Team:
    """A team with tables, and with mapping files for them."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark, self.folder = spark, folder

    def append(self, name: str, *told: dict[str, Any], schema: str = SCHEMA) -> None:
        frame = frame_of(self.spark, schema, list(told)).coalesce(1)
        frame.write.format("delta").mode("append").option("mergeSchema", "true").save(str(self.folder / name))

    def maps(self, name: str, columns: dict[str, str] | None = None, **told: str | int) -> Path:
        file = self.folder / f"{name}.toml"
        lines = [f"{key} = {json.dumps(value)}" for key, value in {"table": str(self.folder / name), **told}.items()]
        lines += ["[columns]", *(f"{key} = {json.dumps(value)}" for key, value in (columns or {}).items())]
        file.write_text("\n".join(lines))
        return file

    def lake(self, *files: Path, kind: Callable[..., Lake] = Lake, **settings: Any) -> Lake:
        told = {"delta_sources": ",".join(map(str, files)), "trigger": "PT1S", **settings}
        return kind(self.spark, Settings(lake=str(self.folder / "lake"), _env_file=None, **told))


@pytest.fixture
def team(spark: SparkSession, tmp_path: Path) -> Iterator[Team]:
    yield Team(spark, tmp_path)
    spark.conf.unset("spark.sql.subexpressionElimination.enabled")  # set by what is called outside a stream


def row(number: int, **told: Any) -> dict[str, Any]:
    return {"host": "Web-01", "at": f"2026-03-02 10:00:{number:02d}", "pid": str(number), "image": "/bin/x", **told}


def accounted(lake: Lake, n_rows: int) -> None:
    ledger = read_ledger(lake)
    assert ledger.balances
    assert ledger.n_raw == n_rows
    found = origins(lake)
    assert len(set(found)) == len(found)


def test_tables_of_every_shipped_mapping_become_events_and_edges(team):
    for name, table in SOURCE_TABLES.items():
        team.append(name, *table.rows, schema=table.schema)
    lake = team.lake()
    lake.create_tables()
    parts = []
    for source in (load_mapping(team.maps(name, mapping=name, tenant="acme")) for name in SOURCE_TABLES):
        check_table(team.spark, source)
        table = team.spark.read.format("delta").load(source.table)
        parts.append(lines_of_table(table.withColumn(FILE_COLUMN, F.input_file_name()), lake.settings, source))
    # a batch each, through the driver, would take minutes
    ingest_batch(
        lake, reduce(DataFrame.unionByName, parts), stream_id="tables", number=0, received_at=datetime.now(UTC)
    )

    accounted(lake, sum(len(table.rows) for table in SOURCE_TABLES.values()))
    assert rows(lake.settings, "quarantine") == []
    events = {event["ts"].second: event for event in rows(lake.settings, "events")}
    for name, table in SOURCE_TABLES.items():
        for expected in table.expected:
            event = events[expected["second"]]
            told = {"tenant": "acme", "source": "table-row", **expected}
            assert {column: event.get(column, expected["second"]) for column in told} == told, name
    assert dict(events[1]["fields"])["ProcessIntegrityLevel"] == "High"
    assert "ProcessId" not in dict(events[1]["fields"])
    assert json.loads(dict(events[16]["fields"])["request_params"]) == {"tokenId": "t"}

    drawn = with_edges(lake.read("events")).select(F.second("ts").alias("second"), F.inline("edges"))
    edges = {(one["second"], one["type"]): one for one in drawn.collect()}
    powershell = edges[1, "spawned"]["dst"]["id"]
    assert powershell == events[1]["process_key"] == "ws-01.acme.example/4321@1772445601000000"
    # the tables of files and connections name it by its pid alone
    assert edges[3, "wrote"]["src"]["id"] == edges[4, "deleted"]["src"]["id"] == powershell
    assert edges[5, "connected_to"]["src"]["id"] == powershell
    assert edges[3, "wrote"]["src"]["id"] != edges[1, "spawned"]["src"]["id"]
    assert (edges[7, "spawned"]["src"]["id"], edges[7, "spawned"]["dst"]["id"]) == ("u-900", "u-901")
    assert {edges[key]["src"]["id"] for key in ((8, "injected"), (9, "wrote"), (10, "connected_to"))} == {"u-900"}


def test_a_row_that_cannot_be_mapped_is_one_row_of_quarantine(team):
    broken = {
        "no time": row(1, at=None),
        "time cannot be read": row(2, at="yesterday"),
        "no endpoint": row(3, host=" "),
        "the expression of process_pid, target_pid fails on the row (agent.toml)": row(4, pid="x"),
        "the expression of user fails on the row (agent.toml)": row(5, who="raise"),
        "the expression of process_pid, user, target_pid fails on the row (agent.toml)": row(6, pid="y", who="raise"),
        "parent_pid is no number: z": row(7, note="z"),
        "names no tenant that can be used (agent.toml)": row(8, what={"name": "a b"}),
        "row of 2172 bytes is longer than 2048 (LOGSTER_MAX_RECORD_BYTES); kept its start": row(
            9, image="/" + "x" * 1900
        ),
    }
    good = [row(20), row(21, who="root\u0000", image='/bin/"q"'), row(21, who="root\u0000", image='/bin/"q"')]
    everything = [{"what": {"name": "acme"}, **one} for one in (*good, *broken.values())]
    team.append("agent", *everything)
    columns = {
        **COLUMNS, "tenant": "what.name", "parent_pid": "note",
        "user": "CASE WHEN who = 'raise' THEN raise_error('no') ELSE who END",
        "target_pid": "CAST(pid AS BIGINT) + 1",  # shares what fails with process_pid
    }  # fmt: skip
    lake = team.lake(team.maps("agent", columns), max_record_bytes=2048)
    read_all(lake)

    accounted(lake, len(everything))
    found = {one["reason"]: one for one in rows(lake.settings, "quarantine")}
    assert sorted(found) == sorted(broken)
    assert found["names no tenant that can be used (agent.toml)"]["tenant"] == "default"
    events = {event["process_pid"]: event for event in rows(lake.settings, "events")}
    assert sorted(events) == [20, 21]  # equal rows are one event, and a row of raw each
    assert (events[21]["user"], events[21]["process_name"]) == ("root\ufffd", '"q"')
    assert {event["tenant"] for event in events.values()} == {"acme"}

    counts = replay_quarantine(lake, Selection())
    assert (counts.n_selected, counts.n_torn, counts.n_read) == (len(broken), 5, 0)
    accounted(lake, len(everything))


@pytest.mark.parametrize(
    ("field", "expression", "told"),
    [
        ("process_pid", "ProcesId", "the table has no column 'ProcesId'; did you mean 'ProcessId'?"),
        ("user", "concat('a', AcountName)", "the table has no column 'AcountName'; did you mean 'AccountName'?"),
        ("user", "extra.nam", "the column has no member 'nam'; did you mean 'name'?"),
        ("process_pid", "extra", "is of type struct<name:string>; process_pid takes an integer, or text that is one"),
        ("ts", "ProcessId", "is of type bigint; ts takes a timestamp"),
        ("is_signed", "ProcessId", "is of type bigint; is_signed takes a truth value"),
        ("user", "TimeGenerated", "is of type timestamp; user takes text, a number or a truth value"),
        ("user", "lower(", "is no SQL expression"),
        ("user", "lowr(AccountName)", "lowr"),
        ("user", "max(AccountName)", "MISSING_GROUP_BY"),
        ("user", "explode(array('a', 'b'))", "looks at other rows, or makes several of one"),
        ("user", "lag(AccountName) OVER (ORDER BY ProcessId)", "looks at other rows, or makes several of one"),
        ("user", "uuid()", "may give another value when the row is read again"),
    ],
)
def test_a_mapping_that_does_not_fit_its_table_is_refused_at_start(team, field, expression, told):
    table = SOURCE_TABLES["sentinel-process"]
    team.append("defender", *table.rows, schema=f"{table.schema}, extra STRUCT<name: STRING>")
    file = team.maps("defender", {field: expression}, mapping="sentinel-process")
    lake = team.lake(file)
    with pytest.raises(SettingsError) as caught:
        read_all(lake)
    assert f"{file}: {field} = {expression!r}" in str(caught.value)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (Path(lake.settings.lake) / "raw").exists()


def test_a_table_that_is_not_there_is_one_line(team):
    with pytest.raises(SourceError, match=r"agent.toml: table .*/agent cannot be read: ") as caught:
        read_all(team.lake(team.maps("agent", COLUMNS)))
    assert "\n" not in str(caught.value)


class FailingLake(Lake):
    """A lake whose disk is full before a write of one table."""

    full_before = ""

    def append(self, name: str, *arguments: Any, **named: Any) -> None:
        if name == self.full_before:
            raise OSError("no space left on device")
        super().append(name, *arguments, **named)


def test_every_row_arrives_once_though_each_batch_is_cut_off(team):
    file = team.maps("agent", COLUMNS)
    lake = team.lake(file, kind=FailingLake)
    for number, step in enumerate(("raw", "events")):
        team.append("agent", row(2 * number), row(2 * number + 1, pid="x"))
        lake.full_before = step
        with pytest.raises(LogsterError, match="no space left on device"):
            read_all(lake)
        lake.full_before = ""
        read_all(lake)
        accounted(lake, 2 * (number + 1))
        assert len(rows(lake.settings, "quarantine")) == len(rows(lake.settings, "events")) == number + 1
    whole = Lake(team.spark, lake.settings.model_copy(update={"lake": str(team.folder / "at-once")}))
    read_all(whole)
    assert comparable(rows(whole.settings, "events")) == comparable(rows(lake.settings, "events"))
    # a table that was made anew under its name has none of the rows that were read
    (team.folder / "agent").rename(team.folder / "moved")
    team.append("agent", row(50))
    with pytest.raises(CheckpointError, match="and what delta-agent reads now is"):
        read_all(lake)


def test_a_schema_change_stops_the_stream_and_a_restart_goes_on(team):
    team.append("agent", row(1))
    lake = team.lake(team.maps("agent", COLUMNS))
    with pytest.raises(SourceError, match="delta-agent has other columns than when its stream began") as caught:
        with running(lake) as (driver, failed):
            wait_for(lambda: failed or driver.progress.n_records == 1)
            team.append("agent", row(2, colour="red"), schema=f"{SCHEMA}, colour STRING")
            wait_for(lambda: failed)
    assert "\n" not in str(caught.value)
    read_all(lake)
    accounted(lake, 2)
    found = {event["process_pid"]: dict(event["fields"]) for event in rows(lake.settings, "events")}
    assert {pid: fields.get("colour") for pid, fields in found.items()} == {1: None, 2: "red"}

    # a change that the mapping does not stand is refused by name
    team.append("agent", row(3))
    team.spark.createDataFrame([("Web-01",)], "machine STRING").write.format("delta").mode("overwrite").option(
        "overwriteSchema", "true"
    ).save(str(team.folder / "agent"))
    with pytest.raises(SettingsError, match="ts = 'at': the table has no column 'at'"):
        read_all(lake)


def test_deleted_rows_stop_the_stream_or_are_passed_over(team):
    team.append("agent", row(1), row(2))
    lake = team.lake(team.maps("agent", COLUMNS))
    read_all(lake)
    team.spark.sql(f"DELETE FROM delta.`{team.folder / 'agent'}` WHERE pid = '1'")
    team.append("agent", row(3))
    with pytest.raises(SourceError, match="were deleted or updated, and only what is appended is read"):
        read_all(lake)
    team.maps("agent", COLUMNS, on_change="skip")
    read_all(lake)
    accounted(lake, 3)
    assert Counter(event["process_pid"] for event in rows(lake.settings, "events")) == {1: 1, 2: 1, 3: 1}


def test_a_change_feed_gives_what_was_added_and_what_rows_were_updated_to(team):
    team.append("agent", row(1), row(2), row(3))
    agent = f"delta.`{team.folder / 'agent'}`"
    lake = team.lake(team.maps("agent", COLUMNS, on_change="feed"))
    with pytest.raises(SettingsError, match=r"agent\.toml: table .* has no change feed for on_change = 'feed'"):
        read_all(lake)
    team.spark.sql(f"ALTER TABLE {agent} SET TBLPROPERTIES (delta.enableChangeDataFeed = true)")
    read_all(lake)
    team.spark.sql(f"UPDATE {agent} SET who = 'root' WHERE pid = '2'")
    team.spark.sql(f"DELETE FROM {agent} WHERE pid = '3'")
    team.append("agent", row(4))
    for _ in range(2):  # nothing comes twice
        read_all(lake)
        accounted(lake, 5)
    told = sorted(
        (event["process_pid"], dict(event["fields"]).get("who", "")) for event in rows(lake.settings, "events")
    )
    assert told == [(1, ""), (2, ""), (2, "root"), (3, ""), (4, "")]
    assert not any(key.startswith("_") for event in rows(lake.settings, "events") for key, _ in event["fields"])


def test_a_table_may_be_read_from_a_version_on(team):
    team.append("agent", row(1))
    team.append("agent", row(2))
    lake = team.lake(team.maps("agent", COLUMNS, begin=1))
    read_all(lake)
    assert [event["process_pid"] for event in rows(lake.settings, "events")] == [2]
