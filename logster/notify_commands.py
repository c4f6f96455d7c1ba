"""The commands that hand changes of alerts on: each reads the topic as a consumer group of its own."""

import signal
import threading
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import SecretStr

from logster.command import command_settings
from logster.display import OUTPUT
from pipelines.settings import Settings

if TYPE_CHECKING:
    from pipelines.sinks.deliveries import Deliver
    from pipelines.sinks.webhook import HttpTarget

__all__ = ["notify_app"]

notify_app = typer.Typer(no_args_is_help=True, help="Hand changes of alerts on, from their Kafka topic.")

Once = Annotated[bool, typer.Option("--once", help="hand on what the topic holds, and end")]
_A_STORM_LASTS = timedelta(seconds=2)


@notify_app.command()
def webhook(once: Once = False) -> None:
    """Send each change to LOGSTER_WEBHOOK_URL, signed and with an idempotency key, until it is taken."""
    from pipelines.sinks.webhook import Webhook, webhook_secret

    settings = command_settings()
    secret = webhook_secret(settings)
    with _http_target(settings, settings.webhook_url, "LOGSTER_WEBHOOK_URL") as target:
        _consume(settings, "webhook", Webhook(target, secret), once=once)


@notify_app.command()
def case(once: Once = False) -> None:
    """Send each change to LOGSTER_CASE_URL as OCSF's Detection Finding, signed as by `webhook`."""
    from pipelines.sinks.case import detection_finding
    from pipelines.sinks.webhook import Webhook, webhook_secret

    settings = command_settings()
    secret = webhook_secret(settings)
    with _http_target(settings, settings.case_url, "LOGSTER_CASE_URL") as target:
        _consume(settings, "case", Webhook(target, secret, shape=detection_finding), once=once)


@notify_app.command()
def ticket(once: Once = False) -> None:
    """Keep a ticket an alert in ServiceNow, by an import set (LOGSTER_TICKET_URL)."""
    from pipelines.sinks.ticket import Tickets

    settings = command_settings()
    with _http_target(settings, settings.ticket_url, "LOGSTER_TICKET_URL") as target:
        _consume(settings, "ticket", Tickets(target), once=once)


@notify_app.command()
def slack(once: Once = False) -> None:
    """Tell a Slack channel (LOGSTER_SLACK_URL); what comes at once is one message."""
    from pipelines.sinks.slack import AT_ONCE, Slack

    settings = command_settings()
    with _http_target(settings, settings.slack_url, "LOGSTER_SLACK_URL") as target:
        _consume(settings, "slack", Slack(target), once=once, group_up_to=AT_ONCE)


@notify_app.command()
def alertmanager(once: Once = False) -> None:
    """Keep Prometheus' Alertmanager (LOGSTER_ALERTMANAGER_URL) informed."""
    from pipelines.sinks.alertmanager import Alertmanager

    settings = command_settings()
    with _http_target(settings, settings.alertmanager_url, "LOGSTER_ALERTMANAGER_URL") as target:
        _consume(settings, "alertmanager", Alertmanager(target), once=once)


@notify_app.command()
def syslog(once: Once = False) -> None:
    """Send each change as a line of CEF to a syslog server (LOGSTER_SYSLOG_TARGET)."""
    from pipelines.sinks.syslog import SyslogCef, SyslogTarget

    settings = command_settings()
    private = settings.notify_allow_private
    with SyslogTarget(settings.syslog_target, "LOGSTER_SYSLOG_TARGET", allow_private=private) as target:
        _consume(settings, "syslog", SyslogCef(target), once=once)


@notify_app.command()
def email(once: Once = False) -> None:
    """Mail what has changed (LOGSTER_EMAIL_SERVER), all of LOGSTER_EMAIL_EVERY in one mail."""
    from pipelines.sinks.mail import AT_ONCE, MailDigest

    settings = command_settings()
    _consume(settings, "email", MailDigest(settings), once=once, group_up_to=AT_ONCE, gather=settings.email_every)


def _http_target(settings: Settings, url: SecretStr | None, variable: str) -> "AbstractContextManager[HttpTarget]":
    from pipelines.sinks.webhook import HttpTarget, target_url

    private = settings.notify_allow_private
    return HttpTarget(target_url(url, variable, allow_private=private), allow_private=private)


def _consume(
    settings: Settings,
    name: str,
    deliver: "Deliver",
    *,
    once: bool,
    group_up_to: int = 1,
    gather: timedelta = _A_STORM_LASTS,
) -> None:
    from pipelines.sinks.consumer import ChangeConsumer
    from pipelines.sinks.dead_letters import DeadLetters, dead_letter_file

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    letters = DeadLetters(dead_letter_file(settings, name))
    # who runs it once wants what is there, and waits for no more
    gather = min(gather, _A_STORM_LASTS) if once else gather
    consumer = ChangeConsumer(settings, name, deliver, letters, group_up_to=group_up_to, gather=gather)
    n_done = consumer.run(stop, once=once)
    if once:
        OUTPUT.print(f"{n_done:,} changes handed on, or put to {letters.file}")
