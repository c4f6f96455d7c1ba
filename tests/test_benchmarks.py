"""What the benchmark measures with: its telemetry, and the peer's columns."""

import json
from pathlib import Path

import duckdb
import pytest

from benchmarks import polars_peer
from benchmarks.peer import events_of
from benchmarks.telemetry import Telemetry, write_auditd, write_windows
from benchmarks.usage import measured
from pipelines.schemas.telemetry import EVENTS

pytestmark = pytest.mark.fast


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Telemetry:
    return write_windows(tmp_path_factory.mktemp("windows"), 200_000, n_endpoints=2)


@pytest.fixture(scope="module")
def auditd(tmp_path_factory: pytest.TempPathFactory) -> Telemetry:
    return write_auditd(tmp_path_factory.mktemp("auditd"), 100_000)


def rows_of(telemetry: Telemetry, kind: str) -> list[dict]:
    with duckdb.connect() as connection:
        return events_of(connection, telemetry, kind).to_arrow_table().to_pylist()


def test_windows_telemetry_is_the_same_for_the_same_seed_and_of_the_size_asked_for(windows, tmp_path):
    again = write_windows(tmp_path, 200_000, n_endpoints=2)
    assert [file.read_bytes() for file in again.files] == [file.read_bytes() for file in windows.files]
    assert 200_000 <= windows.n_bytes < 210_000
    records = [json.loads(line) for file in windows.files for line in file.read_text().splitlines()]
    assert len(records) == windows.n_records
    codes = {record["winlog"]["event_id"] for record in records}
    assert {1, 3, 7, 10, 11, 12, 13, 5156} <= codes
    assert all(record["winlog"]["event_data"] for record in records)


def test_auditd_telemetry_has_each_serial_on_one_endpoint_only(auditd):
    assert auditd.n_bytes == pytest.approx(100_000, rel=0.02)
    rows = rows_of(auditd, "auditd")
    assert len({row["event_id"] for row in rows}) == len(rows)
    assert sum(len(row["record_ids"]) for row in rows) == auditd.n_records


@pytest.mark.parametrize("kind", ["windows", "auditd"])
def test_the_peer_gives_columns_of_events_only(kind, request):
    with duckdb.connect() as connection:
        schema = events_of(connection, request.getfixturevalue(kind), kind).limit(0).to_arrow_table().schema
    assert set(schema.names) <= set(EVENTS.names)
    required = {field.name for field in EVENTS if not field.nullable} - {"parser_version"}
    assert required <= set(schema.names)
    assert {name: schema.field(name).type for name in ("process_pid", "dst_port", "process_path")} == {
        name: EVENTS.field(name).type for name in ("process_pid", "dst_port", "process_path")
    }


def test_the_peer_reads_process_creations_as_the_records_say_them(windows):
    records = [json.loads(line)["winlog"] for file in windows.files for line in file.read_text().splitlines()]
    said = sorted(
        (data["NewProcessName"], int(data["NewProcessId"], 16), data["CommandLine"], data["ParentProcessName"])
        for record in records
        if record["event_id"] == 4688
        for data in [record["event_data"]]
    )
    read = sorted(
        (row["process_path"], row["process_pid"], row["command_line"], row["parent_path"])
        for row in rows_of(windows, "windows")
        if row["event_code"] == "4688"
    )
    assert said
    assert read == said


def test_the_peer_reads_executions_with_arguments_in_hex(auditd):
    executions = [row for row in rows_of(auditd, "auditd") if row["syscall"] == "execve"]
    assert executions
    assert all(row["process_path"].startswith("/") for row in executions)
    assert all(row["command_line"] for row in executions if row["outcome"] == "success")


@pytest.mark.parametrize("kind", ["windows", "auditd"])
def test_both_peers_read_the_same(kind, request):
    telemetry = request.getfixturevalue(kind)
    read = polars_peer.events_of(telemetry, kind).collect().to_dicts()
    compared = ("endpoint", "ts", "event_code", "action", "outcome", "process_pid", "process_path", "file_path", "dst_ip",
                "dst_port", "src_ip", "syscall", "registry_key", "script_text", "parent_pid")  # fmt: skip

    def told(rows: list[dict]) -> list[tuple]:
        return sorted((tuple(row.get(name) for name in compared) for row in rows), key=repr)

    assert told(read) == told(rows_of(telemetry, kind))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processor time is read from /proc")
def test_processor_time_of_a_busy_block_is_counted():
    with measured() as usage:
        sum(number * number for number in range(1_500_000))
    assert usage.processor_seconds is not None
    assert 0 < usage.processor_seconds <= usage.seconds + 0.1
