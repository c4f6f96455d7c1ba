"""Runs the driver without windows: what has arrived goes into the tables, and nothing is scored."""

import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from pipelines.lake import Lake
from pipelines.stream import StreamDriver
from tests.pipelines.tables import rows


def score_nothing(graphs: Any, now: datetime) -> Any:
    raise AssertionError("no round of detection is wanted here")


def read_all(lake: Lake, **arguments: Any) -> None:
    """Everything that has arrived into the tables, without windows."""
    driver = StreamDriver(lake, score_nothing, **arguments)
    driver._detect = lambda **_: None  # type: ignore[method-assign,assignment,return-value]
    driver.run_once()


@contextmanager
def running(lake: Lake):
    """The driver in a thread; what it raises comes out here."""
    driver, stop = StreamDriver(lake, score_nothing), threading.Event()
    driver._detect = lambda **_: None  # type: ignore[method-assign,assignment,return-value]
    failed: list[Exception] = []

    def work() -> None:
        try:
            driver.run(stop)
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield driver, failed
    finally:
        stop.set()
        thread.join(120)
    assert not thread.is_alive()
    if failed:
        raise failed[0]


def wait_for(what: Callable[[], object], *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def origins(lake: Lake) -> list[str]:
    return sorted(row["origin"] for row in rows(lake.settings, "raw"))
