"""The lake as one in-memory DuckDB that can do nothing but read it: its tables and the dashboards' views over them.

For a process that runs queries that others have written (Superset). Only a lake on this machine's disks: the lock allows
no network. Unlike ``pipelines.lake_reader`` it stays open, since loading the Delta extension costs more than most queries;
each query reads the newest snapshot all the same.
"""

import os
import threading
from collections.abc import Mapping
from pathlib import Path

import duckdb
import duckdb_extension_delta

from pipelines.errors import LakeError, QueryError
from pipelines.schemas.tables import TABLES

__all__ = ["LockedLake", "check_reads_only"]

_PUBLIC = tuple(name for name, table in TABLES.items() if table.is_public)
_MOST_THREADS = 4
_MEMORY = "1GB"
# nothing else may run: COPY writes files even where only SELECT is thought to be allowed, EXPLAIN ANALYZE runs what it
# explains, ATTACH and SET change what others see
_ALLOWED = (duckdb.StatementType.SELECT, duckdb.StatementType.TRANSACTION)


class LockedLake:
    """One DuckDB a process, made when it is first asked for; a forked process makes its own. Any thread may use it.

    Args:
        lake: absolute path of the lake.
        views: SQL (one SELECT) by name of the view, over the lake's public tables, ``addresses`` and the views before it.
        api_url: where browsers reach the API, without a slash at its end: the one row of ``addresses``, which views make links
            of; None where there is nothing to lead to.

    Raises:
        LakeError: the lake is not on a disk of this machine.
    """

    def __init__(self, lake: str, views: Mapping[str, str], *, api_url: str | None = None) -> None:
        if "://" in lake:
            raise LakeError(
                f"dashboards read a lake on this machine's disks, not {lake}: set LOGSTER_LAKE to a path, "
                "or give Superset another engine (docs/dashboards.md)"
            )
        self._lake, self._views, self._api_url = Path(lake), dict(views), api_url
        self._lock = threading.Lock()
        self._root: duckdb.DuckDBPyConnection | None = None
        self._made_for: tuple[int, frozenset[str]] | None = None

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of the caller's own; closing it leaves the others alone.

        A table that has been written for the first time since the last call takes the place of its empty stand-in.
        """
        with self._lock:
            present = frozenset(name for name in _PUBLIC if _has_commit(self._lake / name))
            wanted = (os.getpid(), present)
            if self._root is None or self._made_for != wanted:
                # an earlier one ends with its last cursor; a parent process's must not be touched
                self._root, self._made_for = self._open(present), wanted
            return self._root.cursor()

    def _open(self, present: frozenset[str]) -> duckdb.DuckDBPyConnection:
        threads = str(min(_MOST_THREADS, os.cpu_count() or 1))
        connection = duckdb.connect(
            ":memory:",
            config={
                # its signature is checked anew at each start otherwise, which takes 0.3 s; the file is a locked wheel's
                "allow_unsigned_extensions": "true",
                "autoinstall_known_extensions": "false",
                "threads": threads,
                "memory_limit": _MEMORY,
                "temp_directory": "",
            },
        )
        folder = Path(duckdb_extension_delta.__file__).parent / "extensions" / f"v{duckdb.__version__}"
        connection.load_extension(str(folder / "delta.duckdb_extension"))
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        for name in _PUBLIC:
            if name in present:
                place = _literal(str(self._lake / name))
                connection.execute(f'CREATE VIEW "{name}" AS SELECT * FROM delta_scan({place})')
            else:
                connection.register("_empty", TABLES[name].schema.empty_table())
                connection.execute(f'CREATE TABLE "{name}" AS FROM _empty')
                connection.unregister("_empty")
        connection.execute("CREATE TABLE addresses AS SELECT CAST(? AS VARCHAR) AS api_url", [self._api_url])
        for name, query in self._views.items():
            connection.execute(f'CREATE VIEW "{name}" AS {query}')
        connection.execute(f"SET GLOBAL allowed_directories = [{_literal(str(self._lake))}]")
        connection.execute("SET GLOBAL enable_external_access = false")
        connection.execute("SET GLOBAL lock_configuration = true")
        return connection


def check_reads_only(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    """Refuse what does more than read.

    Args:
        connection: whose parser is asked; nothing is run.
        statement: SQL, one statement or several.

    Raises:
        QueryError: one of them is no SELECT.
    """
    for part in connection.extract_statements(statement):
        if part.type not in _ALLOWED:
            raise QueryError(f"{part.type.name} is refused: this connection only reads; write a SELECT")


def _has_commit(table: Path) -> bool:
    """Whether a first commit is there; a folder without one is a table in the making."""
    try:
        with os.scandir(table / "_delta_log") as entries:
            return any(entry.name.endswith((".json", ".parquet")) for entry in entries)
    except OSError:
        return False


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
