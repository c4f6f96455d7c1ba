"""Open handles on the lake's Delta tables, brought up to date for every request without opening them anew.

Opening a table reads its whole log (9 ms at 20 commits, more with every commit until the next checkpoint); catching up
from a kept handle takes 1 ms. The queries are in ``api.queries``, writing in ``api.journal``.
"""

import threading
import time
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from pipelines.errors import LakeError
from pipelines.lake_reader import delta_table, table_uri
from pipelines.schemas.tables import refuse_missing, table_named
from pipelines.settings import Settings

__all__ = ["TROUBLE", "KeptTable", "Snapshots", "first_line"]

# a table that was removed and made again under the same path would never be noticed by catching up
_REOPEN_SECONDS = 30.0
TROUBLE = (DeltaError, OSError, pa.ArrowException, ValueError)
"""What delta-rs and Arrow raise where a table cannot be read or written."""


class KeptTable:
    """One table's handle, kept open; for one thread at a time."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._handle: DeltaTable | None = None
        self._opened = 0.0
        self._dataset: tuple[tuple[str, int], Any] | None = None

    def newest(self) -> DeltaTable | None:
        """The handle at the newest version; None where the table is not there yet.

        Raises:
            LakeError: it cannot be read, or lacks columns.
        """
        if self._handle is not None and time.monotonic() - self._opened < _REOPEN_SECONDS:
            try:
                self._handle.update_incremental()
            except TROUBLE:
                pass  # moved, cleaned up or replaced: opening says which
            else:
                return self._handle
        self._handle = None
        try:
            self._handle = delta_table(self._settings, self._name)
        except TROUBLE as error:
            raise self.unreadable(error) from error
        if self._handle is not None:
            names = [field.name for field in self._handle.schema().fields]
            refuse_missing(table_named(self._name), names, table_uri(self._settings, self._name))
        self._opened = time.monotonic()
        return self._handle

    def identity(self) -> tuple[str, int] | None:
        """The table's own id and its newest version; None where it is not there yet."""
        handle = self.newest()
        return None if handle is None else (handle.metadata().id, handle.version())

    def dataset(self) -> Any:  # noqa: ANN401 - pyarrow is untyped here
        """The newest version as something DuckDB can scan; None where it is not there yet."""
        identity = self.identity()
        if identity is None or self._handle is None:
            return None
        if self._dataset is None or self._dataset[0] != identity:
            try:
                self._dataset = (identity, self._handle.to_pyarrow_dataset())
            except TROUBLE as error:
                raise self.unreadable(error) from error
        return self._dataset[1]

    def unreadable(self, error: Exception) -> LakeError:
        """What to say of trouble with this table."""
        place = table_uri(self._settings, self._name)
        return LakeError(f"table {place} cannot be read: {first_line(error)}; `logster doctor` checks the lake")


class Snapshots:
    """The newest snapshot of each table; may be used by many threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept: dict[str, KeptTable] = {}
        self._lock = threading.Lock()

    def version(self, name: str) -> int | None:
        """Delta version of a table as it is now; None where it is not there yet.

        Raises:
            LakeError: it cannot be read.
        """
        identity = self.identity(name)
        return identity[1] if identity else None

    def identity(self, name: str) -> tuple[str, int] | None:
        """The table's own id and its version as it is now; None where it is not there yet.

        Raises:
            LakeError: it cannot be read.
        """
        with self._lock:
            return self._table(name).identity()

    def dataset(self, name: str) -> Any:  # noqa: ANN401 - pyarrow is untyped here
        """A table as it is now, as something DuckDB can scan; empty where it is not there yet.

        Raises:
            LakeError: it cannot be read.
        """
        with self._lock:
            found = self._table(name).dataset()
        return table_named(name).schema.empty_table() if found is None else found

    def newest(self, name: str, column: str) -> datetime | None:
        """Latest time in a column, from the files' statistics (to the millisecond), without reading data.

        Raises:
            LakeError: the table cannot be read.
        """
        with self._lock:
            table = self._table(name)
            handle = table.newest()
            if handle is None:
                return None
            try:
                files = pa.table(handle.get_add_actions(flatten=True))
            except TROUBLE as error:
                raise table.unreadable(error) from error
        if f"max.{column}" not in files.column_names:
            return None
        times = [value for value in files[f"max.{column}"].to_pylist() if isinstance(value, datetime)]
        newest = max(times, default=None)
        return newest.astimezone(UTC) if newest and newest.tzinfo else newest and newest.replace(tzinfo=UTC)

    def _table(self, name: str) -> KeptTable:
        return self._kept.setdefault(name, KeptTable(self._settings, name))


def first_line(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error).splitlines() or [type(error).__name__])[0]
