"""Putting the parts together for a command: Spark and the lake; and taking Java down again."""

import logging
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark import SparkContext

from pipelines.java_process import end_process
from pipelines.lake import Lake
from pipelines.session import start_session
from pipelines.settings import Settings
from pipelines.stream import StreamListener

__all__ = ["end_java", "opened_lake", "stream_listeners"]


@contextmanager
def opened_lake(settings: Settings, *, app_name: str) -> Iterator[Lake]:
    """Start Spark, give the lake, stop Spark."""
    session = start_session(settings, app_name=app_name)
    try:
        yield Lake(session, settings)
    finally:
        session.stop()


@contextmanager
def stream_listeners(settings: Settings) -> Iterator[list[StreamListener]]:
    """Those who are told of a stream's steps: Dagster, where there is a Dagster home beside the lake."""
    if "://" in settings.lake or not (Path(settings.lake_path).parent / "dagster_home" / "dagster.yaml").exists():
        yield []
        return
    from assets.reporting import reporting  # Dagster takes seconds to load

    with reporting(settings) as reporter:
        yield [reporter]


def end_java(*, patience_seconds: float = 10.0) -> None:
    """End the Java that this process started, which a stopped session leaves running until the process ends.

    The last thing that a process does: no session can be started after it.
    """
    gateway = SparkContext._gateway
    java: subprocess.Popen[bytes] | None = getattr(gateway, "proc", None)
    if java is None:
        return
    # what still waits for an answer of Java's gets none, which is no news now; py4j would log it to the root logger
    logging.disable(logging.ERROR)
    updates = getattr(SparkContext._active_spark_context, "_accumulatorServer", None)
    if updates is not None:
        updates.handle_error = lambda *_: None
    end_process(java, patience_seconds=patience_seconds)
