"""The lake without Spark: tables as Arrow and as DuckDB views, for the API, the hunter and the command line."""

from collections.abc import Iterable
from pathlib import Path

import duckdb
import duckdb_extension_delta
from deltalake import DeltaTable

from pipelines.schemas.tables import TABLES, table_named
from pipelines.settings import Settings

__all__ = ["connect", "delta_table", "file_sizes", "table_uri"]


def table_uri(settings: Settings, name: str) -> str:
    """Path or URI of a table."""
    return f"{settings.lake_path}/{table_named(name).name}"


def delta_table(settings: Settings, name: str) -> DeltaTable | None:
    """Open a table with delta-rs; None where it has not been written yet."""
    uri = table_uri(settings, name)
    return DeltaTable(uri) if DeltaTable.is_deltatable(uri) else None


def file_sizes(settings: Settings, name: str) -> list[int]:
    """Sizes (bytes) of the data files that a table holds now; none where it has not been written yet."""
    table = delta_table(settings, name)
    return table.get_add_actions(flatten=True)["size_bytes"].to_pylist() if table is not None else []


def connect(settings: Settings, names: Iterable[str] | None = None) -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB that has every table of the lake as a view (absent ones as empty tables)."""
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    # the extension comes in a wheel, so that nothing is downloaded
    folder = Path(duckdb_extension_delta.__file__).parent / "extensions" / f"v{duckdb.__version__}"
    connection.load_extension(str(folder / "delta.duckdb_extension"))
    for name in names or TABLES:
        uri = table_uri(settings, name)
        if DeltaTable.is_deltatable(uri):
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM delta_scan('{uri.replace(chr(39), chr(39) * 2)}')")
        else:
            empty = table_named(name).schema.empty_table()
            connection.register(f"_{name}", empty)
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM _{name}")
    return connection
