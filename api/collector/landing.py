"""Making what came durable: many requests share one commit of whole files in the landing zone.

A commit writes its files under hidden names, syncs them, renames them and syncs their folders; only then are the requests
in it answered. How the pipeline reads a landing zone is told by ``pipelines.sources.files``.
"""

import asyncio
import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import structlog

from api.collector.answers import BUSY, RefusedError
from api.collector.records import Record
from pipelines.errors import SettingsError
from pipelines.settings import Settings
from pipelines.sources.files import AUTO_FORMAT, landing_folder

__all__ = ["FILE_PREFIX", "Commits", "Landing"]

FILE_PREFIX = "collector-"
"""How the collector's files begin, so that they can be told from others'."""

_LOG = structlog.get_logger("logster.collector")
_EARLY_BYTES = 8 << 20  # so much is committed without waiting for more
_LEFT_BEHIND = timedelta(hours=1)


class _Batch(NamedTuple):
    """What one request brought: text of whole lines by folder."""

    by_folder: dict[str, bytes]
    landed: asyncio.Future[None]


class Landing:
    """The landing zone as the collector writes it; not for object stores, which have no rename."""

    def __init__(self, settings: Settings) -> None:
        """Make sure that it is there and can be written.

        Raises:
            SettingsError: it cannot.
        """
        if "://" in settings.landing_path:
            raise SettingsError(
                f"the collector needs a local landing zone, not {settings.landing_path}: set LOGSTER_LANDING to a folder"
            )
        self.root = Path(settings.landing_path)
        try:
            self._make(self.root)
            self._clear()
            probe = self.root / f".{FILE_PREFIX}{uuid.uuid4().hex}.part"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise SettingsError(
                f"landing zone {self.root} cannot be written (LOGSTER_LANDING, LOGSTER_LAKE): {error.strerror or error}"
            ) from None

    def write(self, texts: dict[str, list[bytes]]) -> list[Path]:
        """Put one file into each folder, durably.

        Args:
            texts: whole lines by folder below the landing zone.

        Returns:
            The files.

        Raises:
            OSError: none of them is there, unless it is the renaming that failed.
        """
        files: list[tuple[Path, Path]] = []
        try:
            for folder, parts in texts.items():
                name = f"{FILE_PREFIX}{time.time_ns() // 1_000_000}-{uuid.uuid4().hex[:12]}"
                self._make(self.root / folder)
                hidden = self.root / folder / f".{name}.part"
                files.append((hidden, hidden.with_name(f"{name}.log")))
                _write_synced(hidden, parts)
            for hidden, target in files:
                hidden.rename(target)
            for folder in texts:
                _sync_folder(self.root / folder)
        except OSError:
            for hidden, _ in files:
                with contextlib.suppress(OSError):
                    hidden.unlink(missing_ok=True)
            raise
        return [target for _, target in files]

    def _make(self, folder: Path) -> None:
        """Make a folder, so that its name in the one above is durable as well."""
        if folder.is_dir():
            return
        self._make(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)

    def _clear(self) -> None:
        """Remove what a collector that was killed had not finished; nobody was told that it is there."""
        for left in self.root.rglob(f".{FILE_PREFIX}*.part"):
            with contextlib.suppress(FileNotFoundError):
                if left.stat().st_mtime < time.time() - _LEFT_BEHIND.total_seconds():  # another's may be in the making
                    left.unlink()


class Commits:
    """Gathers what requests bring and commits it together; all of it lives on one event loop."""

    def __init__(self, landing: Landing, *, apart: timedelta, note_files: Callable[[Sequence[Path]], None]) -> None:
        """Commit nothing yet.

        Args:
            landing: where to.
            apart: how long after the beginning of one commit the next begins at the earliest, unless much has come: the
                pipeline reads few large files better than many small ones.
            note_files: is told of the files of each commit.
        """
        self._landing, self._apart, self._note_files = landing, apart.total_seconds(), note_files
        self._waiting: list[_Batch] = []
        self._n_bytes = 0
        self._came = asyncio.Event()
        self._is_much = asyncio.Event()
        self._is_stopped = False

    async def land(self, tenant: str, records: Iterable[Record]) -> None:
        """Return once the records are durable.

        Raises:
            RefusedError: they could not be written.
        """
        by_folder: dict[str, list[str]] = {}
        for record in records:
            folder = landing_folder(tenant, AUTO_FORMAT, record.endpoint, None)
            by_folder.setdefault(folder, []).append(record.text)
        texts = {folder: "\n".join([*lines, ""]).encode() for folder, lines in by_folder.items()}
        batch = _Batch(texts, asyncio.get_running_loop().create_future())
        self._waiting.append(batch)
        self._came.set()
        self._n_bytes += sum(map(len, texts.values()))
        if self._n_bytes > _EARLY_BYTES:
            self._is_much.set()
        await batch.landed

    async def run(self) -> None:
        """Commit until stopped; what waits then is committed before it ends."""
        began = -self._apart
        while self._waiting or not self._is_stopped:
            await self._came.wait()
            pause = began + self._apart - time.monotonic()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_much.wait(), max(pause, 0))
            began = time.monotonic()
            await self._commit()

    def stop(self) -> None:
        """Let `run` end."""
        self._is_stopped = True
        self._came.set()
        self._is_much.set()

    async def _commit(self) -> None:
        batches, self._waiting, self._n_bytes = self._waiting, [], 0
        self._came.clear()
        self._is_much.clear()
        if not batches:
            return
        texts: dict[str, list[bytes]] = {}
        for batch in batches:
            for folder, text in batch.by_folder.items():
                texts.setdefault(folder, []).append(text)
        try:
            files = await asyncio.to_thread(self._landing.write, texts)
        except Exception as error:  # whatever it is: who waits must be answered, and the next commit tried
            _LOG.error("records not taken", landing=str(self._landing.root), reason=f"{type(error).__name__}: {error}")
            for waiter in _waiters(batches):
                waiter.set_exception(RefusedError(BUSY))
        else:
            self._note_files(files)
            for waiter in _waiters(batches):
                waiter.set_result(None)


def _waiters(batches: Iterable[_Batch]) -> Iterator[asyncio.Future[None]]:
    return (batch.landed for batch in batches if not batch.landed.done())  # a sender may have gone away


def _write_synced(path: Path, parts: Iterable[bytes]) -> None:
    with path.open("xb") as file:
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
