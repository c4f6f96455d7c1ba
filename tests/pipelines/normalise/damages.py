"""Damaging records: small mutations of text, by a seed, that leave most of a record as it was."""

import json
import random
from collections.abc import Callable
from typing import Any

__all__ = ["damaged"]

_TIMES = ("2106-02-07T06:28:16Z", "2300-01-01T00:00:00Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59.999999999Z",
          "10:15",
          "-2024-01-01T00:00:00Z", "+999999-01-01", "1e9", "2024-02-30T00:00:00Z", 
          "2024-03-05T08:15:30+25:00", "\u0000", "")  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, -1, 10**400, 1.5e300, "", "-", "\u0000", "\ud800", "x" * 40_000, [], {}, ["a", {"b": [1]}], {"#text": "5"},
    "0x" + "f" * 40, "99999999999999999999", "-5", "%%1", "\u202e\u0301", "{", "' OR 1=1 --", "\n\r\t", "\u001d",
)  # fmt: skip
_AUDIT_PAIRS = (
    "a99999999999999999999=41", "a0[99999999999]=41", "a1[0]=\"x\"", "a0=ffffffffffffffffffffffff", "pid=99999999999999999999",
    "saddr=0200", "saddr=0200ZZZZ0A000001", "saddr=0A00" + "F" * 80, "item=99999999999", "name=", "name=4", "name=GG",
    "proctitle=" + "F" * 999,
    "opid=-1", "arch=zz", "syscall=", "syscall=999999999999", "a2=", "=", "a=b=c", "msg='", "\"", "nametype=CREATE", "pid=1 pid=2",
)  # fmt: skip
_MARKUP = (
    "<![CDATA[", "]]>", "<!--", "-->", '<!DOCTYPE a [<!ENTITY b "c">]>', "&b;", "&", "&#0;", "&#xD800;", "&#x10FFFF;",
    "&#99999999999;", "&#;", "</EventData>", "<Data Name='x'>", "<Data>", "<Data/>", "<", ">", "</Event>", "<Event ",
    "</System>", "<UserData>", "<x:y z='", "#012",
)  # fmt: skip


def _truncated(record: str, rng: random.Random) -> str:
    return record[: rng.randrange(1, len(record))]


def _spoiled(record: str, rng: random.Random) -> str:
    at = rng.randrange(len(record))
    return (
        record[:at] + rng.choice("\u0000\u0001\u001d\"\\{}[],:=<>&' é😀\ufffd\r\t)(") + record[at + rng.randrange(2) :]
    )


def _glued(record: str, rng: random.Random) -> str:
    return record + rng.choice(("", " ", ",", "\u0000")) + record


def _retimed(record: str, rng: random.Random) -> str:
    if record.startswith("{"):
        told = json.loads(record)
        for name in ("@timestamp", "TimeCreated", "EventTime", "TimeGenerated"):
            if name in told:
                told[name] = rng.choice(_TIMES)
        return json.dumps(told)
    if "SystemTime=" in record:
        head, _, tail = record.partition("SystemTime=")
        return f"{head}SystemTime='{rng.choice(_TIMES)}{tail[tail.index('Z') + 1 :]}"
    stamp = rng.choice(
        (
            "0.000:1",
            "4294967296.000:1",
            "7258118400.000:1",
            "99999999999.999:1",
            "1.5:1",
            "-1.000:1",
            ":",
            "1.000:" + "9" * 30,
        )
    )
    head, _, tail = record.partition("audit(")
    return f"{head}audit({stamp}){tail.partition(')')[2]}"


def _retyped(record: str, rng: random.Random) -> str:
    if not record.startswith("{"):
        return f"{record} {rng.choice(_AUDIT_PAIRS)} {rng.choice(_AUDIT_PAIRS)}"
    told = json.loads(record)
    inner = told
    while True:
        name = rng.choice(list(inner))
        if isinstance(inner[name], dict) and inner[name] and rng.random() < 0.8:
            inner = inner[name]
            continue
        if rng.random() < 0.2:
            del inner[name]
        else:
            inner[name] = rng.choice(_VALUES)
        return json.dumps(told)


def _doubled(record: str, rng: random.Random) -> str:
    if not record.startswith("{"):
        return record + " " + rng.choice(record.split())
    name = rng.choice([*json.loads(record), "EventID", "event_data", "winlog", "@timestamp"])
    return "{" + f"{json.dumps(name)}: {json.dumps(rng.choice(_VALUES))}, " + record[1:]


def _nested(record: str, rng: random.Random) -> str:
    deep = "[" * 3000 + "]" * 3000 if rng.random() < 0.5 else '{"a":' * 900 + "1" + "}" * 900
    return record.replace("{", '{"deep": ' + deep + ", ", 1)


def _marked_up(record: str, rng: random.Random) -> str:
    at = rng.randrange(len(record))
    return record[:at] + rng.choice(_MARKUP) + record[at:]


_DAMAGES: tuple[Callable[[str, random.Random], str], ...] = (
    _truncated, _spoiled, _glued, _retimed, _retyped, _retyped, _retyped, _doubled, _nested, _marked_up,
)  # fmt: skip


def damaged(record: str, rng: random.Random) -> str:
    """A record with one to three damages, at most a MiB, as text that Arrow can hold."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        try:
            record = rng.choice(_DAMAGES)(record, rng)
        except (ValueError, IndexError, RecursionError):  # already too damaged for this
            continue
    # Arrow text holds no lone surrogates; as an escape inside JSON they stay
    return record[: 1 << 20].encode("utf-8", "replace").decode()
