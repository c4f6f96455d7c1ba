"""Names and tactics of ATT&CK techniques, of one pinned release; nothing is fetched."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["RELEASE_FILE", "Technique", "attack_release", "tactics_of", "technique_named", "techniques"]

RELEASE_FILE = Path(__file__).with_name("attack.json")
"""``{"release": …, "techniques": {id: [name, tactic, …]}}``, made from MITRE's STIX bundle (docs/ttp.md says how)."""


@dataclass(frozen=True)
class Technique:
    """A technique or sub-technique.

    Attributes:
        id: ``T1059`` or ``T1059.001``.
        name: its name; of a sub-technique its own part alone.
        tactics: short names, e.g. ``credential-access``, sorted.
    """

    id: str
    name: str
    tactics: tuple[str, ...]


def attack_release() -> str:
    """Version of the pinned release."""
    return str(_release()["release"])


@cache
def techniques() -> dict[str, Technique]:
    """All techniques that are in use, by id."""
    listed: dict[str, list[str]] = _release()["techniques"]
    return {one: Technique(one, told[0], tuple(told[1:])) for one, told in listed.items()}


def technique_named(technique_id: str) -> Technique:
    """A technique by its id; one that the release does not have keeps its id as a name."""
    return techniques().get(technique_id, Technique(technique_id, technique_id, ()))


@cache
def tactics() -> frozenset[str]:
    """Short names of all tactics."""
    return frozenset(tactic for one in techniques().values() for tactic in one.tactics)


def tactics_of(technique_ids: Iterable[str]) -> tuple[str, ...]:
    """Tactics that techniques serve, sorted."""
    return tuple(sorted({tactic for one in technique_ids for tactic in technique_named(one).tactics}))


@cache
def _release() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RELEASE_FILE.read_text(encoding="utf-8"))
    return found
