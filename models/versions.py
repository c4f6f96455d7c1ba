"""What Logster notes on a registered version, as MLflow tags: evaluations, and why it was promoted without one.

Plain values only; who asks MLflow is ``models.registry``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

__all__ = [
    "EVALUATED_FIGURES", "SHIPPED_ORIGIN", "RegisteredVersion", "Standing", "evaluation_tags", "promotion_problem",
    "standing_of", "unjudged_tags",
]  # fmt: skip

SHIPPED_ORIGIN = "shipped"
"""Tag `origin` of a version that was seeded with the weights that Logster ships."""

EVALUATED_FIGURES = ("pr_auc", "precision", "recall", "false_per_day")
"""Figures of an evaluation that are noted on the version."""

_HOLDOUT, _AT = "evaluation.holdout", "evaluation.at"


class Standing(StrEnum):
    """What is known of a version by the captures that judge all of its model's versions."""

    CURRENT = "yes"
    OLDER = "on an older holdout"
    SHIPPED = "shipped"
    NEVER = "no"


@dataclass(frozen=True)
class RegisteredVersion:
    """One version as MLflow lists it; its weights were not looked at.

    Attributes:
        name: registered name.
        version: number of the version.
        registered_at: when (UTC).
        aliases: `champion`, `challenger`, `previous` and others, by name.
        tags: of the version.
        figures: of its card and of the evaluations noted on it; empty where they were not asked for.
        is_shipped: its weights are those that Logster ships.
    """

    name: str
    version: str
    registered_at: datetime
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    figures: Mapping[str, float]
    is_shipped: bool

    @property
    def platform(self) -> str:
        """Platform; empty where Logster did not register it."""
        return self.tags.get("platform", "")

    @property
    def digest(self) -> str:
        """SHA-256 of the weights' file; empty where Logster did not register it."""
        return self.tags.get("digest", "")

    @property
    def holdout(self) -> str | None:
        """Digest of the windows that its latest evaluation judged it by; None without one."""
        return self.tags.get(_HOLDOUT)

    @property
    def evaluated_at(self) -> datetime | None:
        """When that was (UTC); None where it was not evaluated, or what is noted was not noted by Logster."""
        try:
            at = datetime.fromisoformat(self.tags[_AT])
        except (KeyError, ValueError):
            return None
        return at if self.holdout and at.tzinfo else None


def evaluation_tags(holdout: str, figures: Mapping[str, float], at: datetime) -> dict[str, str]:
    """Tags of an evaluation; those of an earlier one are written over.

    Args:
        holdout: digest of the windows that it was judged by.
        figures: of `models.evaluation.Outcome`, by name.
        at: when (UTC).
    """
    told = {f"evaluation.{name}": f"{figures[name]:.4f}" for name in EVALUATED_FIGURES if name in figures}
    return {_HOLDOUT: holdout, **told, _AT: at.astimezone(UTC).isoformat()}


def unjudged_tags(reason: str, at: datetime) -> dict[str, str]:
    """Tags of a promotion without an evaluation."""
    return {"promotion.without_evaluation": reason, "promotion.at": at.astimezone(UTC).isoformat()}


def standing_of(version: RegisteredVersion, all_versions: Iterable[RegisteredVersion]) -> Standing:
    """Say how a version stands to the holdout that the newest evaluation of its model used.

    The shipped weights count as they are: they were judged before they were shipped.
    """
    newest = _newest_evaluated(all_versions)
    if version.evaluated_at is not None and newest is not None and version.holdout == newest.holdout:
        return Standing.CURRENT
    if version.is_shipped:
        return Standing.SHIPPED
    return Standing.NEVER if version.evaluated_at is None else Standing.OLDER


def promotion_problem(version: RegisteredVersion, all_versions: Sequence[RegisteredVersion]) -> str | None:
    """Say why a version may not be promoted as it stands, and what to do; None where it may."""
    standing = standing_of(version, all_versions)
    who = f"{version.name} version {version.version}"
    way_out = (
        f"`logster models evaluate {version.name}/{version.version} --data FOLDER` judges it; "
        'without labelled telemetry, promote it with --without-evaluation "WHY"'
    )
    if standing is Standing.NEVER:
        return f"{who} was not evaluated in this registry: {way_out}"
    if standing is Standing.OLDER:
        newest = _newest_evaluated(all_versions)
        assert newest is not None  # its own evaluation is among them
        return f"{who} was evaluated on an older holdout than version {newest.version}: {way_out}"
    return None


def _newest_evaluated(versions: Iterable[RegisteredVersion]) -> RegisteredVersion | None:
    told = [(at, int(one.version), one) for one in versions if (at := one.evaluated_at) is not None]
    return max(told)[-1] if told else None
