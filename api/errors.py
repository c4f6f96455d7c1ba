"""What can be wrong with a request, as errors that carry their HTTP status.

A lake that cannot be read is ``pipelines.errors.LakeError`` and answered with 503.
"""

from collections.abc import Iterable

from pipelines.errors import QueryError

__all__ = ["BadCursorError", "IllegalTransitionError", "RequestError", "UnknownAlertError"]

_SHOWN = 80  # characters of a caller's own text that are worth showing back


class RequestError(QueryError):
    """A request that cannot be answered; `status_code` says how."""

    status_code = 400


class UnknownAlertError(RequestError):
    """There is no alert of that id."""

    status_code = 404

    def __init__(self, alert_id: str) -> None:
        super().__init__(
            f"no alert '{alert_id[:_SHOWN]}'; GET /alerts lists those there are "
            "(an alert that a late window joined to an earlier one goes by the earlier one's id)"
        )


class IllegalTransitionError(RequestError):
    """An alert may not go from its status to the wanted one."""

    status_code = 409

    def __init__(self, current: str, wanted: str, allowed: Iterable[str]) -> None:
        names = ", ".join(sorted(allowed))
        way_out = f"from '{current}' it may go to: {names}" if names else f"'{current}' is final; add a note instead"
        super().__init__(f"an alert that is '{current}' cannot become '{wanted}'; {way_out}")


class BadCursorError(RequestError):
    """A cursor that no page of ours gave out."""

    status_code = 422

    def __init__(self) -> None:
        super().__init__("cursor: not one of ours; pass `next_cursor` of the page before as it was, or leave it out")
