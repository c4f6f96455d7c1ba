"""Which rows of a Delta table differ between two of its versions, by reading only the files that one of them has.

A merge replaces the files it touches, and an append adds some; the files that both versions have hold the same rows. So a
look costs what the writes since the last one cost, whatever else is in the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

__all__ = ["Difference", "difference", "opened_at", "rows_with"]


@dataclass(frozen=True)
class Difference:
    """Rows that only one of two versions has.

    Attributes:
        before: those of the older version (an Arrow table).
        after: those of the newer one.
    """

    before: Any
    after: Any


def opened_at(uri: str, version: int | None) -> DeltaTable | None:
    """A table as it was at a version; None where that cannot be had any more (its log has been cleaned), or never was."""
    if version is None:
        return None
    try:
        return DeltaTable(uri, version=version)
    except DeltaError:
        return None


def difference(old: DeltaTable | None, new: DeltaTable, *, stamp: Sequence[str]) -> Difference:
    """Compare two versions of a table.

    Args:
        old: the older one; None: an empty one.
        new: the newer one.
        stamp: columns that are equal where a row is the same; the first is the row's key.

    Raises:
        FileNotFoundError: a file of the older version has been removed.
    """
    there = new.to_pyarrow_dataset()
    files = {fragment.path: fragment for fragment in there.get_fragments()}
    if old is None:
        return Difference(there.schema.empty_table(), there.to_table())
    was = old.to_pyarrow_dataset()
    had = {fragment.path: fragment for fragment in was.get_fragments()}
    gone, come = _part(was, had, files), _part(there, files, had)
    names = list(stamp)
    stamps_before, stamps_after = gone.to_table(columns=names), come.to_table(columns=names)
    key = names[0]
    lost = stamps_before.join(stamps_after, keys=names, join_type="left anti")[key]
    new_ones = stamps_after.join(stamps_before, keys=names, join_type="left anti")[key]
    return Difference(rows_with(gone, key, lost), rows_with(come, key, new_ones))


def rows_with(rows: Any, key: str, values: Any, columns: Sequence[str] | None = None) -> Any:  # noqa: ANN401 - Arrow is untyped
    """Rows of a dataset whose key is one of some values.

    Args:
        rows: an Arrow dataset.
        key: column.
        values: the values wanted.
        columns: what to read; None: all.
    """
    wanted = pa.array(values.to_pylist() if isinstance(values, pa.ChunkedArray) else list(values), pa.string())
    names = list(columns or rows.schema.names)
    if not len(wanted):
        return rows.schema.empty_table().select(names)
    # batch by batch, not as a filter of the scan: that meets the bounds in a file's own metadata, where delta-rs writes texts
    # as string_view, which Arrow compares with no other kind of text
    found = [batch.filter(pc.is_in(batch[key], wanted)) for batch in rows.to_batches(columns=names)]
    return pa.Table.from_batches(found) if found else rows.schema.empty_table().select(names)


def _part(dataset: Any, files: dict[str, Any], but: dict[str, Any]) -> Any:  # noqa: ANN401 - as above
    """The part of a dataset that lies in files which another version has not."""
    own = [fragment for path, fragment in files.items() if path not in but]
    return pads.FileSystemDataset(own, dataset.schema, dataset.format, dataset.filesystem)
