"""What commands show: tables of alerts, of addresses, of the ledger."""

import os
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from logster.superset_home import sign_in
from pipelines.ledger import Ledger
from pipelines.settings import Settings

if TYPE_CHECKING:
    from pipelines.maintenance import Compaction  # brings Spark, which most commands do without

__all__ = [
    "ERRORS", "OUTPUT", "SHORT_ID", "address_table", "alerts_table", "compaction_table", "keys_table", "ledger_table",
    "plain", "suppressions_table",
]  # fmt: skip

# a file or a pipe has no width; a table that is cut to 80 columns there can be neither read nor searched
_UNBOUND = 1_000_000
OUTPUT = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _UNBOUND)
ERRORS = Console(stderr=True)

SHORT_ID = 8
"""So many characters of an alert's id are shown; commands take the beginning of an id as well."""

_COLOURS = {"CRITICAL": "bold red", "HIGH": "red", "MEDIUM": "yellow"}


def plain(text: str) -> str:
    """Text from outside as it is: brackets are no markup, and control characters do not reach the terminal."""
    return escape("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text))


def alerts_table(alerts: Iterable[Mapping[str, Any]], *, title: str = "Alerts, newest first") -> Table:
    """A table of alerts as `newest_alerts` gives them."""
    table = Table(title=title, title_justify="left")
    table.add_column("id", no_wrap=True, min_width=SHORT_ID)
    for name in (
        "severity", "status", "prob", "tenant", "endpoint", "last seen (UTC)", "minutes", "related", "what stood out",
    ):  # fmt: skip
        table.add_column(name, overflow="fold", justify="right" if name in ("prob", "minutes") else "left")
    for alert in alerts:
        first, last = alert["first_seen"], alert["last_seen"]
        events = alert["contributing_events"] or []
        table.add_row(
            plain(alert["alert_id"][:SHORT_ID]),
            f"[{_COLOURS[alert['severity']]}]{alert['severity']}[/]",
            alert["status"],
            f"{alert['attack_prob']:.2f}",
            plain(alert["tenant"]),
            plain(alert["endpoint"]),
            f"{last:%Y-%m-%d %H:%M}",
            f"{(last - first).total_seconds() / 60:.0f}",
            plain(", ".join(alert["related_endpoints"] or [])),
            plain(str(events[0]["summary"])) if events else "",
        )
    return table


def ledger_table(ledger: Ledger) -> Table:
    """The ledger as a table; its last row says whether it balances."""
    table = Table(title="Ledger", title_justify="left", show_header=False)
    for name, value in (
        ("records received (raw)", ledger.n_raw),
        ("… part of an event", ledger.n_in_events),
        ("… in quarantine", ledger.n_in_quarantine),
        ("… in neither", ledger.n_missing),
        ("… in both", ledger.n_in_both),
        ("events", ledger.n_events),
    ):
        table.add_row(name, f"{value:,}")
    table.add_row("balances", "[green]yes[/]" if ledger.balances else "[bold red]NO[/]")
    return table


def keys_table(keys: Iterable[Mapping[str, Any]]) -> Table:
    """A table of API keys, without their secrets."""
    table = Table(title="API keys, oldest first", title_justify="left")
    for name in ("id", "name", "tenant", "role", "state", "created (UTC)", "expires (UTC)"):
        table.add_column(name, overflow="fold")
    for key in keys:
        expires = key["expires_at"]
        table.add_row(
            key["key_id"],
            plain(key["name"]),
            plain(key["tenant"] or "(all)"),
            key["role"],
            key["state"],
            f"{key['created_at']:%Y-%m-%d %H:%M}",
            f"{expires:%Y-%m-%d}" if expires else "never",
        )
    return table


def suppressions_table(suppressions: Iterable[Mapping[str, Any]]) -> Table:
    """A table of suppressions as `newest_suppressions` gives them."""
    table = Table(title="Suppressions, newest first", title_justify="left")
    table.add_column("id", no_wrap=True)
    for name in ("state", "tenant", "what is quiet", "up to", "from (UTC)", "until (UTC)", "alerts", "by", "reason"):
        table.add_column(name, overflow="fold", justify="right" if name == "alerts" else "left")
    for one in suppressions:
        what = {name: one[name] for name in ("endpoint", "technique", "rule_id") if one[name] is not None}
        table.add_row(
            plain(one["suppression_id"]),
            one["state"],
            plain(one["tenant"]),
            plain(", ".join(f"{name} {value}" for name, value in what.items())),
            one["max_severity"],
            f"{one['starts_at']:%Y-%m-%d %H:%M}",
            f"{one['expires_at']:%Y-%m-%d %H:%M}",
            f"{one['n_alerts']:,}",
            plain(one["actor"]),
            plain(one["reason"]),
        )
    return table


def compaction_table(done: "Iterable[Compaction]") -> Table:
    """What was put together, a row a table."""
    table = Table(title="Files put together", title_justify="left")
    for name in ("table", "files before", "after", "MB"):
        table.add_column(name, justify="left" if name == "table" else "right")
    for one in done:
        table.add_row(one.table, f"{one.n_before:,}", f"{one.n_after:,}", f"{one.n_bytes / 1e6:,.1f}")
    return table


def address_table(settings: Settings, states: Mapping[str, str]) -> Table:
    """Where everything is, and whether it is up."""
    api = settings.api_address
    has_own_mlflow = settings.tracking_uri.startswith("sqlite:///")
    mlflow = f"http://127.0.0.1:{settings.mlflow_port}" if has_own_mlflow else settings.tracking_uri
    table = Table(title="Addresses", title_justify="left", show_header=False)
    for name, what, address in (
        ("API", "API, documentation", f"{api}/docs"),
        ("API", "API, alerts", f"{api}/alerts"),
        ("Dagster", "Dagster", f"http://127.0.0.1:{settings.dagster_port}"),
        ("MLflow", "MLflow", mlflow),
        ("Superset", "Superset, dashboards", f"http://127.0.0.1:{settings.superset_port}"),
    ):
        table.add_row(what, address, states[name])
    if states["Superset"] != "down":
        who = sign_in(settings)
        table.add_row("Superset, sign-in", f"{who.user} / {who.password}", "")
    table.add_row("lake", settings.lake, "")
    return table
