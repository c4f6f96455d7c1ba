"""Prometheus figures of the API: requests by route, and the queue by severity and status when they are fetched."""

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.store import Store
from pipelines.errors import LakeError

__all__ = ["QueueCollector", "RequestMetrics"]

# labels are a fixed set: a caller must not be able to make new series
_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})


class QueueCollector(Collector):
    """The queue as it is at the moment of the fetch."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: registering must not read the lake."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Count alerts; a lake that cannot be read shows as `logster_lake_readable 0`."""
        labels = ["severity", "status"]
        alerts = GaugeMetricFamily("logster_alerts", "Alerts in the lake that are not suppressed.", labels=labels)
        suppressed = GaugeMetricFamily("logster_alerts_suppressed", "Alerts in the lake that are.", labels=labels)
        readable = GaugeMetricFamily("logster_lake_readable", "1 while the alert tables can be read.")
        try:
            for severity, status, is_suppressed, n_alerts in self._store.counts():
                (suppressed if is_suppressed else alerts).add_metric([severity, status], n_alerts)
            readable.add_metric([], 1)
        except LakeError:
            readable.add_metric([], 0)
        yield alerts
        yield suppressed
        yield readable


class RequestMetrics:
    """ASGI middleware that counts and times requests by route template, method and status."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        labels = ["route", "method", "status"]
        self._requests = Counter("logster_http_requests", "Requests answered.", labels, registry=registry)
        self._seconds = Histogram(
            "logster_http_request_seconds", "Time to answer.", labels[:2], registry=registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = time.perf_counter()
        try:
            await self._app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "(none)")
            method = scope["method"] if scope["method"] in _METHODS else "OTHER"
            self._requests.labels(route, method, str(status)).inc()
            self._seconds.labels(route, method).observe(time.perf_counter() - began)
