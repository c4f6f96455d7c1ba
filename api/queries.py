"""SQL over the lake's newest snapshot, in DuckDB and without Spark; each query is a file in ``api/sql``.

What a caller may see is bound here, for whatever is asked: a query of a tenant's sees no table that holds another's rows.
"""

from collections.abc import Callable, Sequence
from copy import copy
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from api.journal import JOURNALS, Journal
from api.snapshots import Snapshots, first_line
from pipelines.alerting.suppression import make_views
from pipelines.alerting.suppression_file import suppressions_of_file
from pipelines.errors import LakeError
from pipelines.settings import Settings

__all__ = ["Queries"]

_SQL = Path(__file__).parent / "sql"

Row = dict[str, Any]


class Queries:
    """The lake as the API asks it: every call sees the newest snapshot; may be used by many threads.

    Attributes:
        tenant: whose rows are seen and written; None: every tenant's.
        snapshots: of all tenants' tables.

    Raises:
        SettingsError: the file of suppressions cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.tenant: str | None = None
        self.snapshots = Snapshots(settings)
        self._journals = {name: Journal(settings, name, self.snapshots) for name in JOURNALS}
        self._suppressions_of_file = suppressions_of_file(settings)
        self._duckdb = duckdb.connect()

    def bound_to(self, tenant: str | None) -> "Queries":
        """The same lake, with no rows but that tenant's; None binds to nothing further."""
        if self.tenant is not None and tenant != self.tenant:
            raise RuntimeError("bound to a tenant already")
        bound = copy(self)
        bound.tenant = tenant
        return bound

    def written(self, journal: str) -> Any:  # noqa: ANN401 - pyarrow is untyped here
        """All rows of a table that the API writes, as Arrow.

        Raises:
            LakeError: it cannot be read.
        """
        return self._bound(self._journals[journal].rows())

    def suppressions(self) -> Any:  # noqa: ANN401 - pyarrow is untyped here
        """All rows of ``suppressions`` that may be seen, and those of the file, as Arrow.

        Raises:
            LakeError: the table cannot be read.
        """
        return pa.concat_tables([self.written("suppressions"), self._bound(self._suppressions_of_file)])

    def append(self, journal: str, decide: Callable[[Any], Sequence[Row]]) -> None:
        """Append to a table that the API writes; see `Journal.append`.

        Raises:
            LakeError: it cannot be written.
        """

        def decide_bound(rows: Any) -> Sequence[Row]:  # noqa: ANN401 - pyarrow is untyped here
            new = decide(self._bound(rows))
            if self.tenant is not None and any(row["tenant"] != self.tenant for row in new):
                raise RuntimeError(f"a row of another tenant than {self.tenant!r}")
            return new

        self._journals[journal].append(decide_bound)

    def rows(self, query: str, values: dict[str, Any], tables: Sequence[str], **frames: object) -> list[Row]:
        """Rows of a query; see `table`."""
        found: list[Row] = self.table(query, values, tables, **frames).to_pylist()
        return found

    def row(self, table: str, column: str, value: str) -> Row | None:
        """The row of a table in which a column holds a value; None where there is none.

        Looks through the one column, file by file, and reads the others only of the file that has it: an alert's row of
        10,000 costs 6 ms of processor time, 70 where every column of every file is read. All of the column that may be seen is
        read, and the value looked for in that: Arrow skips rows by the bounds of their values, so that a file that holds the
        value for another tenant would take longer than one that does not.

        Raises:
            LakeError: the lake cannot be read.
        """
        dataset = self.snapshots.dataset(table)
        is_own = None if self.tenant is None else pc.field("tenant") == self.tenant
        try:
            # a table that is not there yet is empty, and has no files
            for file in [] if isinstance(dataset, pa.Table) else dataset.get_fragments():
                own = file.to_table(schema=dataset.schema, columns=[column], filter=is_own)[column]
                if pc.index(own, value).as_py() >= 0:
                    is_wanted = pc.field(column) == value
                    rows = file.to_table(
                        schema=dataset.schema, filter=is_wanted if is_own is None else is_wanted & is_own
                    )
                    found: Row = rows.to_pylist()[0]
                    return found
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(error) from error
        return None

    def columns(self, table: str, names: Sequence[str]) -> Any:  # noqa: ANN401 - pyarrow is untyped here
        """Columns of a table, all rows that may be seen, as Arrow: to look for a value in as long as `row` does.

        Raises:
            LakeError: the lake cannot be read.
        """
        source = self._bound(self.snapshots.dataset(table))
        try:
            return source.select(list(names)) if isinstance(source, pa.Table) else source.to_table(columns=list(names))
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(error) from error

    def table(self, query: str, values: dict[str, Any], tables: Sequence[str], **frames: object) -> Any:  # noqa: ANN401
        """Run the query of that name.

        Args:
            query: name of a file in ``api/sql``.
            values: its parameters.
            tables: tables of the lake that it reads. Where ``suppressions`` is one, ``alerts`` comes before it; those of the
                file are in it, and the views of `pipelines.alerting.suppression` are there as well.
            frames: other tables that it reads, by name; with a column `tenant` as well.

        Returns:
            An Arrow table; times are UTC.

        Raises:
            LakeError: the lake cannot be read.
        """
        with self._duckdb.cursor() as cursor:
            for name in tables:
                source = self._source(name)
                cursor.register(name, source)
                if name == "suppressions":
                    make_views(cursor, are_any=source.num_rows > 0)
            for name, frame in frames.items():
                cursor.register(name, self._bound(frame))
            try:
                found = cursor.execute(_text(query), values).to_arrow_table()
            except (duckdb.Error, OSError, pa.ArrowException) as error:
                # the SQL is ours and its values are bound: what fails is reading
                raise _unreadable(error) from error
        return found.cast(pa.schema([_in_utc(field) for field in found.schema]))

    def _source(self, name: str) -> Any:  # noqa: ANN401 - pyarrow is untyped here
        if name == "suppressions":
            return self.suppressions()
        return self.written(name) if name in self._journals else self._bound(self.snapshots.dataset(name))

    def _bound(self, source: Any) -> Any:  # noqa: ANN401 - pyarrow is untyped here
        """An Arrow table or dataset without other tenants' rows."""
        return source if self.tenant is None else source.filter(pc.field("tenant") == self.tenant)


def _unreadable(error: Exception) -> LakeError:
    return LakeError(f"the lake cannot be read: {first_line(error)}; `logster doctor` checks it")


@cache
def _text(query: str) -> str:
    return (_SQL / f"{query}.sql").read_text(encoding="utf-8")


def _in_utc(field: Any) -> Any:  # noqa: ANN401 - pyarrow is untyped here
    return field.with_type(pa.timestamp("us", tz="UTC")) if pa.types.is_timestamp(field.type) else field
