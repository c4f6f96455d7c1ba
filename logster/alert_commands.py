"""`logster alerts …`: the queue, and work on one alert of it."""

import getpass
from typing import Annotated

import typer

from logster.command import AsJson, Tenant, command_settings, show_rows
from logster.display import OUTPUT, alerts_table, plain, suppressions_table
from pipelines.schemas.alerts import AlertStatus, Severity

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
    suppressed: Annotated[bool, typer.Option("--suppressed", help="those that are kept quiet as well")] = False,
) -> None:
    """Show the alert queue, newest first; or work on one alert of it (the beginning of its id is enough)."""
    if context.invoked_subcommand is not None:
        return
    from logster.queue import check_lake, newest_alerts

    settings = command_settings()
    check_lake(settings)
    rows = newest_alerts(settings, tenant=tenant, limit=limit, with_suppressed=suppressed)
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


@alerts_app.command("suppress")
def suppress_alerts(
    tenant: Annotated[str, typer.Option(help="whose alerts")],
    reason: Annotated[str, typer.Option(help="why")],
    minutes: Annotated[int, typer.Option(help="for so long from now, at most 90 days")],
    endpoint: Annotated[str | None, typer.Option(help="alerts of this endpoint")] = None,
    technique: Annotated[str | None, typer.Option(help="alerts that name no other technique")] = None,
    rule: Annotated[str | None, typer.Option(help="alerts in which no other Sigma rule matched; its id")] = None,
    max_severity: Annotated[Severity, typer.Option(help="graver alerts are heard")] = Severity.HIGH,
    back_minutes: Annotated[int, typer.Option(help="and from so long ago")] = 0,
) -> None:
    """Keep alerts quiet for a time: they send no notifications and leave the queue; nothing of them is deleted."""
    from logster.queue import check_lake, suppress

    settings = command_settings()
    check_lake(settings)
    made = suppress(settings, {
        "tenant": tenant, "endpoint": endpoint, "technique": technique, "rule_id": rule, "max_severity": max_severity,
        "reason": reason, "minutes": minutes, "back_minutes": back_minutes, "actor": getpass.getuser(),
    })  # fmt: skip
    OUTPUT.print(
        plain(f"{made.suppression_id} keeps {made.n_alerts} alerts quiet, until {made.expires_at:%Y-%m-%d %H:%M} UTC")
    )


@alerts_app.command("unsuppress")
def unsuppress_alerts(suppression_id: str) -> None:
    """Take a suppression back: what it kept quiet is in the queue again."""
    from logster.queue import check_lake, unsuppress

    settings = command_settings()
    check_lake(settings)
    taken = unsuppress(settings, suppression_id, actor=getpass.getuser())
    OUTPUT.print(plain(f"{taken.suppression_id} is deleted since {taken.deleted_at:%Y-%m-%d %H:%M} UTC"))


@alerts_app.command("suppressions")
def show_suppressions(
    as_json: AsJson = False,
    tenant: Tenant = None,
    limit: Annotated[int, typer.Option(min=1, help="so many at most")] = 50,
) -> None:
    """Show what is, or was, kept quiet, newest first."""
    from logster.queue import check_lake, newest_suppressions

    settings = command_settings()
    check_lake(settings)
    rows = newest_suppressions(settings, tenant=tenant, limit=limit)
    show_rows(rows, suppressions_table(rows), as_json=as_json, nothing="no suppressions")


def _change_alert(alert_id: str, status: AlertStatus, note: str | None, assignee: str | None) -> None:
    from logster.queue import change, check_lake

    settings = command_settings()
    check_lake(settings)
    alert = change(settings, alert_id, status, note=note, assignee=assignee, actor=getpass.getuser())
    held = f", {alert.assignee} works on it" if alert.assignee else ""
    OUTPUT.print(plain(f"{alert.alert_id} is {alert.status}{held}"))
