"""Every kind of problem that the API answers with, in the form of RFC 9457 (``application/problem+json``).

Which error is of which kind is said here as well; the errors themselves are in ``api.errors`` and ``pipelines.errors``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse

from api.schemas import Problem, WrongField
from pipelines.errors import LakeError, LogsterError, TransitionError

__all__ = [
    "BAD_CURSOR", "FORBIDDEN", "ILLEGAL_TRANSITION", "INVALID_REQUEST", "KEY_REUSED", "LAKE_UNAVAILABLE", "NOT_JSON",
    "OTHER_ACTOR", "SIGN_IN_UNAVAILABLE", "STALE_ETAG", "SUPPRESSION_OF_FILE", "TOO_LARGE", "TOO_MANY", "TOO_SLOW",
    "UNAUTHENTICATED", "UNEXPECTED", "UNKNOWN_ALERT", "UNKNOWN_KEY", "UNKNOWN_SUPPRESSION", "ProblemKind", "documented",
    "problem", "problem_of", "problem_response",
]  # fmt: skip

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class ProblemKind:
    """A kind of problem.

    Attributes:
        name: last part of its URN; stays when the words change.
        status: HTTP status.
        title: the kind in words.
        example: a `detail` as it may read.
    """

    name: str
    status: int
    title: str
    example: str

    @property
    def urn(self) -> str:
        """What `type` says."""
        return f"urn:logster:problem:{self.name}"


NOT_JSON = ProblemKind("not-json", 400, "The body is not JSON", "There was an error parsing the body")
UNAUTHENTICATED = ProblemKind("unauthenticated", 401, "It is not known who asks", "the key 3f9a6c01d2e4 is revoked")
FORBIDDEN = ProblemKind("forbidden", 403, "Who asks may not", "PATCH needs role 'analyst', and 'wall' has 'reader'")
OTHER_ACTOR = ProblemKind(
    "other-actor", 403, "The change is in another's name",
    "what you change is changed in the name of 'ann'; leave `actor` out",
)  # fmt: skip
UNKNOWN_ALERT = ProblemKind(
    "unknown-alert", 404, "There is no such alert", "no alert '5f1c'; GET /alerts lists those there are"
)
UNKNOWN_KEY = ProblemKind(
    "unknown-key", 404, "There is no such key", "no key '3f9a6c01d2e4'; GET /keys lists those there are"
)
UNKNOWN_SUPPRESSION = ProblemKind(
    "unknown-suppression",
    404,
    "There is no such suppression",
    "no suppression '5f1c'; GET /suppressions lists those there are",
)
SUPPRESSION_OF_FILE = ProblemKind(
    "suppression-of-file", 409, "The suppression stands in a file",
    "'file:scanner' stands in the file of LOGSTER_SUPPRESSIONS; take it out there, and start again",
)  # fmt: skip
ILLEGAL_TRANSITION = ProblemKind(
    "illegal-transition", 409, "The alert may not go to that status",
    "an alert that is 'resolved' cannot become 'acknowledged'; from 'resolved' it may go to: false_positive, investigating",
)  # fmt: skip
STALE_ETAG = ProblemKind(
    "stale-etag", 412, "The alert has changed since it was read",
    "the alert is at \"1772366700000000.2.0\" by now; read it again, then decide anew",
)  # fmt: skip
TOO_LARGE = ProblemKind("too-large", 413, "The body is too large", "the body has more than 262144 bytes")
TOO_SLOW = ProblemKind("too-slow", 408, "The body is too slow", "the body did not arrive within 30 s")
TOO_MANY = ProblemKind(
    "too-many-requests", 429, "There are too many requests", "more than 6000 requests in a minute; try again in 2 s"
)
INVALID_REQUEST = ProblemKind(
    "invalid-request", 422, "The request cannot be used", "query.limit: Input should be less than or equal to 500"
)
BAD_CURSOR = ProblemKind(
    "bad-cursor", 422, "The cursor is not one of ours",
    "cursor: not one of ours; pass `next_cursor` of the page before as it was, or leave it out",
)  # fmt: skip
KEY_REUSED = ProblemKind(
    "key-reused", 422, "The Idempotency-Key stands for another request",
    "Idempotency-Key 'k1' was used for another change of this alert; take a new key for each",
)  # fmt: skip
LAKE_UNAVAILABLE = ProblemKind(
    "lake-unavailable", 503, "The lake cannot be read or written",
    "table /lake/alerts cannot be read: No such file; `logster doctor` checks the lake",
)  # fmt: skip
SIGN_IN_UNAVAILABLE = ProblemKind(
    "sign-in-unavailable", 503, "A token cannot be checked",
    "the token cannot be checked at the moment, for who made it does not answer; API keys open as ever",
)  # fmt: skip
UNEXPECTED = ProblemKind(
    "unexpected", 500, "Something that should not happen did", "unexpected KeyError; see the API's log"
)


def problem(kind: ProblemKind, detail: str, errors: Iterable[WrongField] = ()) -> Problem:
    """State one occurrence of a kind."""
    return Problem(
        type=kind.urn, title=kind.title, status=kind.status, detail=printable(detail), errors=list(errors) or None
    )


def problem_of(error: LogsterError) -> Problem:
    """State an error as a problem; one that is of no kind a caller can cause is unexpected."""
    if isinstance(error, TransitionError):
        kind = ILLEGAL_TRANSITION
    elif isinstance(error, LakeError):
        kind = LAKE_UNAVAILABLE
    else:
        kind = getattr(error, "kind", UNEXPECTED)
    return problem(kind, str(error))


def http_problem(status: int, detail: str) -> Problem:
    """State what the framework refuses by itself: a path or method that is not there, a body that is no JSON."""
    if status == NOT_JSON.status:
        return problem(NOT_JSON, detail)
    return Problem(type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=printable(detail))


def problem_response(found: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    """The problem as a response."""
    body = found.model_dump(exclude_none=True)
    return JSONResponse(body, status_code=found.status, media_type=MEDIA_TYPE, headers=headers)


def documented(*kinds: ProblemKind) -> dict[int | str, dict[str, Any]]:
    """Describe kinds of problems as OpenAPI responses with an example of each."""
    responses: dict[int | str, dict[str, Any]] = {}
    for status in sorted({kind.status for kind in kinds}):
        alike = [kind for kind in kinds if kind.status == status]
        examples = {
            kind.name: {"value": problem(kind, kind.example).model_dump(exclude_none=True)} for kind in alike
        }  # fmt: skip
        responses[status] = {
            "description": "; or ".join(kind.title for kind in alike),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}},
        }
    return responses


def printable(text: str) -> str:
    """Text of a caller's as JSON can carry it: half a surrogate pair is written out."""
    return text.encode("utf-8", "backslashreplace").decode()
