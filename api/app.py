"""The HTTP application: routes, errors as problems (RFC 9457), metrics. Reads the lake without Spark.

Serving it is the command line's: ``uvicorn`` with what `create_app` gives.
"""

from importlib.metadata import version

import structlog
from fastapi import Depends, FastAPI, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader, HTTPBearer
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException

from api.access.audit import Audit
from api.access.callers import Caller
from api.access.door import Door
from api.alert_page import read_alert_page, read_page_file
from api.deps import refuse_one_tenant
from api.docs_page import read_documentation
from api.errors import RequestError
from api.headers import SECURE_HEADERS, SecureHeaders
from api.limits import BodyLimit
from api.metrics import QueueCollector, RequestMetrics
from api.problems import (
    FORBIDDEN,
    INVALID_REQUEST,
    LAKE_UNAVAILABLE,
    SIGN_IN_UNAVAILABLE,
    TOO_MANY,
    UNAUTHENTICATED,
    UNEXPECTED,
    documented,
    http_problem,
    printable,
    problem,
    problem_of,
    problem_response,
)
from api.routers import alerts, callers, endpoints, evidence, feedback, health, keys, metrics, suppressions
from api.schemas import WrongField
from api.store import Store
from pipelines.errors import LakeError, LogsterError
from pipelines.settings import Settings

__all__ = ["create_app"]

_LOG = structlog.get_logger("logster.api")

# for OpenAPI: `api.access.door` has looked at these by the time that a route is called
_KEY = [
    Security(
        HTTPBearer(auto_error=False, description="an API key, or a token of the OpenID Connect provider that was set")
    ),
    Security(APIKeyHeader(name="X-API-Key", auto_error=False, description="an API key")),
]


_ANYWHERE = documented(UNAUTHENTICATED, FORBIDDEN, TOO_MANY, LAKE_UNAVAILABLE, SIGN_IN_UNAVAILABLE)
_ANYWHERE[TOO_MANY.status]["headers"] = {
    "Retry-After": {"description": "seconds until one more is answered", "schema": {"type": "integer"}}
}
_ANYWHERE[SIGN_IN_UNAVAILABLE.status]["headers"] = {
    "Retry-After": {"description": "seconds until a token may be checked again", "schema": {"type": "integer"}}
}


def create_app(settings: Settings) -> FastAPI:
    """Build the application over one lake; nothing is read until the first request."""
    app = FastAPI(
        title="Logster",
        version=version("logster"),
        description="The alert queue of one lake. Times are UTC; errors are problems in the form of RFC 9457.",
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.store = Store(settings)
    app.state.metrics = CollectorRegistry()
    app.state.metrics.register(QueueCollector(app.state.store))
    app.add_middleware(BodyLimit)
    app.add_middleware(Door, settings=settings)
    app.add_middleware(Audit)
    app.add_middleware(RequestMetrics, registry=app.state.metrics)
    app.add_middleware(SecureHeaders)
    # pages for people: no part of what programs are told about, nor of what is tried against the description
    app.add_api_route("/docs", read_documentation, include_in_schema=False)
    app.add_api_route("/ui/alerts/{alert_id}", read_alert_page, include_in_schema=False)
    app.add_api_route("/ui/static/{name}", read_page_file, include_in_schema=False)
    for part in (alerts, evidence, feedback, suppressions, endpoints, callers, keys):
        app.include_router(part.router, responses=_ANYWHERE, dependencies=_KEY)
    app.include_router(health.router, responses=_ANYWHERE)
    app.include_router(metrics.router, responses=_ANYWHERE, dependencies=[*_KEY, Depends(refuse_one_tenant)])
    app.add_exception_handler(RequestValidationError, _refuse_values)
    app.add_exception_handler(LogsterError, _refuse_request)
    app.add_exception_handler(HTTPException, _refuse_http)
    app.add_exception_handler(Exception, _own_up)
    return app


def _refuse_values(_: Request, error: Exception) -> JSONResponse:
    """Name what is wrong and where, without the caller's value: it may be nothing that JSON can carry."""
    assert isinstance(error, RequestValidationError)  # registered for it
    wrong = [
        WrongField(
            loc=[part if isinstance(part, int) else printable(part) for part in one["loc"]],
            msg=printable(one["msg"]),
            type=one["type"],
        )
        for one in error.errors()
    ]
    detail = "; ".join(f"{'.'.join(map(str, one.loc))}: {one.msg}" for one in wrong[:3])
    return problem_response(problem(INVALID_REQUEST, detail, wrong))


def _refuse_request(request: Request, error: Exception) -> JSONResponse:
    """Name the problem; places and files of the lake only to who sees all of it, for they may name other tenants."""
    assert isinstance(error, LogsterError)  # registered for it
    if isinstance(error, RequestError):
        return problem_response(problem_of(error), dict(error.headers))
    if isinstance(error, LakeError):
        _LOG.error("the lake is unavailable", reason=str(error))
        caller: Caller | None = request.state.caller
        if caller is None or caller.tenant is not None:
            return problem_response(problem(LAKE_UNAVAILABLE, "the lake cannot be read or written; see the API's log"))
    return problem_response(problem_of(error))


def _refuse_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # registered for it
    return problem_response(http_problem(error.status_code, error.detail), dict(error.headers or {}))


def _own_up(_: Request, error: Exception) -> JSONResponse:
    # answered outside of all middleware
    return problem_response(
        problem(UNEXPECTED, f"unexpected {type(error).__name__}; see the API's log"), dict(SECURE_HEADERS)
    )
