"""The commands that hand changes of alerts on: each reads the topic as a consumer group of its own."""

import signal
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from logster.command import command_settings
from logster.display import OUTPUT
from pipelines.settings import Settings

if TYPE_CHECKING:
    from pipelines.sinks.deliveries import Deliver

__all__ = ["notify_app"]

notify_app = typer.Typer(no_args_is_help=True, help="Hand changes of alerts on, from their Kafka topic.")

Once = Annotated[bool, typer.Option("--once", help="hand on what the topic holds, and end")]


@notify_app.command()
def webhook(once: Once = False) -> None:
    """Send each change to LOGSTER_WEBHOOK_URL, signed and with an idempotency key, until it is taken."""
    from pipelines.sinks.webhook import HttpTarget, Webhook, target_url, webhook_secret

    settings = command_settings()
    allow_private = settings.notify_allow_private
    secret = webhook_secret(settings)
    url = target_url(settings.webhook_url, "LOGSTER_WEBHOOK_URL", allow_private=allow_private)
    with HttpTarget(url, allow_private=allow_private) as target:
        _consume(settings, "webhook", Webhook(target, secret), once=once)


def _consume(settings: Settings, name: str, deliver: "Deliver", *, once: bool) -> None:
    from pipelines.sinks.consumer import ChangeConsumer
    from pipelines.sinks.dead_letters import DeadLetters, dead_letter_file

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    letters = DeadLetters(dead_letter_file(settings, name))
    n_delivered = ChangeConsumer(settings, name, deliver, letters).run(stop, once=once)
    if once:
        OUTPUT.print(f"{n_delivered:,} changes handled")
