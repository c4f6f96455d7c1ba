"""The labelled captures: what they are, which windows of them are labelled how, and which are held out.

Labels and captures are those of ``data/labels`` and ``data/linux/lab``; turning telemetry into windows is
``models.dataset``.
"""

import csv
import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.errors import ModelError

__all__ = [
    "SPLIT_SEED",
    "USED_LABELS",
    "AttackedEndpoint",
    "Capture",
    "LabelledWindow",
    "Split",
    "mark_of",
    "read_captures",
    "read_labels",
    "split_of",
]

USED_LABELS = {"attack": 1.0, "normal": 1.0, "benign": 1.0, "quiet": 0.5}
"""Labels that teach and judge, and how much a window of each counts; the rest are neither way."""

SPLIT_SEED = 3
_CLOCK = "record"  # the record's own time, which is what `events.ts` is
_MARGIN = 5.0  # seconds that an interval of the labels begins before the first start in it, and ends after the last
_HELD_OUT_SHARE = 0.25
_TOO_COMMON = 0.15  # a technique of more captures than this cannot be held out without losing the training set


@dataclass(frozen=True)
class AttackedEndpoint:
    """When processes of the attack started on an endpoint, as far as patterns found them.

    Attributes:
        name: of the endpoint, short.
        n_starts: records of such starts; a start that two sources recorded counts twice.
        spans: first and last of starts that are seconds apart (microseconds since 1970, the record's own time).
    """

    name: str
    n_starts: int
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Capture:
    """One recording.

    Attributes:
        tenant: its name, and its tenant in the training lake.
        path: below the data folder.
        platform: `windows` or `linux`.
        layout: as ``captures.jsonl`` names it.
        is_attack: there is an attack in it.
        techniques: ATT&CK ids without sub-techniques.
        role: ordinary work of a lab host; empty elsewhere.
        scenario: what was done.
        attack_pids: pids of the intrusion's processes, empty where there was none; None where nobody noted them.
        attacked: endpoints with starts of the attack's processes, where these were found by patterns.
    """

    tenant: str
    path: str
    platform: str
    layout: str
    is_attack: bool
    techniques: tuple[str, ...]
    role: str
    scenario: str
    attack_pids: frozenset[int] | None = None
    attacked: tuple[AttackedEndpoint, ...] = ()


@dataclass(frozen=True)
class LabelledWindow:
    """One window of a capture and what it is."""

    tenant: str
    endpoint: str
    window_start: datetime
    label: str


@dataclass(frozen=True)
class Split:
    """Which captures teach and which judge; decided by whole captures.

    Attributes:
        held_out_groups: techniques (Windows) or roles (Linux) of which no capture teaches.
        train: tenants.
        held_out: tenants.
    """

    held_out_groups: tuple[str, ...]
    train: tuple[str, ...]
    held_out: tuple[str, ...]


def read_captures(data: Path, platforms: Sequence[str]) -> list[Capture]:
    """Read the captures of some platforms, by name.

    Raises:
        ModelError: the labels are not there.
    """
    file, lab = data / "labels" / "captures.jsonl", data / "linux" / "lab"
    if not file.exists():
        raise ModelError(f"{file}: not there; `logster models train` needs the labelled captures (--data)")
    roles = {row["host"]: row["profile"] for row in _rows(lab / "hosts.jsonl")}
    pids = {row["host"]: frozenset(row["attack_pids"]) for row in _rows(lab / "labels.jsonl")}
    captures = []
    for row in _rows(file):
        if row["platform"] not in platforms or row["label_level"] != "window":
            continue
        host = row["tenant"].split("-")[1] if row["tenant"].startswith("lab-") else ""
        captures.append(Capture(
            tenant=row["tenant"], path=row["path"], platform=row["platform"], layout=row["format"],
            is_attack=row["attack"], techniques=tuple(sorted({one.split(".")[0] for one in row["techniques"]})),
            role=roles.get(host, ""), scenario=row["scenario"],
            attack_pids=pids.get(host, frozenset()) if host in roles else None,
            attacked=() if host in roles else tuple(_attacked(row["endpoints"])),
        ))  # fmt: skip
    return sorted(captures, key=lambda capture: capture.tenant)


def read_labels(data: Path) -> list[LabelledWindow]:
    """Read the labels of all windows, by the record's own clock."""
    with gzip.open(data / "labels" / "windows.tsv.gz", "rt", encoding="utf-8", newline="") as lines:
        return [
            LabelledWindow(
                row["tenant"], row["endpoint"], datetime.fromtimestamp(int(row["window_start"]), UTC), row["label"]
            )
            for row in csv.DictReader(lines, delimiter="\t")
            if row["clock"] == _CLOCK
        ]


def split_of(captures: Sequence[Capture]) -> Split:
    """Split one platform's captures; the same captures give the same split.

    Windows: whole techniques, drawn by hash until a quarter of the attacks is held out; a capture with any of them is
    held out. Captures of normal work are all held out: there is one, and it must not be learnt by heart.
    Linux: whole roles of hosts, drawn the same way until a quarter of the attacked and a quarter of the other hosts
    is held out, with the intrusions that were played on them.
    """
    is_lab = any(capture.role for capture in captures)
    groups = {c.tenant: ((c.role,) if is_lab else c.techniques) for c in captures}
    sizes = Counter(group for names in groups.values() for group in set(names))
    parts = [[c for c in captures if c.is_attack is told] for told in (True, False) if is_lab or told]
    limit = len(captures) * (1.0 if is_lab else _TOO_COMMON)
    drawn: list[str] = []
    for group in by_hash((name for name, size in sizes.items() if size <= limit), SPLIT_SEED):
        held = _with_any(groups, drawn)
        if all(sum(c.tenant in held for c in part) >= _HELD_OUT_SHARE * len(part) for part in parts):
            break
        drawn.append(group)
    held_out = _with_any(groups, drawn) | {c.tenant for c in captures if not is_lab and not c.is_attack}
    return Split(
        tuple(sorted(drawn)),
        tuple(c.tenant for c in captures if c.tenant not in held_out),
        tuple(c.tenant for c in captures if c.tenant in held_out),
    )


def mark_of(tenant: str) -> str:
    """What stands for a capture in a weights' card, which names no file, host or person of the training data."""
    return hashlib.sha256(tenant.encode()).hexdigest()[:12]


def by_hash(names: Iterable[str], seed: int) -> list[str]:
    """Names in an order that looks random, and is the same everywhere."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).hexdigest())


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    yield from map(json.loads, file.read_text().splitlines())


def _attacked(endpoints: dict[str, dict[str, Any]]) -> Iterator[AttackedEndpoint]:
    for name, told in endpoints.items():
        spans = (told["intervals"] or {}).get(_CLOCK, ())
        if spans:
            ends = tuple((round((first + _MARGIN) * 1e6), round((last - _MARGIN) * 1e6)) for first, last in spans)
            yield AttackedEndpoint(name, told["attack_creations"], ends)


def _with_any(groups: dict[str, tuple[str, ...]], drawn: Sequence[str]) -> set[str]:
    return {tenant for tenant, names in groups.items() if not set(drawn).isdisjoint(names)}
