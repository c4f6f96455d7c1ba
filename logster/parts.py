"""The parts of `logster up`, each started in a thread of its own: Spark and the stream, models, Dagster, MLflow, Superset, demo.

A part that needs another waits for that one alone. When they are shown and stopped is in ``logster.up``.
"""

import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logster.background import in_background
from logster.children import Children
from logster.demo import DemoFile, stream_demo, write_demo
from logster.services import api_service, dagster_services, mlflow_service, superset_service
from pipelines.settings import Settings
from pipelines.sources.ingest import ingest_file

if TYPE_CHECKING:  # imports that take seconds: each part makes its own, so that nobody waits for another's
    from assets.reporting import StreamReporter
    from pipelines.detection import DetectionCounts, Scorer
    from pipelines.ingestion import BatchCounts
    from pipelines.lake import Lake
    from pipelines.stream import Progress

__all__ = ["Parts"]


class Parts:
    """Starts everything when made.

    Args:
        settings: of the lake and the ports.
        children: takes the processes.
        stop: tells every part to end.
        demo: bring sample telemetry and keep it coming.

    Attributes:
        services: processes by name; the result says whether one came up.
        preparing: what must be done before the stream runs, by name.
        pipeline: done when the stream has ended.
        sample_stream: the sample telemetry that keeps coming; done when it has ended.
        progress: the stream's; None until it runs.
    """

    def __init__(self, settings: Settings, children: Children, stop: threading.Event, *, demo: bool) -> None:
        self._settings, self._children, self._stop = settings, children, stop
        self._resources = ExitStack()
        self._sockets = tempfile.TemporaryDirectory(prefix="logster-")  # a socket's path must be short
        self.progress: Progress | None = None
        lake = in_background("Spark", self._open_lake)
        scorer = in_background("models", self._load_models)
        api = in_background("API", api_service(settings).bring_up, children, stop)
        landed = in_background("sample telemetry", self._land_demo) if demo else _nothing()
        self._reporter = in_background("Dagster's databases", self._open_reporter, scorer)
        self.services: dict[str, Future[bool]] = {
            "API": api,
            "Dagster": in_background("Dagster", self._bring_up_dagster),
            "MLflow": in_background("MLflow", self._bring_up_mlflow, scorer),
            "Superset": in_background("Superset", self._bring_up_superset, scorer),
        }
        self.preparing: dict[str, Future[Any]] = {"Spark": lake, "models": scorer, "sample telemetry": landed}
        self.pipeline = in_background("pipeline", self._stream, lake, scorer, landed)
        self.sample_stream = in_background("sample stream", self._stream_demo, landed) if demo else _nothing()

    def close(self) -> None:
        """Let Dagster be told of what was written; call it when the stream has ended."""
        if self._reporter.done():
            self._resources.close()
        self._sockets.cleanup()

    def _open_lake(self) -> "Lake":
        from pipelines.lake import Lake
        from pipelines.session import start_session

        return Lake(start_session(self._settings), self._settings)

    def _load_models(self) -> "Scorer":
        from models.champions import champion_scorer

        return champion_scorer(self._settings)

    def _stream(self, opened: "Future[Lake]", scorer: "Future[Scorer]", landed: Future[None]) -> None:
        lake = opened.result()
        try:
            landed.result()  # so that all of it is in the first batch
            if self._stop.is_set():
                return
            from logster.publishing import publishing_beside
            from pipelines.stream import StreamDriver

            # the models are wanted when the first windows are built, which is later than they take to load
            driver = StreamDriver(
                lake, lambda graphs, now: scorer.result()(graphs, now), listeners=[_Relay(self._reporter)]
            )
            self.progress = driver.progress
            with publishing_beside(self._settings):
                driver.run(self._stop)
        finally:
            lake.spark.stop()

    def _land_demo(self) -> None:
        with tempfile.TemporaryDirectory(prefix="logster-demo-") as folder:
            for file in write_demo(Path(folder)):
                self._land(file)

    def _stream_demo(self, landed: Future[None]) -> None:
        if landed.exception() is None:
            stream_demo(self._land, stop=self._stop)

    def _land(self, file: DemoFile) -> None:
        ingest_file(file.path, self._settings, tenant=file.tenant, record_format=file.format)

    def _open_reporter(self, scorer: "Future[Scorer]") -> "StreamReporter":
        scorer.exception()  # both keep this process busy with imports, and the models are wanted sooner
        from assets.reporting import reporting

        return self._resources.enter_context(reporting(self._settings))

    def _bring_up_dagster(self) -> bool:
        from assets.reporting import prepared_dagster_home

        self._reporter.result()  # makes the databases, which the processes would race for
        home = prepared_dagster_home(self._settings)
        code, pages, daemon = dagster_services(self._settings, home, Path(self._sockets.name))
        return all(service.bring_up(self._children, self._stop) for service in (code, daemon, pages))

    def _bring_up_mlflow(self, scorer: "Future[Scorer]") -> bool:
        scorer.exception()  # makes the database, which the server would race for
        service = mlflow_service(self._settings)
        return service is None or service.bring_up(self._children, self._stop)

    def _bring_up_superset(self, scorer: "Future[Scorer]") -> bool:
        scorer.exception()  # its start takes half a minute of a core, and the first alerts are wanted sooner
        return superset_service(self._settings).bring_up(self._children, self._stop)


class _Relay:
    """Passes what the stream tells on to a listener that may not be there yet."""

    def __init__(self, listener: "Future[StreamReporter]") -> None:
        self._listener = listener

    def ingested(self, number: int, counts: "BatchCounts", *, at: datetime) -> None:
        self._then(lambda listener: listener.ingested(number, counts, at=at))

    def detected(self, counts: "DetectionCounts", *, at: datetime) -> None:
        self._then(lambda listener: listener.detected(counts, at=at))

    def _then(self, call: "Callable[[StreamReporter], None]") -> None:
        self._listener.add_done_callback(lambda found: None if found.exception() else call(found.result()))


def _nothing() -> Future[None]:
    done: Future[None] = Future()
    done.set_result(None)
    return done
