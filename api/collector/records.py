"""From what was sent to the lines that land: each in a form that a format of ``pipelines.formats`` reads.

| what came | lands as |
| --- | --- |
| audit record | itself, with ``node=`` of the sender's host where it names none |
| line with a syslog header | itself, with the envelope's time where its own has no zone |
| ``<Event>…</Event>``, over any lines | itself |
| Splunk's text of a Windows event | one line, ``#012`` for line ends; the envelope's time, which has a zone, for its own |
| JSON object | one line, with ``@timestamp`` and ``NODE`` of the envelope where it has no time and names no endpoint |
| anything else | its envelope, whole: the pipeline opens it, and puts what it cannot read into quarantine |

Nothing of a sender's can run into what another sent, since all of this goes into files together: what has line ends and
is none of these, or holds control characters, lands as JSON.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from api.collector.envelopes import Envelope, on_one_line
from pipelines.formats.hec_event import HOST, RENDERED, STAMP_WITHOUT_ZONE, TELLS_TIME
from pipelines.sources.names import ENDPOINT_NAME
from pipelines.sources.record_cuts import RecordCuts

__all__ = ["Record", "records_of_envelope", "records_of_text"]

_AUDIT = re.compile(r"(node=\S+ )?type=\S+ msg=audit\(")
_SYSLOG = re.compile(
    r"(?:\d{1,7} (?=<))?(?:<\d{1,3}> ?\S|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d |\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)"
)
_EVENT = re.compile(r"\s*(?:<\?xml[^>]*\?>\s*)?<Event[\s>]")
_EVENTS = re.compile(r"<Event[\s>]")
_TEXT = re.compile(RENDERED)
_ZONELESS = re.compile(STAMP_WITHOUT_ZONE)
# what would make a file look binary, half of a surrogate pair, or a mark that a reader takes off
_NOT_PLAIN = re.compile("[\x00\x02-\x08\x0b\x0e-\x1a\x1c\x1e\x1f\ud800-\udfff\ufeff]")
_NAME = re.compile(ENDPOINT_NAME)
_NODE = re.compile(HOST)
_TELLS_TIME = frozenset(TELLS_TIME)
_TELLS_ENDPOINT = frozenset({
    "winlog", "computer_name", "Hostname", "hostname", "HostName", "HOSTNAME", "HOST", "host", "host.name",
    "host.hostname", "_HOSTNAME", "Computer", "fromhost", "NODE", "agent", "beat",
})  # fmt: skip


class Record(NamedTuple):
    """What lands.

    Attributes:
        text: the record without its last line end.
        endpoint: endpoint of a record that cannot name it by itself.
    """

    text: str
    endpoint: str | None = None


def records_of_envelope(envelope: Envelope) -> list[Record]:
    """The records of one envelope: mostly one, several where its text holds several; at least one."""
    event, host, time = envelope.event, envelope.host, envelope.time
    if isinstance(event, dict) and event:
        return [_of_object(envelope.event_text, event, host, time)]
    if isinstance(event, str):
        text = event.strip("\r\n")
        whole = _of_json(on_one_line(text), host, time) if text.startswith("{") else None
        pieces = list(_pieces(text))
        if time and len(pieces) == 1:  # of several it is not known whose time it is
            pieces = [_ZONELESS.sub(rf"\g<1>{time.isoformat()}", pieces[0])]
        found = [whole] if whole else [_read(piece, host, time) for piece in pieces]
        records = [record for record in found if record is not None]
        if records and len(records) == len(found):
            return records
    return [Record(envelope.text)]


def records_of_text(body: bytes, host: str | None, time: datetime | None) -> list[Record]:
    """The records of a text without envelopes.

    Args:
        body: lines, in UTF-8; what is not lands as JSON.
        host: the machine that they are from, where that is known.
        time: of records that tell none.
    """
    return [
        _read(piece, host, time) or _as_it_is(piece, host)
        for piece in _pieces(body.decode(errors="surrogateescape").removeprefix("\ufeff"))
    ]


def _pieces(text: str) -> Iterator[str]:
    """The records in a text, cut as those of a file are."""
    data = text.encode(errors="surrogatepass")
    cuts = RecordCuts(longest=len(data) + 1)
    if cuts.concern(data):
        found = (*cuts.cut(data.split(b"\n"), 0, 0), *cuts.finish())
        pieces = [one.record.decode(errors="surrogatepass") for one in found]
    else:
        pieces = text.split("\n")
    return (piece.rstrip("\r") for piece in pieces if piece.strip())


def _read(text: str, host: str | None, time: datetime | None) -> Record | None:
    """A record in the form that it lands in; None where no form is known for it."""
    if _NOT_PLAIN.search(text):
        return None
    if "\n" not in text:
        audit = _AUDIT.match(text)
        if audit:
            is_named = audit[1] or not (host and _NODE.fullmatch(host))
            return Record(text if is_named else f"node={host} {text}")
        if _SYSLOG.match(text):
            return Record(text) if ("<Event" in text) == ("</Event>" in text) else None
        if text.startswith("{"):
            return _of_json(text, host, time)
    if _EVENT.match(text):
        is_whole = text.rstrip().endswith("</Event>") and len(_EVENTS.findall(text)) == 1
        return Record(text) if is_whole else None
    rendered = _TEXT.match(text)
    return _of_rendered(rendered[1], text[rendered.end() :], time) if rendered else None


def _of_rendered(stamp: str | None, rest: str, time: datetime | None) -> Record | None:
    if time:
        stamp = time.strftime("%m/%d/%Y %I:%M:%S.%f %p")
    text = rest.replace("\r\n", "\n")
    if stamp is None or "EventCode=" not in text or "#012" in text or "#015" in text:
        return None
    return Record("#012".join([stamp, *text.split("\n")]))


def _of_json(text: str, host: str | None, time: datetime | None) -> Record | None:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_object = isinstance(told, dict) and told and not _NOT_PLAIN.search(text)
    return _of_object(text, told, host, time) if is_object else None


def _of_object(text: str, told: dict[str, Any], host: str | None, time: datetime | None) -> Record:
    """An object as it came, between its braces, and what it lacks."""
    inner = text.strip()[1:-1].strip()
    if time and not _TELLS_TIME & told.keys():
        inner += f',"@timestamp":"{time.isoformat()}"'
    hint = host if host and _NAME.fullmatch(host) and not _TELLS_ENDPOINT & told.keys() else None
    if hint and "ID" in told:  # LAUREL: says itself where it was, as auditd does by `node=`
        return Record(f'{{{inner},"NODE":"{hint}"}}')
    return Record(f"{{{inner}}}", hint)


def _as_it_is(text: str, host: str | None) -> Record:
    """A record of no known form: itself, or in an envelope where it could run into others."""
    could_run_into = any(mark in text for mark in ("\n", "<Event", "</Event", "LogName="))
    is_harmless = not (could_run_into or _NOT_PLAIN.search(text))
    envelope = {"host": host, "event": text} if host else {"event": text}
    return Record(text if is_harmless else json.dumps(envelope))
