"""The peer: DuckDB reading the same files to the main columns of ``events``, written as zstd Parquet.

It does less than Logster: no copy of the raw lines, no quarantine, no process keys, no work list, no transactions, and
only the kinds of records that are in the telemetry. So it says what the reading itself costs on this machine.
"""

from pathlib import Path

import duckdb

from benchmarks.telemetry import TENANT, Telemetry

__all__ = ["events_of", "write_events"]

_SQL = Path(__file__).parent / "sql"


def events_of(connection: duckdb.DuckDBPyConnection, telemetry: Telemetry, kind: str) -> duckdb.DuckDBPyRelation:
    """The telemetry as rows of the main columns of ``events``, computed when they are asked for.

    Args:
        connection: where to.
        telemetry: files.
        kind: ``windows`` or ``auditd``.
    """
    connection.execute("SET VARIABLE files = ?", [[str(path) for path in telemetry.files]])
    connection.execute("SET VARIABLE tenant = ?", [TENANT])
    return connection.sql((_SQL / f"{kind}.sql").read_text())


def write_events(telemetry: Telemetry, kind: str, target: Path, *, n_threads: int) -> int:
    """Read, convert and write.

    Returns:
        Number of events.
    """
    with duckdb.connect(config={"threads": n_threads}) as connection:
        events_of(connection, telemetry, kind).write_parquet(str(target), compression="zstd")
        row = connection.execute("SELECT count(*) FROM read_parquet(?)", [str(target)]).fetchone()
    assert row is not None  # an aggregate always has its row
    return int(row[0])
