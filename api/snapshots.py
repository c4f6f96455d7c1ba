"""Open handles on the lake's Delta tables, brought up to date for every request without opening them anew.

Opening a table reads its whole log (9 ms at 20 commits, more with every commit until the next checkpoint); catching up
from a kept handle takes 1 ms. The queries are in ``api.store``.
"""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

from pipelines.errors import LakeError
from pipelines.lake_reader import delta_table, table_uri
from pipelines.schemas.tables import table_named
from pipelines.settings import Settings

__all__ = ["Snapshots"]

# a table that was removed and made again under the same path would never be noticed by catching up
_REOPEN_SECONDS = 30.0
_TROUBLE = (DeltaError, OSError, pa.ArrowException, ValueError)


@dataclass
class _Kept:
    handle: DeltaTable
    opened: float
    version: int
    dataset: Any = None


class Snapshots:
    """The newest snapshot of each table; may be used by many threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def version(self, name: str) -> int | None:
        """Delta version of a table as it is now; None where it is not there yet.

        Raises:
            LakeError: it cannot be read.
        """
        with self._lock:
            kept = self._current(name)
            return kept.version if kept else None

    def dataset(self, name: str) -> Any:  # noqa: ANN401 - pyarrow is untyped here
        """A table as it is now, as something DuckDB can scan; empty where it is not there yet.

        Raises:
            LakeError: it cannot be read.
        """
        with self._lock:
            kept = self._current(name)
            if kept is None:
                return table_named(name).schema.empty_table()
            if kept.dataset is None:
                try:
                    kept.dataset = kept.handle.to_pyarrow_dataset()
                except _TROUBLE as error:
                    raise self._unreadable(name, error) from error
            return kept.dataset

    def newest(self, name: str, column: str) -> datetime | None:
        """Latest time in a column, from the files' statistics (to the millisecond), without reading data.

        Raises:
            LakeError: the table cannot be read.
        """
        with self._lock:
            kept = self._current(name)
            if kept is None:
                return None
            try:
                files = pa.table(kept.handle.get_add_actions(flatten=True))
            except _TROUBLE as error:
                raise self._unreadable(name, error) from error
        if f"max.{column}" not in files.column_names:
            return None
        times = [value for value in files[f"max.{column}"].to_pylist() if isinstance(value, datetime)]
        newest = max(times, default=None)
        return newest.astimezone(UTC) if newest and newest.tzinfo else newest and newest.replace(tzinfo=UTC)

    def append(self, name: str, row: dict[str, Any]) -> None:
        """Append one row; the table is created where it is not there yet.

        Raises:
            LakeError: it cannot be written.
        """
        rows = pa.Table.from_pylist([row], schema=table_named(name).schema.remove_metadata())
        try:
            write_deltalake(table_uri(self._settings, name), rows, mode="append")
        except _TROUBLE as error:
            raise LakeError(f"table {name} cannot be written: {_first_line(error)}") from error

    def _current(self, name: str) -> _Kept | None:
        kept = self._kept.get(name)
        if kept is not None and time.monotonic() - kept.opened < _REOPEN_SECONDS:
            try:
                kept.handle.update_incremental()
            except _TROUBLE:
                kept = None  # moved, cleaned up or replaced: opening says which
            else:
                if kept.handle.version() != kept.version:
                    kept.version, kept.dataset = kept.handle.version(), None
                return kept
        self._kept.pop(name, None)
        try:
            handle = delta_table(self._settings, name)
        except _TROUBLE as error:
            raise self._unreadable(name, error) from error
        if handle is None:
            return None
        self._kept[name] = _Kept(handle, time.monotonic(), handle.version())
        return self._kept[name]

    def _unreadable(self, name: str, error: Exception) -> LakeError:
        place = table_uri(self._settings, name)
        return LakeError(f"table {place} cannot be read: {_first_line(error)}; `logster doctor` checks the lake")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
