"""Records that are not one line each: events over several lines, and several events on one line.

| in a file | is one record |
| --- | --- |
| ``<Event …>`` to ``</Event>``, over any lines | the event; XML's declaration and the ``<Events>`` around are none |
| a line with a time, ``LogName=…`` and what follows, up to the next such pair | Splunk's text rendering of an event |
| ``{…}{…}`` with ``event`` in each, on one line | each object: envelopes of Splunk's HTTP Event Collector |
| a line ``{``, indented lines, a line ``}``, in a file that begins with such a line or with ``[`` | the JSON object |

Every other line is a record by itself. An event that is torn ends where the next record begins, and is told by its
format, not here. Nobody who can only write lines into a file may hide the lines of others: of an event that has no end,
what looks like another record is one.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, NamedTuple

__all__ = ["Piece", "RecordCuts"]

_HEAD = 1024  # an event begins within so many bytes of its line
_SYSLOG = rb"(?:<\d{1,3}>|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d |\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)"
_HEADER = re.compile(_SYSLOG)
_BEGINS = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!DOCTYPE[^>]*>\s*)?(?:<Events[^>]*>\s*)?<Event[\s>]|"
    + _SYSLOG
    + rb"[^{\n]*?<Event[\s>]"
)
_WRAPPER = re.compile(rb"\s*(?:<\?xml[^>]*\?>)?\s*(?:</?Events\b[^>]*>)?\s*(?:</Events>)?\s*")
_NEXT = re.compile(rb"</Event>\s*(?=</?Events?[\s>])")
_STAMP = re.compile(rb"\s*\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d:\d\d(?:\.\d+)? [AP]M\s*")
_LONGEST_STAMP = 64
_AUDIT = re.compile(rb"(?:node=\S+ )?type=\S+ msg=audit\(")
_FIRST, _END = b"LogName=", b"</Event>"
_LAID_OUT = re.compile(rb"\s*[\[{][ \t\r]*(?:\n|\Z)")  # how a file of JSON over several lines begins
_OPENS = re.compile(rb"([ \t]*)\{[ \t\r]*")
_LISTS = (b"[", b"]", b",")
_STACKED = (b'}{"', b'} {"')
_MARKS = (_FIRST, *_STACKED)
_XML_MARKS = (b"<Event", b"</Events", b"<?xml")
_DECODER = json.JSONDecoder()


class Piece(NamedTuple):
    """A record as it was found: its byte offset, its bytes, and how many more were dropped since it is too long."""

    start: int
    record: bytes
    dropped: int = 0


@dataclass
class _Group:
    """Lines that may become one record."""

    kind: Literal["xml", "text", "json"]
    pieces: list[Piece]
    is_behind_header: bool = False
    is_stamped: bool = False
    indent: bytes = b""
    size: int = field(init=False)
    dropped: int = 0

    def __post_init__(self) -> None:
        self.size = sum(len(piece.record) + 1 for piece in self.pieces)

    def add(self, piece: Piece, longest: int) -> None:
        """Take a line in; what passes the longest record is counted only."""
        self.dropped += piece.dropped
        if self.size > longest:
            self.dropped += len(piece.record) + 1
        else:
            self.pieces.append(piece)
            self.size += len(piece.record) + 1

    def joined(self) -> Piece:
        record = b"\n".join(piece.record for piece in self.pieces).rstrip()
        if self.kind == "json" and record.endswith(b"},"):
            record = record[:-1]
        return Piece(self.pieces[0].start, record, self.dropped)


class RecordCuts:
    """Cuts the lines of one file, given in their order, into records."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._group: _Group | None = None
        self._stamp: Piece | None = None
        self._is_laid_out: bool | None = None

    def concern(self, block: bytes) -> bool:
        """Say whether a block of whole lines may hold, begin or go on with a record that is not a line."""
        if self._is_laid_out is None and block.strip():
            self._is_laid_out = _LAID_OUT.match(block) is not None
        if self._is_laid_out or self._group or self._stamp or any(mark in block for mark in _MARKS):
            return True
        # one byte is found twenty times as fast as a mark, and in most files there is none
        if b"<" in block and any(mark in block for mark in _XML_MARKS):
            return True
        last = block.rstrip(b"\n").rpartition(b"\n")[2] if len(block) else b""
        return len(last) < _LONGEST_STAMP and bool(_STAMP.fullmatch(last))

    def end_of_whole(self, rest: bytes) -> int:
        """Of a line that has not ended yet: where the last record on it that is known to be whole ends, else 0."""
        if rest.lstrip()[:1] == b"<":
            return max((found.end() for found in _NEXT.finditer(rest)), default=0)
        if rest[:1] == b"{" and any(mark in rest for mark in _STACKED):
            return sum(len(piece) for piece in _stacked(rest)[:-1])
        return 0

    def cut(self, lines: list[bytes], offset: int, skipped: int) -> Iterator[Piece]:
        """Yield the records that end in these lines.

        Args:
            lines: whole lines without their ends.
            offset: where the first of them begins in the file.
            skipped: bytes that were dropped from that one.
        """
        for line in lines:
            for part in _parts(line):
                yield from self._take(Piece(offset, part, skipped))
                offset += len(part) + skipped
                skipped = 0
            offset += 1

    def finish(self) -> Iterator[Piece]:
        """Yield what was waiting for an end, since the file is at its own."""
        if self._stamp:
            stamp, self._stamp = self._stamp, None
            yield from self._put(stamp)
        while self._group:  # a torn event may give lines back that begin another record
            yield from self._close()

    def _take(self, piece: Piece) -> Iterator[Piece]:
        """A time by itself begins a record where LogName= comes next."""
        if self._stamp:
            stamp, self._stamp = self._stamp, None
            if piece.record.startswith(_FIRST):
                yield from self._close()
                self._group = _Group("text", [stamp, piece], is_stamped=True)
                return
            yield from self._put(stamp)
        in_xml = self._group is not None and self._group.kind == "xml"
        if not in_xml and len(piece.record) < _LONGEST_STAMP and _STAMP.fullmatch(piece.record):
            self._stamp = piece
        else:
            yield from self._put(piece)

    def _put(self, piece: Piece) -> Iterator[Piece]:
        line = piece.record
        begins = b"<Event" in line[:_HEAD] and _BEGINS.match(line[:_HEAD]) is not None
        if self._group and not self._ends_before(line, begins):
            yield from self._grow(piece)
            return
        yield from self._close()
        if self._is_laid_out and (opened := _OPENS.fullmatch(line)):
            indent = opened[1]
            first = Piece(piece.start + len(indent), line[len(indent) :])
            self._group = _Group("json", [first], indent=indent)
        elif self._is_laid_out and line.strip() in _LISTS:
            return
        elif begins and _END not in line and not piece.dropped:
            self._group = _Group("xml", [piece], is_behind_header=_HEADER.match(line) is not None)
        elif line.startswith(_FIRST):
            self._group = _Group("text", [piece])
        elif not (line.lstrip()[:1] == b"<" and len(line) < _HEAD and _WRAPPER.fullmatch(line)):
            yield piece

    def _ends_before(self, line: bytes, begins: bool) -> bool:
        """Say whether the open group is over, since this line is another record's."""
        group = self._group
        assert group is not None
        if begins:
            return True
        if group.kind == "json":  # what is of the object stands further in
            inside = tuple(group.indent + one for one in (b" ", b"\t", b"}"))
            return bool(line.strip()) and not line.startswith(inside)
        if group.kind == "text":
            return _is_other(line) or (not group.is_stamped and line.startswith(_FIRST))
        if group.is_behind_header or group.size > self._longest:
            return _HEADER.match(line) is not None or _is_other(line)
        return False

    def _grow(self, piece: Piece) -> Iterator[Piece]:
        group = self._group
        assert group is not None
        was_long = group.size > self._longest
        group.add(piece, self._longest)
        if group.kind == "xml" and _END in piece.record:
            self._group = None
            yield group.joined()
        elif group.kind == "json" and piece.record.startswith(group.indent + b"}"):
            self._group = None
            yield group.joined()
        elif group.kind == "xml" and group.size > self._longest and not was_long and _other_at(group.pieces):
            yield from self._close()

    def _close(self) -> Iterator[Piece]:
        """End the open group: text is whole, an event is torn and gives back what looks like another record."""
        group, self._group = self._group, None
        if group is None:
            return
        at = _other_at(group.pieces) if group.kind == "xml" else 0
        back = group.pieces[at:] if at else []
        if back:
            group = _Group(group.kind, group.pieces[:at])
        yield group.joined()
        for piece in back:
            yield from self._take(piece)


def _is_other(line: bytes) -> bool:
    """Say whether a line is a record of another kind: of auditd, with a syslog priority, or one JSON object."""
    if line[:1] == b"{":
        return line[:2] == b'{"' and line.rstrip()[-1:] == b"}"
    return line[:1] in b"tn" and _AUDIT.match(line) is not None


def _other_at(pieces: list[Piece]) -> int:
    """Place of the first line behind the first that looks like another record, else 0."""
    found = (
        at
        for at, piece in enumerate(pieces)
        if at and (_is_other(piece.record) or _HEADER.match(piece.record) is not None)
    )
    return next(found, 0)


def _parts(line: bytes) -> list[bytes]:
    """The records on one line, which may be several; put together again they are the line."""
    if line[:1] == b"{":
        return _stacked(line) if any(mark in line for mark in _STACKED) else [line]
    if _END in line and (line.lstrip()[:1] == b"<" or _BEGINS.match(line[:_HEAD])):
        ends = [0, *(found.end() for found in _NEXT.finditer(line)), len(line)]
        return [line[start:end] for start, end in pairwise(ends) if end > start]
    return [line]


def _stacked(line: bytes) -> list[bytes]:
    """Envelopes that stand on one line one after another; a line that is anything else stays as it is."""
    text = line.decode(errors="surrogateescape")  # the line may end within a character
    parts, at = [], 0
    while at < len(text):
        try:
            told, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        if not (isinstance(told, dict) and "event" in told):
            break
        while end < len(text) and text[end] in " \t\r":
            end += 1
        parts.append(text[at:end].encode(errors="surrogateescape"))
        at = end
    return [*parts, text[at:].encode(errors="surrogateescape")] if at < len(text) else parts
