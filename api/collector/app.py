"""The HTTP collector: Splunk's HTTP Event Collector and newline JSON, answered once what came is durable.

An application of its own, without Spark and without the lake's tables: it writes the landing zone only. Serving it is the
command line's (``logster.collect``).
"""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from itertools import count
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, Counter, Gauge
from starlette.exceptions import HTTPException

from api.collector.answers import (
    BUSY,
    CHANNEL_INVALID,
    CHANNEL_MISSING,
    HEALTHY,
    INVALID_DATA,
    NO_DATA,
    OVERLOADED,
    SUCCESS,
    UNEXPECTED,
    RefusedError,
    respond,
)
from api.collector.backlog import Backlog
from api.collector.bodies import read_body
from api.collector.envelopes import read_envelopes, read_time
from api.collector.landing import Commits, Landing
from api.collector.records import Record, records_of_envelope, records_of_text
from api.collector.senders import Senders, read_tokens
from api.metrics import RequestMetrics
from api.routers import metrics
from pipelines.settings import Settings

__all__ = ["create_collector"]

_LOG = structlog.get_logger("logster.collector")
_LOOK_SECONDS = 1.0
_BODIES_AT_ONCE = 8  # of the largest size: what the collector holds in memory at most

Read = Callable[[bytes], tuple[list[Record], RefusedError | None]]


@dataclass
class _Collector:
    """All that requests share.

    Attributes:
        settings: of this process.
        senders: who may send.
        commits: takes records.
        backlog: whether more may come.
        n_records: counter by tenant.
        n_held: bytes of bodies in memory.
        ids: of acknowledgements; never one twice, also after a restart.
    """

    settings: Settings
    senders: Senders
    commits: Commits
    backlog: Backlog
    n_records: Counter
    n_held: int = 0
    ids: Iterator[int] = field(default_factory=lambda: count(time.time_ns() // 1000))

    @contextlib.contextmanager
    def holding(self) -> Iterator[Callable[[int], None]]:
        """Count what is held of a body; gives the function that is told of it.

        Raises:
            RefusedError: what has landed must be read first; from the function: there is no room for so much.
        """
        if self.backlog.is_full:
            raise RefusedError(BUSY)
        held = 0

        def hold(n_bytes: int) -> None:
            nonlocal held
            if self.n_held + n_bytes > _BODIES_AT_ONCE * self.settings.collector_max_body_bytes:
                raise RefusedError(BUSY)
            held += n_bytes
            self.n_held += n_bytes

        try:
            yield hold
        finally:
            self.n_held -= held

    async def take(self, request: Request, read: Read) -> JSONResponse:
        """Answer one request with records.

        Raises:
            RefusedError: it is not taken; one with a number is taken up to there.
        """
        sender = self.senders.known(request.headers.get("authorization"))
        channel = _channel_of(request)
        with self.senders.let_in(sender), self.holding() as hold:
            body = await read_body(request, self.settings.collector_max_body_bytes, hold)
            records, refused = await asyncio.to_thread(read, body)
            if records:
                await self.commits.land(sender.tenant, records)
                self.n_records.labels(sender.tenant).inc(len(records))
        if refused is not None:
            raise refused
        return respond(SUCCESS, ackId=next(self.ids) if channel else None)


def create_collector(settings: Settings) -> FastAPI:
    """Build the application.

    Raises:
        SettingsError: tokens or landing zone cannot be used.
    """
    senders, landing = Senders(read_tokens(settings), most_requests=settings.collector_max_requests), Landing(settings)
    registry = CollectorRegistry()
    n_records = Counter("logster_collector_records", "Records that are durable.", ["tenant"], registry=registry)
    for tenant in senders.tenants:
        n_records.labels(tenant)
    backlog = Backlog(settings)
    waiting = Gauge("logster_collector_backlog_bytes", "Landed, not taken up by the pipeline.", registry=registry)
    waiting.set_function(lambda: backlog.n_bytes)
    commits = Commits(landing, apart=settings.collector_commit_interval, note_files=backlog.add)
    collector = _Collector(settings, senders, commits, backlog, n_records)
    held = Gauge("logster_collector_held_bytes", "Of bodies that are being answered.", registry=registry)
    held.set_function(lambda: collector.n_held)

    @contextlib.asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        committing, looking = asyncio.create_task(commits.run()), asyncio.create_task(_keep_looking(backlog))
        yield
        looking.cancel()
        commits.stop()
        await committing

    app = FastAPI(
        title="Logster's collector", version=version("logster"), lifespan=running, docs_url=None, redoc_url=None
    )
    app.state.collector = collector
    app.state.metrics = registry
    app.add_middleware(RequestMetrics, registry=registry)
    app.include_router(_ROUTER)
    app.include_router(metrics.router)
    app.add_exception_handler(RefusedError, _refuse)
    app.add_exception_handler(HTTPException, _refuse_http)
    app.add_exception_handler(Exception, _own_up)
    return app


async def _keep_looking(backlog: Backlog) -> None:
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            backlog.look()
        except OSError as error:
            _LOG.warning("backlog cannot be told", reason=error.strerror or str(error))


def _collector(request: Request) -> _Collector:
    collector: _Collector = request.app.state.collector
    return collector


_CollectorDep = Annotated[_Collector, Depends(_collector)]
_ROUTER = APIRouter(tags=["collector"])


@_ROUTER.post("/services/collector")
@_ROUTER.post("/services/collector/event")
@_ROUTER.post("/services/collector/event/1.0")
async def take_events(request: Request, collector: _CollectorDep) -> JSONResponse:
    """Envelopes ``{"time", "host", "event", …}``, one after another."""
    return await collector.take(request, _read_events)


@_ROUTER.post("/services/collector/raw")
@_ROUTER.post("/services/collector/raw/1.0")
@_ROUTER.post("/records")
async def take_text(
    request: Request, collector: _CollectorDep, host: str | None = None, time: str | None = None
) -> JSONResponse:
    """Records as in a file: lines, JSON of one object a line, events over several lines."""
    return await collector.take(request, lambda body: _read_text(body, host, read_time(time)))


@_ROUTER.post("/services/collector/ack")
async def acknowledge(request: Request, collector: _CollectorDep) -> JSONResponse:
    """Which requests are durable: all that were answered with an ``ackId``, so every id that was given out."""
    sender = collector.senders.known(request.headers.get("authorization"))
    if _channel_of(request) is None:
        raise RefusedError(CHANNEL_MISSING)
    with collector.senders.let_in(sender), collector.holding() as hold:
        body = await read_body(request, collector.settings.collector_max_body_bytes, hold)
    try:
        told = json.loads(body)
        ids = [int(one) for one in told["acks"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RefusedError(INVALID_DATA) from None
    return JSONResponse({"acks": {str(one): True for one in ids}})


@_ROUTER.get("/services/collector/health")
@_ROUTER.get("/services/collector/health/1.0")
async def tell_health(collector: _CollectorDep) -> JSONResponse:
    """Whether records are taken at the moment."""
    return respond(OVERLOADED if collector.backlog.is_full else HEALTHY)


def _read_events(body: bytes) -> tuple[list[Record], RefusedError | None]:
    envelopes, refused = read_envelopes(body)
    return [record for envelope in envelopes for record in records_of_envelope(envelope)], refused


def _read_text(body: bytes, host: str | None, time: datetime | None) -> tuple[list[Record], RefusedError | None]:
    records = records_of_text(body, host, time)
    return records, None if records else RefusedError(NO_DATA)


def _channel_of(request: Request) -> str | None:
    channel = request.headers.get("x-splunk-request-channel") or request.query_params.get("channel")
    if channel:
        try:
            uuid.UUID(channel)
        except ValueError:
            raise RefusedError(CHANNEL_INVALID) from None
    return channel or None


def _refuse(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RefusedError)  # registered for it
    return respond(error.answer, invalid_event_number=error.number)


def _refuse_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # registered for it
    return JSONResponse({"text": error.detail, "code": error.status_code}, error.status_code, error.headers)


def _own_up(_: Request, error: Exception) -> JSONResponse:
    return respond(UNEXPECTED)
