"""The outbox: a table to which every change of an alert is added once, whoever made it and however often this is called.

It is derived from ``alerts``, ``alert_changes`` and ``feedback``, not from the code that writes them: so stream, Dagster,
API and command line need to know nothing of it, and what a crash cut off is found by the next look. What ``suppressions`` keep
quiet as they stand at that look is left out. One Delta commit holds
the new rows and, as Delta's ``txn`` actions, the versions of the three tables up to which all is told; it is tried on
exactly the version that was looked at, so that of two writers the slower one looks again. Needs no Spark.
"""

import json
import time
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from pipelines.alerting.suppression_file import suppressions_of_file
from pipelines.errors import LakeError
from pipelines.lake_reader import delta_table, table_uri
from pipelines.schemas.outbox import ChangeKind
from pipelines.schemas.tables import refuse_missing, table_named
from pipelines.settings import Settings
from pipelines.sinks.audible import audible
from pipelines.sinks.changes import (
    AlertChanged,
    Document,
    alert_document,
    changes_of_alerts,
    changes_of_analysts,
    changes_of_verdicts,
    in_order,
    standings,
)  # fmt: skip
from pipelines.sinks.table_changes import Difference, difference, opened_at, rows_with

__all__ = ["Outbox"]

# columns that are equal where a row is the same; the pipeline moves `updated_at` exactly where an alert changes
_STAMPS = {"alert_changes": ("change_id",), "feedback": ("feedback_id",), "alerts": ("alert_id", "updated_at")}
_OF_PIPELINE = (ChangeKind.CREATED, ChangeKind.UPDATED, ChangeKind.WITHDRAWN)
_STANDING = ("alert_id", "change_id", "to_status", "assignee", "changed_at")
_TOLD = ("sequence", "alert_id", "kind", "document")
_APP = "logster-outbox"
_BATCH_ROWS = 1_000
_GIVE_UP_SECONDS = 30.0
# a table that was removed and made again under the same path would never be noticed by catching up
_REOPEN_SECONDS = 30.0
_TROUBLE = (DeltaError, OSError, pa.ArrowException, ValueError)
_T = TypeVar("_T")


class Outbox:
    """The outbox of one lake; for one thread at a time.

    Args:
        settings: say where the lake is.

    Raises:
        SettingsError: the file of suppressions cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._handles: dict[str, tuple[float, DeltaTable]] = {}  # and when they were opened
        # versions that brought nothing to tell (small files put together): looked at, though in no commit
        self._quiet: dict[str, int] = {}
        self._suppressions_of_file = suppressions_of_file(settings)

    def tell(self, *, now: datetime) -> int:
        """Add what has changed since the last call, by whomever.

        Args:
            now: wall clock (UTC), for `written_at` alone.

        Returns:
            Rows added.

        Raises:
            LakeError: a table cannot be read or written, or others kept writing for half a minute.
        """
        attempts = Retrying(
            retry=retry_if_exception_type(CommitFailedError),
            stop=stop_after_delay(_GIVE_UP_SECONDS),
            wait=wait_random_exponential(multiplier=0.01, max=0.5),
            reraise=True,
        )
        return self._guarded(lambda: attempts(self._tell_once, now))

    def identity(self) -> str:
        """Delta's id of the table, which survives a move of the lake.

        Raises:
            LakeError: it cannot be read or made.
        """
        return self._guarded(lambda: str(self._own().metadata().id))

    def last_sequence(self) -> int:
        """The highest sequence so far; 0 where nothing has been told.

        Raises:
            LakeError: the table cannot be read.
        """
        return self._guarded(lambda: _last_sequence(self._own()))

    def rows_after(self, sequence: int, *, at_most: int) -> list[dict[str, Any]]:
        """The next rows in order, read from the files that hold them.

        Args:
            sequence: where to go on, not in it.
            at_most: how many.

        Raises:
            LakeError: the table cannot be read.
        """
        place = pc.field("sequence")
        wanted = (place > sequence) & (place <= sequence + at_most)

        def read() -> list[dict[str, Any]]:
            rows: list[dict[str, Any]] = self._own().to_pyarrow_dataset().to_table(filter=wanted).to_pylist()
            return sorted(rows, key=lambda row: row["sequence"])

        return self._guarded(read)

    def _tell_once(self, now: datetime) -> int:
        own = self._own()
        # alerts last: what is said of an alert is seen with the alert there
        tables = {name: table for name in _STAMPS if (table := self._newest(name)) is not None}
        told = {name: self._told(own, table, name) for name, table in tables.items()}
        stale = [name for name, table in tables.items() if table.version() != told[name]]
        if not stale:
            return 0
        found: list[AlertChanged] = []
        for name in stale:
            found += self._changes(name, tables, told[name])
        if not found:
            self._quiet |= {_app(name, tables[name]): tables[name].version() for name in stale}
            return 0
        # where all of it is suppressed a commit without rows keeps the versions: whoever looks next, under other suppressions,
        # must not tell what was passed over
        found = audible(found, self._suppressions(), lambda alert_ids: self._last_told(own, alert_ids))
        first = _last_sequence(own) + 1
        rows = [change.row(sequence=number, now=now) for number, change in enumerate(in_order(found), first)]
        versions = [Transaction(_app(name, tables[name]), tables[name].version()) for name in stale]
        write_deltalake(
            own,
            pa.Table.from_pylist(rows, schema=table_named("outbox").schema.remove_metadata()),
            mode="append",
            commit_properties=CommitProperties(
                max_commit_retries=0,
                app_transactions=[*versions, Transaction(f"{_APP}/sequence", first + len(rows) - 1)],
            ),
        )
        return len(rows)

    def _changes(self, name: str, tables: dict[str, DeltaTable], told: int | None) -> list[AlertChanged]:
        table = tables[name]
        old = opened_at(table_uri(self._settings, name), told)
        try:
            seen = difference(old, table, stamp=_STAMPS[name]) if old is not None else None
        except FileNotFoundError:  # the pipeline stood still for longer than replaced files are kept
            seen = None
        if seen is not None:
            return self._named(name, tables, seen, self._alerts(tables, seen.before) if name == "alerts" else {})
        # never looked at, or too long ago: all that there is, against all that was told
        everything = difference(None, table, stamp=_STAMPS[name])
        changes = self._named(name, tables, everything, self._alerts_told() if name == "alerts" else {})
        known = self._ids_told() if changes else set()
        return [change for change in changes if change.change_id not in known]

    def _named(
        self, name: str, tables: dict[str, DeltaTable], seen: Difference, before: dict[str, Document]
    ) -> list[AlertChanged]:
        if name == "alerts":
            return changes_of_alerts(before, self._alerts(tables, seen.after))
        rows = seen.after.to_pylist()
        if not rows:
            return []
        ids = {row["alert_id"] for row in rows}
        there = tables.get("alerts")
        about = rows_with(there.to_pyarrow_dataset(), "alert_id", ids) if there is not None else None
        alerts = self._alerts(tables, about) if about is not None else {}
        return (changes_of_analysts if name == "alert_changes" else changes_of_verdicts)(rows, alerts)

    def _alerts(self, tables: dict[str, DeltaTable], rows: Any) -> dict[str, Document]:  # noqa: ANN401 - an Arrow table
        """Alerts as documents, by id, with where analysts have taken them by now."""
        changes, standing = tables.get("alert_changes"), {}
        if changes is not None and rows.num_rows:
            dataset = changes.to_pyarrow_dataset()
            standing = standings(rows_with(dataset, "alert_id", rows["alert_id"], _STANDING).to_pylist())
        return {
            row["alert_id"]: alert_document(row, standing.get(row["alert_id"]))
            for batch in rows.to_batches(max_chunksize=_BATCH_ROWS)  # as plain values a row takes many times its place
            for row in batch.to_pylist()
        }

    def _suppressions(self) -> Any:  # noqa: ANN401 - an Arrow table
        table, names = self._newest("suppressions"), self._suppressions_of_file.schema.names
        if table is None:
            return self._suppressions_of_file
        there = table.to_pyarrow_dataset().to_table(columns=names).cast(self._suppressions_of_file.schema)
        return pa.concat_tables([there, self._suppressions_of_file])

    def _ids_told(self) -> set[str]:
        return set(self._own().to_pyarrow_dataset().to_table(columns=["change_id"])["change_id"].to_pylist())

    def _alerts_told(self) -> dict[str, Document]:
        """Each alert as it was told last, unless it was withdrawn."""
        return _newest_told(self._own().to_pyarrow_dataset().to_table(columns=list(_TOLD)))

    def _last_told(self, own: DeltaTable, alert_ids: Collection[str]) -> dict[str, Document]:
        """The same of some alerts."""
        dataset = own.to_pyarrow_dataset()
        # documents are nearly all of the table: the rows are found without them
        heads = rows_with(dataset, "alert_id", alert_ids, ("sequence", "alert_id", "kind"))
        heads = heads.filter(pc.is_in(heads["kind"], pa.array([str(kind) for kind in _OF_PIPELINE])))
        last = {row["alert_id"]: row["sequence"] for row in heads.sort_by("sequence").to_pylist()}
        if not last:
            return {}
        return _newest_told(
            dataset.to_table(filter=pc.field("sequence").isin(list(last.values())), columns=list(_TOLD))
        )

    def _told(self, own: DeltaTable, table: DeltaTable, name: str) -> int | None:
        app = _app(name, table)
        known = (own.transaction_version(app), self._quiet.get(app))
        return max((version for version in known if version is not None), default=None)

    def _own(self) -> DeltaTable:
        found = self._newest("outbox")
        if found is None:
            table = table_named("outbox")
            uri = table_uri(self._settings, "outbox")
            DeltaTable.create(uri, table.schema.remove_metadata(), mode="ignore", configuration=table.properties)
            found = self._newest("outbox")
            assert found is not None  # just made, by us or by another
        return found

    def _newest(self, name: str) -> DeltaTable | None:
        """A table's handle at its newest version; catching up costs a tenth of opening it."""
        opened, handle = self._handles.pop(name, (0.0, None))
        if handle is not None and time.monotonic() - opened < _REOPEN_SECONDS:
            try:
                handle.update_incremental()
            except _TROUBLE:
                pass  # moved, cleaned up or replaced: opening says which
            else:
                self._handles[name] = (opened, handle)
                return handle
        handle = delta_table(self._settings, name)
        if handle is not None:
            names = [field.name for field in handle.schema().fields]
            refuse_missing(table_named(name), names, table_uri(self._settings, name))
            self._handles[name] = (time.monotonic(), handle)
        return handle

    def _guarded(self, read: Callable[[], _T]) -> _T:
        try:
            return read()
        except _TROUBLE as error:
            raise LakeError(
                f"the outbox of {self._settings.lake} cannot be kept: {str(error).partition(chr(10))[0]}"
            ) from error


def _newest_told(rows: Any) -> dict[str, Document]:  # noqa: ANN401 - an Arrow table
    of_pipeline = rows.filter(pc.is_in(rows["kind"], pa.array([str(kind) for kind in _OF_PIPELINE])))
    last = {row["alert_id"]: row for row in of_pipeline.sort_by("sequence").to_pylist()}
    return {
        alert_id: json.loads(row["document"])["alert"]
        for alert_id, row in last.items()
        if row["kind"] != ChangeKind.WITHDRAWN
    }


def _last_sequence(own: DeltaTable) -> int:
    return own.transaction_version(f"{_APP}/sequence") or 0


def _app(name: str, table: DeltaTable) -> str:
    """Name of a table's transactions; a table that is made anew under its path is another."""
    return f"{_APP}/{name}/{table.metadata().id}"
