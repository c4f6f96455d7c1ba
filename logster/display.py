"""What commands show on a terminal: tables of alerts, the ledger, and progress."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from pipelines.ledger import Ledger

__all__ = ["ERRORS", "OUTPUT", "alerts_table", "ledger_table"]

OUTPUT = Console()
ERRORS = Console(stderr=True)

_COLOURS = {"CRITICAL": "bold red", "HIGH": "red", "MEDIUM": "yellow"}


def alerts_table(alerts: Iterable[Mapping[str, Any]], *, title: str = "Alerts, newest first") -> Table:
    """A table of alerts as `alerts_of` gives them."""
    table = Table(title=title, title_justify="left")
    for name in ("severity", "prob", "tenant", "endpoint", "first seen (UTC)", "minutes", "related", "what stood out"):
        table.add_column(name, overflow="fold", justify="right" if name in ("prob", "minutes") else "left")
    for alert in alerts:
        first, last = alert["first_seen"], alert["last_seen"]
        events = alert["contributing_events"] or []
        table.add_row(
            f"[{_COLOURS[alert['severity']]}]{alert['severity']}[/]",
            f"{alert['attack_prob']:.2f}",
            alert["tenant"],
            alert["endpoint"],
            f"{first:%Y-%m-%d %H:%M}" if isinstance(first, datetime) else str(first),
            f"{(last - first).total_seconds() / 60:.0f}",
            ", ".join(alert["related_endpoints"] or []),
            str(events[0]["summary"]) if events else "",
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
