"""Writing Windows event logs for tests: real ``.evtx`` files of events given as XML, without templates."""

import struct
import zlib
from xml.etree import ElementTree

_CHUNK, _HEADER, _CHUNK_HEADER = 1 << 16, 4096, 512
_FILETIME_OF_2026 = 134_117_856_000_000_000


def evtx(*chunks: list[str]) -> bytes:
    """A log of these chunks, each a list of events."""
    head = b"ElfFile\x00" + struct.pack("<QQQIHHHH", 0, len(chunks) - 1, 1000, 128, 1, 3, _HEADER, len(chunks))
    head = head.ljust(120, b"\x00")
    log = (head + struct.pack("<II", 0, zlib.crc32(head))).ljust(_HEADER, b"\x00")
    first = 1
    for events in chunks:
        log += _chunk(events, first)
        first += len(events)
    return log


def _chunk(events: list[str], first: int) -> bytes:
    body = b""
    for number, event in enumerate(events, start=first):
        body += _record(number, event, _CHUNK_HEADER + len(body))
    assert _CHUNK_HEADER + len(body) <= _CHUNK
    last, end = first + len(events) - 1, _CHUNK_HEADER + len(body)
    head = b"ElfChnk\x00" + struct.pack("<QQQQ", first, last, first, last)
    head += struct.pack("<IIII", 128, 0, end, zlib.crc32(body))
    head = head.ljust(124, b"\x00")
    tables = bytes(_CHUNK_HEADER - 128)
    return (head[:124] + struct.pack("<I", zlib.crc32(head[:120] + tables)) + tables + body).ljust(_CHUNK, b"\x00")


def _record(number: int, event: str, at: int) -> bytes:
    out = bytearray(b"\x0f\x01\x01\x00")
    _element(ElementTree.fromstring(event), out, at + 24)
    out += b"\x00"
    size = 24 + len(out) + 4
    return b"**\x00\x00" + struct.pack("<IQQ", size, number, _FILETIME_OF_2026) + bytes(out) + struct.pack("<I", size)


def _element(element: ElementTree.Element, out: bytearray, at: int) -> None:
    out += b"\x41" if element.attrib else b"\x01"
    size_at = len(out)
    out += bytes(4)
    _name(element.tag.rpartition("}")[2], out, at)
    if element.attrib:
        list_at = len(out)
        out += bytes(4)
        for index, (name, value) in enumerate(element.attrib.items(), start=1):
            out += b"\x46" if index < len(element.attrib) else b"\x06"
            _name(name, out, at)
            _text(value, out)
        struct.pack_into("<I", out, list_at, len(out) - list_at - 4)
    out += b"\x02"
    if element.text and element.text.strip():
        _text(element.text, out)
    for child in element:
        _element(child, out, at)
    out += b"\x04"
    struct.pack_into("<I", out, size_at, len(out) - size_at - 4)


def _name(name: str, out: bytearray, at: int) -> None:
    out += struct.pack("<I", at + len(out) + 4)
    out += struct.pack("<IHH", 0, 0, len(name)) + name.encode("utf-16-le") + b"\x00\x00"


def _text(text: str, out: bytearray) -> None:
    data = text.encode("utf-16-le")
    out += b"\x05\x01" + struct.pack("<H", len(data) // 2) + data
