"""Locks between processes that write one lake; object stores know none, so there the platform must run one writer.

`owning` is held as long as a stream lives, `detecting` for one round of windows, scores and alerts, by whichever of
stream and Dagster runs it, `publishing` as long as changes of alerts are sent on.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO

from pyspark.sql import SparkSession

from pipelines.errors import CheckpointError
from pipelines.settings import Settings

__all__ = ["detecting", "owning", "publishing"]

_JVM_GOES_WITHIN = timedelta(seconds=60)


@contextmanager
def owning(settings: Settings, spark: SparkSession) -> Iterator[None]:
    """Be the one stream that writes the lake.

    The process that runs Java holds a lock of its own: when its Python is killed it may live on for a moment and finish
    a commit, and the next stream must not start before it is gone.

    Raises:
        CheckpointError: another process writes this lake.
    """
    folder = _folder(settings)
    if folder is None:
        yield
        return
    taken = f"another logster writes {settings.lake} (lock {folder / 'lock'}); stop it first"
    with (folder / "lock").open("w") as lock:
        if not _try_lock(lock):
            raise CheckpointError(taken)
        gateway = getattr(spark, "_jvm", None)  # Spark Connect has none: the server outlives its clients
        if gateway is None:
            yield
            return
        file = gateway.java.io.RandomAccessFile(str(folder / "lock.java"), "rw")
        try:
            deadline = time.monotonic() + _JVM_GOES_WITHIN.total_seconds()
            while file.getChannel().tryLock() is None:
                if time.monotonic() > deadline:
                    raise CheckpointError(taken)
                time.sleep(0.5)
            yield
        finally:
            file.close()


@contextmanager
def detecting(settings: Settings, *, wait: bool = True) -> Iterator[bool]:
    """Be the one that writes windows, scores and alerts.

    Yields:
        Whether it is; false only where another process writes them and ``wait`` is false.
    """
    folder = _folder(settings)
    if folder is None:
        yield True
        return
    with (folder / "detection.lock").open("w") as lock:
        if wait:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield True
        else:
            yield _try_lock(lock)


@contextmanager
def publishing(settings: Settings) -> Iterator[bool]:
    """Be the one that publishes changes of alerts.

    Yields:
        Whether it is; false where another process does.
    """
    folder = _folder(settings)
    if folder is None:  # Kafka itself lets only one publish at a time
        yield True
        return
    with (folder / "publisher.lock").open("w") as lock:
        yield _try_lock(lock)


def _folder(settings: Settings) -> Path | None:
    if "://" in settings.checkpoint_path:
        return None
    folder = Path(settings.checkpoint_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
