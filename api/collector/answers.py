"""What the collector answers: status, code and words of Splunk's HTTP Event Collector, which shippers know.

Source: Splunk, "Troubleshoot HTTP Event Collector", possible error codes.
"""

from dataclasses import dataclass

from fastapi.responses import JSONResponse

from pipelines.errors import LogsterError

__all__ = [
    "BLANK_EVENT", "BUSY", "CHANNEL_INVALID", "CHANNEL_MISSING", "EVENT_MISSING", "HEALTHY", "INVALID_AUTHORIZATION",
    "INVALID_DATA", "INVALID_TOKEN", "NO_DATA", "OVERLOADED", "SUCCESS", "TIMED_OUT", "TOKEN_MISSING", "TOO_LARGE",
    "TOO_MANY_REQUESTS", "UNEXPECTED", "UNKNOWN_ENCODING", "Answer", "RefusedError", "respond",
]  # fmt: skip

_RETRY_SECONDS = "1"


@dataclass(frozen=True)
class Answer:
    """One of the answers.

    Attributes:
        status: HTTP status.
        code: Splunk's number; where Splunk has no such answer, that of the nearest one.
        text: the answer in words.
        is_passing: whether the same request may succeed later; says so with ``Retry-After``.
    """

    status: int
    code: int
    text: str
    is_passing: bool = False


SUCCESS = Answer(200, 0, "Success")
TOKEN_MISSING = Answer(401, 2, "Token is required")
INVALID_AUTHORIZATION = Answer(401, 3, "Invalid authorization")
INVALID_TOKEN = Answer(403, 4, "Invalid token")
NO_DATA = Answer(400, 5, "No data")
INVALID_DATA = Answer(400, 6, "Invalid data format")
UNKNOWN_ENCODING = Answer(415, 6, "Content-Encoding must be gzip, or none")
TIMED_OUT = Answer(408, 6, "The body did not arrive in time")
UNEXPECTED = Answer(500, 8, "Internal server error")
BUSY = Answer(503, 9, "Server is busy", is_passing=True)
TOO_MANY_REQUESTS = Answer(429, 9, "Too many requests of this token at once", is_passing=True)
CHANNEL_MISSING = Answer(400, 10, "Data channel is missing")
CHANNEL_INVALID = Answer(400, 11, "Invalid data channel")
EVENT_MISSING = Answer(400, 12, "Event field is required")
BLANK_EVENT = Answer(400, 13, "Event field cannot be blank")
HEALTHY = Answer(200, 17, "HEC is healthy")
OVERLOADED = Answer(503, 18, "HEC is unhealthy, queues are full", is_passing=True)
TOO_LARGE = Answer(413, 27, "Request entity too large")


class RefusedError(LogsterError):
    """A request that is not taken, or not all of it.

    Attributes:
        answer: what the sender is told.
        number: of the first envelope that is invalid, from 0; those before it were taken.
    """

    def __init__(self, answer: Answer, *, number: int | None = None) -> None:
        super().__init__(answer.text)
        self.answer, self.number = answer, number


def respond(answer: Answer, **more: int | None) -> JSONResponse:
    """The answer as a response; what is None is left out.

    Args:
        answer: which.
        more: other members, ``_`` in their names for ``-``.
    """
    members = {name.replace("_", "-"): value for name, value in more.items() if value is not None}
    headers = {"Retry-After": _RETRY_SECONDS} if answer.is_passing else {}
    if answer.status in (408, 413):
        headers["Connection"] = "close"  # what is left of the body is not read
    return JSONResponse({"text": answer.text, "code": answer.code, **members}, answer.status, headers)
