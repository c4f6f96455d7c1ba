"""Taking a body of Splunk's HTTP Event Collector apart: envelopes ``{"time", "host", …, "event"}``, one after another.

Between them there may be nothing, blanks or line ends. What an event says is told by ``api.collector.records``.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, NoReturn

from api.collector.answers import BLANK_EVENT, EVENT_MISSING, INVALID_DATA, NO_DATA, RefusedError

__all__ = ["Envelope", "on_one_line", "read_envelopes", "read_time"]

_BLANKS = re.compile(r"[ \t\r\n]*")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Envelope(NamedTuple):
    """One envelope.

    Attributes:
        text: all of it as it came, on one line.
        event: its event, as Python has it.
        event_text: its event as it came, on one line.
        host: the machine that it names.
        time: the event's time, where it tells one that can be read.
    """

    text: str
    event: Any
    event_text: str
    host: str | None
    time: datetime | None


def read_envelopes(body: bytes) -> tuple[list[Envelope], RefusedError | None]:
    """Read envelopes up to the first that is invalid.

    Args:
        body: UTF-8.

    Returns:
        The envelopes, and what is wrong with the one after them; None where all of the body was read.
    """
    text = body.decode(errors="surrogateescape")  # bytes that are no UTF-8 spoil their own envelope only
    envelopes: list[Envelope] = []
    at = _after_blanks(text, 0)
    if at == len(text):
        return [], RefusedError(NO_DATA)
    while at < len(text):
        try:
            envelope, at = _envelope_at(text, at)
        except RefusedError as refused:
            return envelopes, RefusedError(refused.answer, number=len(envelopes))
        except (ValueError, RecursionError):  # also what is no UTF-8
            return envelopes, RefusedError(INVALID_DATA, number=len(envelopes))
        envelopes.append(envelope)
        at = _after_blanks(text, at)
    return envelopes, None


def read_time(told: object) -> datetime | None:
    """Read seconds since 1970, as a number or as text; None where they are none."""
    if isinstance(told, bool) or not isinstance(told, int | float | str):
        return None
    try:
        return _EPOCH + timedelta(microseconds=int(Decimal(str(told)) * 1_000_000))
    except (InvalidOperation, OverflowError, ValueError):
        return None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _envelope_at(text: str, start: int) -> tuple[Envelope, int]:
    """Read one envelope and say where it ends; its members one by one, for their text is wanted as well.

    Raises:
        ValueError: it is no JSON object, names a member twice, or is no UTF-8.
        RefusedError: it has no event, or an empty one.
    """
    at = _after(text, start, "{")
    members: dict[str, tuple[Any, str]] = {}
    while text[at : at + 1] != "}" or members:
        name, end = _DECODER.raw_decode(text, at)
        if not isinstance(name, str) or name in members:
            raise ValueError(f"member {name!r}")
        began = _after(text, _after_blanks(text, end), ":")
        value, end = _DECODER.raw_decode(text, began)
        members[name] = (value, text[began:end])
        at = _after_blanks(text, end)
        if text[at : at + 1] == "}":
            break
        at = _after(text, at, ",")
    whole = text[start : at + 1]
    whole.encode()
    event, event_text = members.get("event", (None, ""))
    if event is None:
        raise RefusedError(EVENT_MISSING)
    if isinstance(event, str) and not event.strip():
        raise RefusedError(BLANK_EVENT)
    host, _ = members.get("host", (None, ""))
    time, _ = members.get("time", (None, ""))
    told_by = host.strip() if isinstance(host, str) else None
    return Envelope(on_one_line(whole), event, on_one_line(event_text), told_by or None, read_time(time)), at + 1


def _after(text: str, at: int, mark: str) -> int:
    if text[at : at + 1] != mark:
        raise ValueError(f"no {mark} at {at}")
    return _after_blanks(text, at + 1)


def _after_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def on_one_line(text: str) -> str:
    """JSON without line ends: they stand between its parts only, never within text."""
    return text.replace("\r", " ").replace("\n", " ")
