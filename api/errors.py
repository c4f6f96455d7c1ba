"""What can be wrong with a request, as errors that know which kind of problem they are.

An illegal transition is ``pipelines.errors.TransitionError``, a lake that cannot be read ``pipelines.errors.LakeError``.
"""

from collections.abc import Mapping

from api.problems import (
    BAD_CURSOR,
    FORBIDDEN,
    KEY_REUSED,
    OTHER_ACTOR,
    SIGN_IN_UNAVAILABLE,
    STALE_ETAG,
    SUPPRESSION_OF_FILE,
    TOO_MANY,
    UNAUTHENTICATED,
    UNKNOWN_ALERT,
    UNKNOWN_KEY,
    UNKNOWN_SUPPRESSION,
    ProblemKind,
)
from pipelines.errors import QueryError

__all__ = [
    "GIVE_A_KEY", "BadCursorError", "ForbiddenError", "KeyReusedError", "OtherActorError", "RequestError",
    "SignInUnavailableError", "StaleAlertError", "SuppressionOfFileError", "TooManyRequestsError", "UnauthenticatedError",
    "UnknownAlertError", "UnknownClaimsError", "UnknownKeyError", "UnknownSuppressionError", "WrongKeyError", "WrongTokenError",
]  # fmt: skip

GIVE_A_KEY = "give an API key as `Authorization: Bearer …` or `X-API-Key`, or a token as `Authorization: Bearer …`"
"""What to do for who shows nothing."""

_SHOWN = 80  # characters of a caller's own text that are worth showing back


class RequestError(QueryError):
    """A request that cannot be answered; `kind` says how, `headers` go with the answer."""

    kind: ProblemKind
    headers: Mapping[str, str] = {}


class UnauthenticatedError(RequestError):
    """It is not proven who asks."""

    kind = UNAUTHENTICATED
    headers: Mapping[str, str] = {"WWW-Authenticate": 'Bearer realm="logster"'}


class WrongKeyError(UnauthenticatedError):
    """A key was shown that opens nothing (RFC 6750, 3.1)."""

    headers: Mapping[str, str] = {"WWW-Authenticate": 'Bearer realm="logster", error="invalid_token"'}


class WrongTokenError(WrongKeyError):
    """A token was shown that opens nothing; why is in the log, for an answer would teach how to make a better one."""

    def __init__(self) -> None:
        super().__init__(
            "the token opens nothing here: it is wrong, has expired, or is for something else; sign in again"
        )


class ForbiddenError(RequestError):
    """Who asks may not."""

    kind = FORBIDDEN


class UnknownClaimsError(ForbiddenError):
    """A token is right, and gives no tenant or role here (RFC 6750, 3.1)."""

    headers: Mapping[str, str] = {"WWW-Authenticate": 'Bearer realm="logster", error="insufficient_scope"'}

    def __init__(self) -> None:
        super().__init__("the token gives no access here; ask whoever runs this API what its claims must say")


class SignInUnavailableError(RequestError):
    """A token cannot be checked, for its provider does not answer."""

    kind = SIGN_IN_UNAVAILABLE

    def __init__(self, wait_seconds: int) -> None:
        super().__init__(SIGN_IN_UNAVAILABLE.example)
        self.headers = {"Retry-After": str(wait_seconds)}


class TooManyRequestsError(RequestError):
    """Who asks has asked too often."""

    kind = TOO_MANY

    def __init__(self, per_minute: int, wait_seconds: int) -> None:
        super().__init__(f"more than {per_minute} requests in a minute; try again in {wait_seconds} s")
        self.headers = {"Retry-After": str(wait_seconds)}


class OtherActorError(RequestError):
    """A change in another's name."""

    kind = OTHER_ACTOR

    def __init__(self, name: str) -> None:
        super().__init__(f"what you change is changed in the name of '{name}'; leave `actor` out")


class UnknownAlertError(RequestError):
    """There is no alert of that id."""

    kind = UNKNOWN_ALERT

    def __init__(self, alert_id: str) -> None:
        super().__init__(
            f"no alert '{alert_id[:_SHOWN]}'; GET /alerts or `logster alerts --json` lists those there are "
            "(an alert that a late window joined to an earlier one goes by the earlier one's id)"
        )


class UnknownKeyError(RequestError):
    """There is no key of that id."""

    kind = UNKNOWN_KEY

    def __init__(self, key_id: str) -> None:
        super().__init__(f"no key '{key_id[:_SHOWN]}'; GET /keys lists those there are")


class UnknownSuppressionError(RequestError):
    """There is no suppression of that id."""

    kind = UNKNOWN_SUPPRESSION

    def __init__(self, suppression_id: str) -> None:
        super().__init__(
            f"no suppression '{suppression_id[:_SHOWN]}'; GET /suppressions or `logster alerts suppressions` lists those there are"
        )


class SuppressionOfFileError(RequestError):
    """A suppression that the API did not make."""

    kind = SUPPRESSION_OF_FILE

    def __init__(self, suppression_id: str) -> None:
        super().__init__(
            f"'{suppression_id[:_SHOWN]}' stands in the file of LOGSTER_SUPPRESSIONS; take it out there, and start again"
        )


class StaleAlertError(RequestError):
    """The alert is no longer as the caller read it."""

    kind = STALE_ETAG

    def __init__(self, etag: str) -> None:
        super().__init__(f"the alert is at {etag} by now; read it again, then decide anew")


class KeyReusedError(RequestError):
    """An Idempotency-Key came again with another request."""

    kind = KEY_REUSED

    def __init__(self, key: str, about: str) -> None:
        super().__init__(f"Idempotency-Key '{key[:_SHOWN]}' was used for another {about}; take a new key for each")


class BadCursorError(RequestError):
    """A cursor that no page of ours gave out."""

    kind = BAD_CURSOR

    def __init__(self) -> None:
        super().__init__(BAD_CURSOR.example)
