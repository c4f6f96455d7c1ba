"""The tables that the API alone writes, held in memory and appended by compare-and-swap.

A Delta append never conflicts with another: two analysts who read the same state would both be right. So each append here
is tried on exactly the version that was looked at, and where another was quicker, the decision is made anew on what is
there by then. That holds across threads and processes. Other tables are read through ``api.snapshots``.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import structlog
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from api.snapshots import TROUBLE, KeptTable, Snapshots, first_line
from pipelines.errors import LakeError
from pipelines.lake_reader import table_uri
from pipelines.schemas.tables import table_named
from pipelines.settings import Settings

__all__ = ["JOURNALS", "Journal"]

JOURNALS = ("alert_changes", "feedback", "suppressions")
"""Tables that the API alone writes."""

_GIVE_UP_SECONDS = 10.0
# every append is a file of some 4 KB, and every reader of the table opens all of them
_FILES_BEFORE_COMPACTION = 100

_LOG = structlog.get_logger("logster.api")

Row = dict[str, Any]


class Journal:
    """One append-only table with all its rows in memory; may be used by many threads."""

    def __init__(self, settings: Settings, name: str, snapshots: Snapshots) -> None:
        self.name = name
        self._uri = table_uri(settings, name)
        self._schema = table_named(name).schema.remove_metadata()
        self._snapshots = snapshots
        # a handle of its own: one that a reader may move between decision and commit would prove nothing
        self._target = KeptTable(settings, name)
        self._writing = threading.Lock()
        self._holding = threading.Lock()
        self._version: tuple[str, int] | None = None
        self._rows = self._schema.empty_table()

    def rows(self) -> Any:  # noqa: ANN401 - pyarrow is untyped here
        """All rows as they are now.

        Raises:
            LakeError: the table cannot be read.
        """
        version = self._snapshots.identity(self.name)
        with self._holding:
            if version != self._version:
                self._rows, self._version = self._read(self._snapshots.dataset(self.name)), version
            return self._rows

    def append(self, decide: Callable[[Any], Sequence[Row]]) -> None:
        """Append the rows that `decide` makes of the rows that are there; none writes nothing.

        Args:
            decide: called with all rows of one version; called again where another writer was quicker. What it raises
                is raised, and nothing written.

        Raises:
            LakeError: the table cannot be written, or others kept writing for ten seconds.
        """
        attempts = Retrying(
            retry=retry_if_exception_type(CommitFailedError),
            stop=stop_after_delay(_GIVE_UP_SECONDS),
            wait=wait_random_exponential(multiplier=0.01, max=0.5),
            reraise=True,
        )
        with self._writing:
            try:
                attempts(self._append_once, decide)
            except TROUBLE as error:
                raise LakeError(f"table {self._uri} cannot be written: {first_line(error)}") from error

    def _append_once(self, decide: Callable[[Any], Sequence[Row]]) -> None:
        table = self._target.newest() or self._created()
        before = (table.metadata().id, table.version())
        with self._holding:
            if self._version != before:
                self._rows, self._version = self._read(table.to_pyarrow_dataset()), before
            there = self._rows
        new = decide(there)
        if not new:
            return
        added = pa.Table.from_pylist(list(new), schema=self._schema)
        write_deltalake(table, added, mode="append", commit_properties=CommitProperties(max_commit_retries=0))
        with self._holding:
            if self._version == before:
                self._rows, self._version = pa.concat_tables([there, added]), (before[0], table.version())
        if len(table.file_uris()) >= _FILES_BEFORE_COMPACTION:
            self._compact(table)

    def _created(self) -> DeltaTable:
        DeltaTable.create(self._uri, self._schema, mode="ignore", configuration=table_named(self.name).properties)
        table = self._target.newest()
        assert table is not None  # just made, by us or by another
        return table

    def _compact(self, table: DeltaTable) -> None:
        try:
            table.optimize.compact()
            table.vacuum(dry_run=False)  # what was compacted a week ago; nobody reads so far back
        except TROUBLE as error:  # the rows are written; the next append tries again
            _LOG.warning("table not compacted", table=self.name, reason=first_line(error))

    def _read(self, dataset: Any) -> Any:  # noqa: ANN401 - pyarrow is untyped here
        found = dataset if isinstance(dataset, pa.Table) else dataset.to_table()
        return found.select(self._schema.names).cast(self._schema).combine_chunks()
