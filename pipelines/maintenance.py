"""Keeping a lake quick to read: small files are put together, and files that no table holds any more are removed.

Every micro-batch leaves at least one file in each table that it writes, some thousands a day. Putting them together
(Delta's OPTIMIZE, which also clusters what `TABLES` says is clustered) changes no row and no version that a reader has
open, but it must not meet a change of rows: whoever calls this holds the locks of ``pipelines.locks``. The histories that
the API writes (``alert_changes``, ``feedback``, ``suppressions``) are kept short by the API itself.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from pipelines.java_errors import first_line
from pipelines.lake import Lake
from pipelines.lake_reader import file_sizes
from pipelines.schemas.tables import TABLES

__all__ = ["KEPT_BY_THE_PIPELINE", "Compaction", "compact", "remove_unreferenced"]

KEPT_BY_THE_PIPELINE = tuple(name for name in TABLES if name not in ("alert_changes", "feedback", "suppressions"))
"""Tables that the pipeline alone writes."""

_LOG = structlog.get_logger("logster.maintenance")
_SMALL_FILES = 32  # fewer cost readers less than putting them together costs


@dataclass(frozen=True)
class Compaction:
    """What was put together in one table.

    Attributes:
        table: its name.
        n_before: files that were replaced.
        n_after: files that replaced them.
        n_bytes: size of these.
    """

    table: str
    n_before: int
    n_after: int
    n_bytes: int


def compact(
    lake: Lake,
    names: Iterable[str] = KEPT_BY_THE_PIPELINE,
    *,
    at_least: int = _SMALL_FILES,
    is_over: Callable[[], bool] = lambda: False,
) -> list[Compaction]:
    """Put the small files of tables together where there are many; the rows stay as they are.

    A table that cannot be done is logged and left for the next time: its rows are all there, only slower to read.

    Args:
        lake: whose tables; nothing else may change rows of theirs meanwhile.
        names: tables.
        at_least: a table with fewer small files has no need of it.
        is_over: asked before each table whether to stop there.

    Returns:
        What was done, a table each; nothing for tables that had no need of it.
    """
    done = []
    for name in names:
        if is_over():
            break
        try:
            if _small_files(lake, name) >= at_least:
                done.append(_compacted(lake, name))
        except Exception as error:  # a full disk, an object store that does not answer: not worth a stream
            _LOG.warning("table not compacted", table=name, reason=first_line(error))
    return done


def remove_unreferenced(lake: Lake, names: Iterable[str] = KEPT_BY_THE_PIPELINE, *, after: timedelta) -> None:
    """Remove files that no version of a table from the last ``after`` holds: replaced ones, and those of torn writes.

    Args:
        lake: whose tables.
        names: tables.
        after: no less than seven days, within which readers and Delta's own time travel still need them.
    """
    for name in names:
        try:
            lake.delta(name).vacuum(after.total_seconds() / 3600)
        except Exception as error:  # as above
            _LOG.warning("files not removed", table=name, reason=first_line(error))


def _small_files(lake: Lake, name: str) -> int:
    return sum(1 for size in file_sizes(lake.settings, name) if size < lake.settings.file_bytes // 2)


def _compacted(lake: Lake, name: str) -> Compaction:
    told = lake.delta(name).optimize().executeCompaction().select("metrics.*").first()
    assert told is not None  # OPTIMIZE always tells what it did
    done = Compaction(name, told["numFilesRemoved"], told["numFilesAdded"], told["filesAdded"]["totalSize"])
    _LOG.info("files put together", table=name, before=done.n_before, after=done.n_after, bytes=done.n_bytes)
    return done
