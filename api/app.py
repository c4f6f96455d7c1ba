"""The HTTP application: routes, errors as JSON, metrics. Reads the lake without Spark.

Serving it is the command line's: ``uvicorn`` with what `create_app` gives.
"""

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry

from api.errors import RequestError
from api.metrics import QueueCollector, RequestMetrics
from api.routers import alerts, endpoints, feedback, health, metrics
from api.schemas import Problem
from api.store import Store
from pipelines.errors import LakeError
from pipelines.settings import Settings

__all__ = ["create_app"]

_UNREADABLE: dict[int | str, dict[str, Any]] = {
    503: {"model": Problem, "description": "the lake cannot be read or written"}
}


def create_app(settings: Settings) -> FastAPI:
    """Build the application over one lake; nothing is read until the first request."""
    app = FastAPI(
        title="Logster",
        version=version("logster"),
        description="The alert queue of one lake. Times are UTC; errors are `{detail}`.",
    )
    app.state.store = Store(settings)
    app.state.metrics = CollectorRegistry()
    app.state.metrics.register(QueueCollector(app.state.store))
    app.add_middleware(RequestMetrics, registry=app.state.metrics)
    for part in (alerts, feedback, endpoints, health):
        app.include_router(part.router, responses=dict(_UNREADABLE))
    app.include_router(metrics.router)
    app.add_exception_handler(RequestValidationError, _refuse_values)
    app.add_exception_handler(RequestError, _refuse_request)
    app.add_exception_handler(LakeError, _refuse_lake)
    app.add_exception_handler(Exception, _own_up)
    return app


def _refuse_values(_: Request, error: Exception) -> JSONResponse:
    """Name what is wrong and where, without the caller's value: it may be nothing that JSON can carry."""
    assert isinstance(error, RequestValidationError)  # registered for it
    problems = [
        {"loc": [part if isinstance(part, int) else _printable(part) for part in problem["loc"]],
         "msg": _printable(problem["msg"]), "type": problem["type"]}
        for problem in error.errors()
    ]  # fmt: skip
    return JSONResponse({"detail": problems}, status_code=422)


def _refuse_request(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestError)  # registered for it
    return JSONResponse({"detail": _printable(str(error))}, status_code=error.status_code)


def _refuse_lake(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": _printable(str(error))}, status_code=503)


def _own_up(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": f"unexpected {type(error).__name__}; see the API's log"}, status_code=500)


def _printable(text: str) -> str:
    return str(text).encode("utf-8", "backslashreplace").decode()
