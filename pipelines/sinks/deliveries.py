"""Handing on changes of alerts: what is handed on, how it may fail, how often it is tried."""

import json
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_delay,
    stop_when_event_set,
    wait_random_exponential,
)

from pipelines.errors import SinkError
from pipelines.schemas.outbox import SCHEMA_VERSION
from pipelines.sinks.changes import Document

__all__ = ["Change", "Deliver", "NotNow", "Refused", "change_of", "delivered"]

_CHANGE_ID = re.compile(r"[0-9a-f]{64}")
_LONGEST_PAUSE_SECONDS = 60.0
_LONGEST_ASKED_FOR_SECONDS = 600.0


@dataclass(frozen=True)
class Change:
    """A change of an alert as it was published.

    Attributes:
        change_id: the same for the same change, always.
        document: by ``pipelines/schemas/alert_change.v1.json``.
        body: the document as it was published, to the byte.
    """

    change_id: str
    document: Document
    body: bytes


Deliver = Callable[[Sequence[Change]], None]
"""Hands changes on once, all or none of them; raises `NotNow` or `Refused`."""


class NotNow(SinkError):
    """It could not be handed on; it may be later.

    Args:
        reason: for a person.
        retry_after: seconds that the other side asks us to wait.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Refused(SinkError):
    """The other side does not take what it was sent, and will not take it later."""


def change_of(value: bytes | None) -> Change:
    """Read a Kafka record's value.

    Raises:
        Refused: it is no change of an alert, or of a version that is not known here.
    """
    try:
        document: Any = json.loads(value or b"")
        version, change_id = document["schema_version"], document["change_id"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Refused(f"is no change of an alert: {type(error).__name__}") from None
    if version != SCHEMA_VERSION:
        raise Refused(f"is of schema version {version}; this Logster reads {SCHEMA_VERSION}")
    if not isinstance(change_id, str) or not _CHANGE_ID.fullmatch(change_id):  # it goes into a header
        raise Refused("is no change of an alert: its change_id is no hash")
    return Change(change_id, document, value or b"")


def delivered(changes: Sequence[Change], deliver: Deliver, *, give_up_after: timedelta, stop: threading.Event) -> bool:
    """Hand changes on, again and again where they cannot be now.

    The pauses are random between nothing and a bound that doubles up to a minute, and no shorter than the other side asks
    for (ten minutes at most).

    Args:
        changes: the changes.
        deliver: hands them on once.
        give_up_after: no try begins later.
        stop: ends the pauses.

    Returns:
        Whether they were taken; false only where ``stop`` was set before.

    Raises:
        Refused: they were not, and will not be.
        NotNow: they were not within the time.
    """
    attempts = Retrying(
        retry=retry_if_exception_type(NotNow),
        stop=stop_after_delay(give_up_after.total_seconds()) | stop_when_event_set(stop),
        wait=_pause,
        sleep=sleep_using_event(stop),
        reraise=True,
    )
    try:
        attempts(deliver, changes)
    except NotNow:
        if stop.is_set():
            return False
        raise
    return True


_DOUBLING = wait_random_exponential(multiplier=0.5, max=_LONGEST_PAUSE_SECONDS)


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, NotNow) and error.retry_after else 0.0
    return max(_DOUBLING(state), min(asked, _LONGEST_ASKED_FOR_SECONDS))
