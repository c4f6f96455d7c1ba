"""Whoever runs SQL on it reads the lake, and does nothing else."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from pipelines.errors import LakeError, QueryError
from pipelines.locked_lake import LockedLake, check_reads_only
from pipelines.schemas.tables import TABLES

pytestmark = pytest.mark.fast

FEEDBACK = {
    "feedback_id": "f",
    "alert_id": "a",
    "tenant": "acme",
    "verdict": "true_positive",
    "comment": None,
    "actor": "ana",
}


@pytest.fixture
def lake(settings) -> LockedLake:
    return LockedLake(settings.lake_path, {"doubled": "SELECT * FROM feedback UNION ALL SELECT * FROM feedback"})


def count(lake: LockedLake, name: str) -> int:
    return lake.cursor().execute(f"SELECT count(*) FROM {name}").fetchall()[0][0]


def test_tables_that_are_not_there_yet_are_empty_and_then_are_not(lake, write):
    assert count(lake, "doubled") == 0
    write("feedback", {**FEEDBACK, "created_at": datetime(2026, 3, 1, tzinfo=UTC)})
    assert count(lake, "doubled") == 2
    open_cursor = lake.cursor()
    write("feedback", {**FEEDBACK, "created_at": datetime(2026, 3, 1, tzinfo=UTC)})
    assert open_cursor.execute("SELECT count(*) FROM feedback").fetchall() == [(2,)]


def test_public_tables_have_their_declared_columns(lake):
    for name, table in TABLES.items():
        if table.is_public:
            described = lake.cursor().execute(f"DESCRIBE {name}").fetchall()
            assert [row[0] for row in described] == table.schema.names


def test_a_table_in_the_making_is_no_table_yet(lake, settings):
    Path(settings.lake_path, "alerts", "_delta_log").mkdir(parents=True)
    assert count(lake, "alerts") == 0


@pytest.mark.parametrize(
    "statement",
    [
        "COPY (SELECT 1) TO '{lake}/x.csv'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{lake}/x.csv'",
        "SELECT 1; COPY (SELECT 1) TO '{lake}/x.csv'",
        "ATTACH ':memory:' AS other",
        "CREATE TABLE t AS SELECT 1",
        "DROP VIEW alerts",
        "INSERT INTO alerts SELECT * FROM alerts",
        "SET threads = 1",
        "INSTALL httpfs",
        "CALL pragma_version()",
    ],
)
def test_what_does_more_than_read_is_refused(lake, settings, statement):
    with pytest.raises(QueryError, match="only reads"):
        check_reads_only(lake.cursor(), statement.format(lake=settings.lake_path))


def test_what_reads_is_let_through(lake):
    for statement in ("SELECT 1", "WITH a AS (SELECT 1) FROM a", "FROM alerts", "BEGIN", "ROLLBACK"):
        check_reads_only(lake.cursor(), statement)


@pytest.mark.parametrize("read", ["read_text('/etc/passwd')", "read_csv('/etc/passwd')", "glob('/etc/*')"])
def test_no_file_outside_the_lake_is_read(lake, read):
    with pytest.raises(duckdb.PermissionException):
        lake.cursor().execute(f"FROM {read}")


def test_the_lock_cannot_be_opened(lake):
    for setting in ("enable_external_access = true", "lock_configuration = false", "allowed_directories = ['/']"):
        with pytest.raises(duckdb.Error, match="locked"):
            lake.cursor().execute(f"SET GLOBAL {setting}")


def test_many_threads_read_at_once(lake, write):
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda _: count(lake, "alerts"), range(64))) == {0}


def test_a_lake_on_an_object_store_is_refused_with_the_way_out():
    with pytest.raises(LakeError, match=r"LOGSTER_LAKE.*docs/dashboards\.md"):
        LockedLake("s3://bucket/lake", {})


def test_a_quote_in_a_path_is_no_sql(tmp_path):
    place = tmp_path / "o'lake"
    write_deltalake(str(place / "feedback"), pa.Table.from_pylist([], TABLES["feedback"].schema.remove_metadata()))
    assert count(LockedLake(str(place), {}), "feedback") == 0


def test_views_lead_to_the_address_that_they_are_told_and_nowhere_without(settings):
    views = {"link": "SELECT api_url || '/x' AS page FROM addresses"}
    for api_url, expected in (("https://a.example/it's", "https://a.example/it's/x"), (None, None)):
        cursor = LockedLake(settings.lake_path, views, api_url=api_url).cursor()
        assert cursor.execute("FROM link").fetchall() == [(expected,)]
