"""What two versions of a model made of the same windows, from ``window_scores``: before a promotion, and after a challenge.

Reads stored scores only, without Spark; what a version has not scored, ``logster score`` or a challenge scores.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from pipelines.errors import LakeError
from pipelines.java_errors import first_line
from pipelines.lake_reader import connect
from pipelines.settings import Settings

__all__ = ["Comparison", "Difference", "EndpointCounts", "Version", "backtest_span", "compare"]

_SQL = Path(__file__).parent / "sql"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST, _LATEST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True)
class Version:
    """A version of a registered model."""

    name: str
    number: str

    def __str__(self) -> str:
        """As commands take it."""
        return f"{self.name}/{self.number}"


@dataclass(frozen=True)
class EndpointCounts:
    """An endpoint's windows that both versions have scored.

    Attributes:
        n_attack: that the one and the other take for an attack.
        n_differing: that one of them alone does.
    """

    tenant: str
    endpoint: str
    platform: str
    n_windows: int
    n_attack: tuple[int, int]
    n_differing: int


@dataclass(frozen=True)
class Difference:
    """A window that one version alone takes for an attack.

    Attributes:
        attack_prob: of the one and the other.
        is_by_one: the first of the two takes it for an attack.
        stood_out: what raised that one's score most; empty where nothing was explained.
    """

    tenant: str
    endpoint: str
    platform: str
    window_start: datetime
    attack_prob: tuple[float, float]
    is_by_one: bool
    stood_out: str


@dataclass(frozen=True)
class Comparison:
    """Two versions over the windows that both have scored; pairs are of the one and the other.

    Attributes:
        versions: the two.
        n_windows: windows that both have scored, the changed ones left out.
        n_attack: that each takes for an attack.
        n_only: that each takes for an attack, and the other does not.
        n_changed: windows that both have scored, but not as the same graph: a late event came between.
        n_alone: windows that each alone has scored.
        first_start, last_start: of all windows that either has scored (UTC); None where there are none.
        endpoints: where they differ most often, first.
        differences: where they are widest apart, first.
    """

    versions: tuple[Version, Version]
    n_windows: int
    n_attack: tuple[int, int]
    n_only: tuple[int, int]
    n_changed: int
    n_alone: tuple[int, int]
    first_start: datetime | None
    last_start: datetime | None
    endpoints: tuple[EndpointCounts, ...]
    differences: tuple[Difference, ...]

    @property
    def n_agree(self) -> int:
        """Windows on which they agree."""
        return self.n_windows - sum(self.n_only)


def compare(
    settings: Settings,
    one: Version,
    other: Version,
    *,
    first: datetime | None = None,
    last: datetime | None = None,
    limit: int = 10,
) -> Comparison:
    """Compare what two versions made of the windows that start in [first, last); the roles of the rows do not matter.

    Args:
        settings: say where the lake is.
        one: a version.
        other: another.
        first: least window start (UTC); default: whatever there is.
        last: end of window starts (UTC), not in it; default: whatever there is.
        limit: endpoints and differing windows at most.

    Raises:
        LakeError: the scores cannot be read.
    """
    values = {
        "one_name": one.name, "one_version": one.number, "other_name": other.name, "other_version": other.number,
        "first": _micros(first or _EARLIEST), "last": _micros(last or _LATEST),
    }  # fmt: skip
    try:
        with connect(settings, ["window_scores"]) as connection:
            connection.execute(f"CREATE TEMP TABLE pairs AS {_text('pairs')}", values)
            (counts,) = _rows(connection, "pair_counts", {})
            endpoints = _rows(connection, "pair_endpoints", {"limit": limit})
            differences = _rows(connection, "pair_differences", {"limit": limit})
    except (duckdb.Error, OSError) as error:
        raise _unreadable(error) from error
    return Comparison(
        versions=(one, other),
        n_windows=counts["n_both"],
        n_attack=(counts["n_one_attack"], counts["n_other_attack"]),
        n_only=(counts["n_only_one"], counts["n_only_other"]),
        n_changed=counts["n_changed"],
        n_alone=(counts["n_one_alone"], counts["n_other_alone"]),
        first_start=_time(counts["first_start"]),
        last_start=_time(counts["last_start"]),
        endpoints=tuple(
            EndpointCounts(
                row["tenant"], row["endpoint"], row["platform"], row["n_both"],
                (row["n_one_attack"], row["n_other_attack"]), row["n_differing"],
            )
            for row in endpoints
        ),
        differences=tuple(
            Difference(
                row["tenant"], row["endpoint"], row["platform"], _EPOCH + row["window_start"] * _MICROSECOND,
                (row["one_prob"], row["other_prob"]), row["one_attack"], row["stood_out"],
            )
            for row in differences
        ),
    )  # fmt: skip


def backtest_span(settings: Settings, name: str, *, days: int, now: datetime) -> tuple[datetime, datetime] | None:
    """The last days of windows that a model has scored, as [first, last); None where it has scored none.

    Args:
        settings: say where the lake is.
        name: registered name.
        days: how many.
        now: wall clock (UTC); windows after it come from clocks that are wrong.

    Raises:
        LakeError: the scores cannot be read.
    """
    try:
        with connect(settings, ["window_scores"]) as connection:
            (row,) = _rows(connection, "newest_window", {"name": name, "now": _micros(now)})
    except (duckdb.Error, OSError) as error:
        raise _unreadable(error) from error
    newest = _time(row["newest"])
    # a whole second after the newest start, since that is what commands take
    last = newest and newest.replace(microsecond=0) + timedelta(seconds=1)
    return None if last is None else (last - timedelta(days=days), last)


def _rows(connection: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = connection.execute(_text(query), dict(values)).to_arrow_table().to_pylist()
    return rows


def _text(query: str) -> str:
    return (_SQL / f"{query}.sql").read_text(encoding="utf-8")


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _time(micros: int | None) -> datetime | None:
    return None if micros is None else _EPOCH + micros * _MICROSECOND


def _unreadable(error: Exception) -> LakeError:
    return LakeError(f"window_scores cannot be read: {first_line(error)}; `logster doctor` checks the lake")
