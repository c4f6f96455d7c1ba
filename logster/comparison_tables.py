"""What `logster models compare`, `backtest` and `promote` show of two versions' scores."""

from datetime import datetime

from rich.table import Table

from logster.display import OUTPUT, plain
from models.comparison import Comparison, Difference

__all__ = ["show_backtest", "show_comparison"]


def show_comparison(found: Comparison) -> None:
    """Print counts, endpoints, and the windows that one version alone takes for an attack."""
    one, other = found.versions
    if not found.n_windows:
        OUTPUT.print(f"no window was scored by both {one} and {other}", highlight=False)
    OUTPUT.print(_counts(found))
    if found.endpoints:
        OUTPUT.print(_endpoints(found))
    if found.differences:
        OUTPUT.print(_differences(found))


def show_backtest(found: Comparison, *, first: datetime, last: datetime) -> None:
    """Print what would have changed with the second version in the place of the first, or how that can be told.

    Args:
        found: the champion and the version that may take its place.
        first: least window start that was looked at (UTC).
        last: end of window starts (UTC), not in it.
    """
    champion, version = found.versions
    span = f"[{first:%Y-%m-%d %H:%M}, {last:%Y-%m-%d %H:%M})"
    if found.n_windows:
        lost, new = found.n_only
        OUTPUT.print(
            f"with {version} in the place of {champion}, of {found.n_windows:,} windows in {span}: "
            f"{new:,} more would be attacks, {lost:,} would be none any more",
            soft_wrap=True,
            highlight=False,
        )
        show_comparison(found)
        return
    OUTPUT.print(
        f"{version} has scored none of the {found.n_alone[0]:,} windows that {champion} scored in {span}, so nobody can say what "
        "would have changed",
        soft_wrap=True,
        highlight=False,
    )
    for what, command in (
        ("score them", f"score --model {version} --from {_argument(first)} --to {_argument(last)}"),
        ("or score from now on", f"models challenge {version.name} {version.number}"),
    ):
        OUTPUT.print(f"{what}: logster {command}", soft_wrap=True, highlight=False)


def _counts(found: Comparison) -> Table:
    one, other = found.versions
    table = Table(title=f"{one} and {other}", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    if found.first_start is not None and found.last_start is not None:
        table.add_row("window starts (UTC)", f"{found.first_start:%Y-%m-%d %H:%M} – {found.last_start:%Y-%m-%d %H:%M}")
    table.add_row("windows that both scored", f"{found.n_windows:,}")
    if found.n_windows:
        share = f" ({found.n_agree / found.n_windows:.2%})"
        table.add_row("… on which they agree", f"{found.n_agree:,}{share}")
        for version, n_attack, n_only in zip(found.versions, found.n_attack, found.n_only, strict=True):
            table.add_row(f"… attack by {version}", f"{n_attack:,}")
            table.add_row(f"… attack by {version} alone", f"{n_only:,}")
    if found.n_changed:
        table.add_row("left out: a late event came between the two", f"{found.n_changed:,}")
    for version, n_alone in zip(found.versions, found.n_alone, strict=True):
        table.add_row(f"left out: scored by {version} alone", f"{n_alone:,}")
    return table


def _endpoints(found: Comparison) -> Table:
    one, other = found.versions
    table = Table(title="By endpoint, where they differ most first", title_justify="left")
    for heading in ("platform", "tenant", "endpoint"):
        table.add_column(heading, overflow="fold")
    for heading in ("windows", f"attack by {one}", f"attack by {other}", "differ"):
        table.add_column(heading, justify="right")
    for each in found.endpoints:
        counts = (each.n_windows, *each.n_attack, each.n_differing)
        names = (plain(name) for name in (each.platform, each.tenant, each.endpoint))
        table.add_row(*names, *(f"{count:,}" for count in counts))
    return table


def _differences(found: Comparison) -> Table:
    table = Table(title="Attack by one of them alone, widest apart first", title_justify="left")
    for heading in ("window start (UTC)", "tenant", "endpoint", "attack by"):
        table.add_column(heading, overflow="fold")
    for version in found.versions:
        table.add_column(f"prob by {version}", justify="right")
    table.add_column("what stood out", overflow="fold")
    for each in found.differences:
        table.add_row(
            f"{each.window_start:%Y-%m-%d %H:%M}", plain(each.tenant), plain(each.endpoint), _by(found, each),
            *(f"{p:.2f}" for p in each.attack_prob), plain(each.stood_out),
        )  # fmt: skip
    return table


def _by(found: Comparison, difference: Difference) -> str:
    return str(found.versions[0 if difference.is_by_one else 1])


def _argument(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}"
