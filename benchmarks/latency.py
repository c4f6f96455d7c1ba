"""Time from a file's arrival to its alert in the API, of the real stream and the real API over HTTP.

The telemetry is the demo's intrusion on a Windows endpoint, over some minutes ago: it arrives when all its windows have
ended and waited their time, so that what is measured is the pipeline and not the clock.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import uvicorn
from pyspark.sql import SparkSession

from api.app import create_app
from logster.background import in_background
from logster.demo_attack import Intrusion, intrude
from logster.demo_host import WindowsHost
from logster.demo_work import work
from pipelines.detection import DetectionCounts, Scorer
from pipelines.ingestion import BatchCounts
from pipelines.lake import Lake
from pipelines.settings import Settings
from pipelines.sources.ingest import ingest_file
from pipelines.stream import StreamDriver

__all__ = ["Latency", "measure_latency"]

_LENGTH = timedelta(minutes=4)
_ATTACK_AFTER = timedelta(minutes=1)
_OVER_SINCE = timedelta(minutes=4)  # longer than a window and its lateness
_GIVES_UP_AFTER = 300.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Latency:
    """One file's way, in seconds from the call of `ingest_file`.

    Attributes:
        in_events: its events are written.
        scored: its windows are scored and its alert is written.
        in_api: ``GET /alerts`` shows the alert.
    """

    in_events: float
    scored: float
    in_api: float


class _Clock:
    """Notes when the stream last wrote events and alerts."""

    def __init__(self) -> None:
        self.ingested_at = self.detected_at = 0.0

    def ingested(self, number: int, counts: BatchCounts, *, at: datetime) -> None:
        self.ingested_at = time.monotonic()

    def detected(self, counts: DetectionCounts, *, at: datetime) -> None:
        self.detected_at = time.monotonic()


def measure_latency(spark: SparkSession, score: Scorer, folder: Path, *, n_files: int) -> list[Latency]:
    """Run stream and API on a fresh lake and let files arrive one after another; the first only warms up.

    Args:
        spark: the session.
        score: the scorer.
        folder: an empty one.
        n_files: files to measure.

    Raises:
        RuntimeError: an alert did not come.
    """
    settings = Settings(lake=str(folder / "lake"), _env_file=None)
    clock, stop = _Clock(), threading.Event()
    driver = StreamDriver(Lake(spark, settings), score, listeners=[clock])
    stream = in_background("stream", driver.run, stop)
    rng = random.Random(1)
    try:
        with _served(settings) as client:
            taken = []
            for number in range(n_files + 1):
                # files come at any time between two triggers
                time.sleep(rng.uniform(0, settings.trigger.total_seconds()))
                taken.append(_one_file(number, folder, settings, client, clock, stream))
    except BaseException:
        if stream.done():
            stream.result()  # what ended the stream says more
        raise
    finally:
        stop.set()
        stream.exception(_GIVES_UP_AFTER)
    stream.result()
    return taken[1:]


def _one_file(
    number: int, folder: Path, settings: Settings, client: httpx.Client, clock: _Clock, stream: Future[None]
) -> Latency:
    path, endpoint = _write_intrusion(folder, number)
    arrived = time.monotonic()
    ingest_file(path, settings, tenant="bench")
    _wait_until(
        lambda: (
            stream.done()
            or bool(client.get("/alerts", params={"endpoint": endpoint}).raise_for_status().json()["alerts"])
        ),
        f"no alert of {endpoint}",
    )
    in_api = time.monotonic()
    # the round of detection tells of itself when it has written; the API may have seen the alert just before
    _wait_until(
        lambda: stream.done() or clock.detected_at > arrived, "the stream does not tell of a round of detection"
    )
    if stream.done():
        raise RuntimeError("the stream ended")
    return Latency(clock.ingested_at - arrived, clock.detected_at - arrived, in_api - arrived)


def _write_intrusion(folder: Path, number: int) -> tuple[Path, str]:
    start = datetime.now(UTC) - _OVER_SINCE - _LENGTH
    names = (f"LAT-{number:03}", f"SIDE-{number:03}")
    first, second = (
        WindowsHost(
            name, "bench.example", user="m.weber", address=f"10.30.4.{at + 2 * number}", began=start, seed=number
        )
        for at, name in enumerate(names, start=10)
    )
    work(first, start, start + _LENGTH, logs_on=True)
    intrude(first, second, start + _ATTACK_AFTER, Intrusion.drawn(f"bench/{number}"))
    path = folder / f"{names[0].lower()}.jsonl"
    path.write_text("".join(f"{line}\n" for line in first.lines_until(start + _LENGTH)), encoding="utf-8")
    return path, first.computer.lower()


@contextmanager
def _served(settings: Settings) -> Iterator[httpx.Client]:
    """The API on a free port, and a client of it."""
    server = uvicorn.Server(uvicorn.Config(create_app(settings), host="127.0.0.1", port=0, log_level="error"))
    serving = threading.Thread(target=server.run, daemon=True)
    serving.start()
    _wait_until(lambda: server.started, "the API does not start")
    host, port = server.servers[0].sockets[0].getsockname()
    try:
        with httpx.Client(base_url=f"http://{host}:{port}", timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        serving.join(30)


def _wait_until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _GIVES_UP_AFTER
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{otherwise} within {_GIVES_UP_AFTER:.0f} s")
        time.sleep(_POLL_SECONDS)
