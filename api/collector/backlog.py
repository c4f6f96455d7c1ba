"""How much the collector has landed that the pipeline has not taken up, and whether the disk has room for more.

The pipeline reads files oldest first and notes which ones in its checkpoint: whatever is newer than the newest there waits.
"""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from api.collector.landing import FILE_PREFIX
from pipelines.settings import Settings

__all__ = ["Backlog"]

_LEAST_ROOM = 256 << 20  # bytes of the disk that the collector leaves free
_TAIL = 1 << 16
_TIME = re.compile(rb'"timestamp":(\d+)')
_OF_FILES = Path("files") / "sources" / "0"  # of the stream of that name, and its only source


class Backlog:
    """Files of the collector's that wait; used by one thread at a time.

    Attributes:
        n_bytes: how much is in them.
    """

    def __init__(self, settings: Settings) -> None:
        """Look through the landing zone once; later files are told by `add`."""
        self._landing = Path(settings.landing_path)
        self._taken_up = None if "://" in settings.checkpoint_path else Path(settings.checkpoint_path) / _OF_FILES
        self._most = settings.collector_max_backlog_bytes
        self._waiting: list[tuple[int, int]] = []
        self._has_room = True
        self.n_bytes = 0
        self.add(self._landing.rglob(f"{FILE_PREFIX}*.log"))
        self.look()

    @property
    def is_full(self) -> bool:
        """Say whether senders must wait."""
        return self.n_bytes > self._most or not self._has_room

    def add(self, files: Iterable[Path]) -> None:
        """Note files that have landed; one that is gone again, or may not be looked at, does not wait."""
        for file in files:
            try:
                told = file.stat()
            except OSError:
                continue
            self._waiting.append((told.st_mtime_ns // 1_000_000, told.st_size))
            self.n_bytes += told.st_size

    def look(self) -> None:
        """Look how far the pipeline is, and at the disk."""
        self._has_room = shutil.disk_usage(self._landing).free > _LEAST_ROOM
        newest = self._newest_taken_up()
        self._waiting = [(at, size) for at, size in self._waiting if at > newest]
        self.n_bytes = sum(size for _, size in self._waiting)

    def _newest_taken_up(self) -> int:
        """When the newest file that the pipeline knows was written, in ms; 0 where it knows none."""
        if self._taken_up is None or not self._taken_up.is_dir():
            return 0
        batches = [path for path in self._taken_up.iterdir() if path.name.split(".")[0].isdigit()]
        if not batches:
            return 0
        newest = max(batches, key=lambda path: int(path.name.split(".")[0]))
        try:
            with newest.open("rb") as file:  # a compacted one names every file ever read, the newest last
                file.seek(max(0, newest.stat().st_size - _TAIL))
                return max(map(int, _TIME.findall(file.read())), default=0)
        except FileNotFoundError:  # cleaned up meanwhile; the next look finds a newer one
            return 0
