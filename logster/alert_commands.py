"""`logster alerts …`: the queue, and work on one alert of it."""

import getpass
from typing import Annotated

import typer

from logster.command import AsJson, Tenant, command_settings, show_rows
from logster.display import OUTPUT, alerts_table, plain
from pipelines.schemas.alerts import AlertStatus

__all__ = ["alerts_app"]

alerts_app = typer.Typer(invoke_without_command=True)

_Note = Annotated[str | None, typer.Option(help="what to remember")]
_Assignee = Annotated[str | None, typer.Option(help="who works on it from now on")]


@alerts_app.callback()
def alerts(
    context: typer.Context,
    as_json: AsJson = False,
    tenant: Tenant = None,
    limit: Annotated[int, typer.Option(min=1, help="so many at most")] = 50,
) -> None:
    """Show the alert queue, newest first; or work on one alert of it (the beginning of its id is enough)."""
    if context.invoked_subcommand is not None:
        return
    from logster.queue import check_lake, newest_alerts

    settings = command_settings()
    check_lake(settings)
    rows = newest_alerts(settings, tenant=tenant, limit=limit)
    show_rows(rows, alerts_table(rows), as_json=as_json, nothing="no alerts")


@alerts_app.command("ack")
def acknowledge_alert(alert_id: str, note: _Note = None, assignee: _Assignee = None) -> None:
    """Acknowledge an alert."""
    _change_alert(alert_id, AlertStatus.ACKNOWLEDGED, note, assignee)


@alerts_app.command("investigate")
def investigate_alert(alert_id: str, note: _Note = None, assignee: _Assignee = None) -> None:
    """Start, or start again, to investigate an alert."""
    _change_alert(alert_id, AlertStatus.INVESTIGATING, note, assignee)


@alerts_app.command("resolve")
def resolve_alert(alert_id: str, note: _Note = None, assignee: _Assignee = None) -> None:
    """Close an alert that was right."""
    _change_alert(alert_id, AlertStatus.RESOLVED, note, assignee)


@alerts_app.command("false-positive")
def dismiss_alert(alert_id: str, note: _Note = None, assignee: _Assignee = None) -> None:
    """Close an alert that was wrong."""
    _change_alert(alert_id, AlertStatus.FALSE_POSITIVE, note, assignee)


def _change_alert(alert_id: str, status: AlertStatus, note: str | None, assignee: str | None) -> None:
    from logster.queue import change, check_lake

    settings = command_settings()
    check_lake(settings)
    alert = change(settings, alert_id, status, note=note, assignee=assignee, actor=getpass.getuser())
    held = f", {alert.assignee} works on it" if alert.assignee else ""
    OUTPUT.print(plain(f"{alert.alert_id} is {alert.status}{held}"))
