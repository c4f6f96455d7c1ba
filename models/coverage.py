"""ATT&CK techniques that were held out, and how much of each a model found: as a table and as a Navigator layer.

A technique that no held-out capture has is unknown, and says so: nothing is inferred from what was taught.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from models.evaluation import Judged
from pipelines.ttp.attack import attack_release, technique_named, techniques

__all__ = ["TechniqueCoverage", "navigator_layer", "tactic_rows", "technique_coverage"]

_NAVIGATOR = {"navigator": "5.1.0", "layer": "4.5"}
_UNKNOWN = "unknown: no capture of it was held out"
_COLOURS = ("#f4a582", "#f7f7f7", "#4393c3")  # of 0, 50 and 100 %


@dataclass(frozen=True)
class TechniqueCoverage:
    """One technique among the held-out captures of one platform.

    Attributes:
        technique: id without sub-technique.
        n_attack, n_found: windows with attack, and those of them that were flagged.
        n_captures, n_captures_found: captures that have such windows, and those with one flagged.
    """

    technique: str
    n_attack: int
    n_found: int
    n_captures: int
    n_captures_found: int

    def as_numbers(self) -> dict[str, Any]:
        """Plain types."""
        return asdict(self)


def technique_coverage(windows: Judged, threshold: float) -> list[TechniqueCoverage]:
    """Figures of each technique; a capture's windows count for all of its techniques, since no label parts them."""
    rows: dict[str, list[int]] = {}
    for number, names in enumerate(windows.techniques):
        if windows.is_attack[number]:
            for name in set(names):
                rows.setdefault(name, []).append(number)
    found = windows.attack_prob >= threshold
    return [
        TechniqueCoverage(
            name,
            len(numbers),
            int(found[numbers].sum()),
            len({windows.capture[n] for n in numbers}),
            len({windows.capture[n] for n in numbers if found[n]}),
        )
        for name, numbers in sorted(rows.items())
    ]


def tactic_rows(of_platform: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[tuple[str, ...]]:
    """Rows of a table: tactic, technique, its name, then for each platform windows and captures found of how many.

    Args:
        of_platform: `TechniqueCoverage.as_numbers` of each technique, by platform.
    """
    told = _by_technique(of_platform)
    rows = [
        (tactic, name, technique_named(name).name, *(_found(own.get(platform)) for platform in of_platform))
        for name, own in told.items()
        for tactic in technique_named(name).tactics or ("none in this release",)
    ]
    return sorted(rows)


def navigator_layer(of_platform: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """A layer for MITRE's ATT&CK Navigator (format 4.5): the score is the share of attack windows found, in percent.

    Args:
        of_platform: as for `tactic_rows`.
    """
    told = _by_technique(of_platform)
    return {
        "name": "Logster",
        "versions": {"attack": attack_release().split(".")[0], **_NAVIGATOR},
        "domain": "enterprise-attack",
        "description": "Windows with attack that the shipped models flag, of captures that were held out from training.",
        "gradient": {"colors": list(_COLOURS), "minValue": 0, "maxValue": 100},
        "legendItems": [{"label": _UNKNOWN, "color": "#cccccc"}],
        "techniques": [
            _measured(name, told[name])
            if name in told
            else {"techniqueID": name, "comment": _UNKNOWN, "color": "#cccccc"}
            for name in sorted({*techniques(), *told})
            if "." not in name
        ],
    }


def _measured(name: str, own: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    n_found, n_attack = (sum(one[key] for one in own.values()) for key in ("n_found", "n_attack"))
    comment = "; ".join(f"{platform}: {_found(one)}" for platform, one in own.items())
    return {"techniqueID": name, "score": round(100 * n_found / n_attack), "comment": comment}


def _by_technique(
    of_platform: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, dict[str, Mapping[str, Any]]]:
    told: dict[str, dict[str, Mapping[str, Any]]] = {}
    for platform, found in of_platform.items():
        for one in found:
            told.setdefault(str(one["technique"]), {})[platform] = one
    return told


def _found(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return "unknown"
    return f"{one['n_found']} of {one['n_attack']} windows, {one['n_captures_found']} of {one['n_captures']} captures"
