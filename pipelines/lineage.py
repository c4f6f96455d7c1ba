"""Cutting a plan short: frames that later steps start from are computed once and forget what they were made of."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

from pyspark.sql import DataFrame

__all__ = ["released_after", "settled"]

_SCOPE: ContextVar[list[DataFrame] | None] = ContextVar("settled frames of the innermost scope", default=None)


def settled(frame: DataFrame) -> DataFrame:
    """Compute a frame now and give its rows as a frame without a history.

    A persisted frame keeps its whole plan, and every plan built on it holds that plan again: nested a few times, Spark
    takes longer to optimise and print the plan than to run it, and in the end all of the heap. The rows lie in memory
    or on the executors' disks until the scope ends in which the frame was settled (`released_after`), or, outside of any,
    until Java has found that nothing refers to them. Should an executor that holds some be lost, the step fails and is
    repeated as a whole, as after a crash.

    Args:
        frame: any frame that is small against the memory and scratch disk of the executors.
    """
    made = frame.localCheckpoint(eager=True)
    scope = _SCOPE.get()
    if scope is not None:
        scope.append(made)
    return made


@contextmanager
def released_after() -> Iterator[None]:
    """A scope, for ``with`` or as a decorator, at whose end the rows of all frames settled inside are given back.

    Java looks for what nothing refers to every few minutes. A stream that is behind settles more than a heap in that
    time: what nobody will read again is then collected, moved and written to disk over and over.
    """
    frames: list[DataFrame] = []
    token = _SCOPE.set(frames)
    try:
        yield
    finally:
        _SCOPE.reset(token)
        for frame in frames:
            with suppress(Exception):  # Java finds it in time, or has ended, which must not hide why the scope did
                _release(frame)


def _release(frame: DataFrame) -> None:
    # a settled frame is nothing but the RDD of its rows; a remote session gives them back when the frame is forgotten
    java = getattr(frame, "_jdf", None)
    if java is not None:
        java.queryExecution().logical().rdd().unpersist(False)
