"""Publishing changes of alerts beside the pipeline, in a thread of its own; what it does is ``pipelines.sinks.publisher``."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from logster.display import OUTPUT
from pipelines.settings import Settings

if TYPE_CHECKING:
    from pipelines.sinks.publisher import Publisher

__all__ = ["publish_all", "publishing_beside"]

_LEAVE_AFTER_SECONDS = 5.0


@contextmanager
def publishing_beside(settings: Settings, *, once: bool = False) -> Iterator[None]:
    """Publish until it is left, where brokers are set; the brokers may come and go meanwhile.

    Args:
        settings: of the lake and the brokers.
        once: publish only when it is left, unless by an error.

    Raises:
        SettingsError: a setting cannot be used.
        SinkError: with ``once``: the brokers do not answer or refuse us.
    """
    if not settings.alerts_kafka_servers:
        yield
        return
    from pipelines.sinks.publisher import Publisher

    publisher, stop = Publisher(settings), threading.Event()
    if once:
        yield
        publish_all(publisher)
        return
    thread = threading.Thread(target=publisher.run, args=[stop], name="publisher", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_LEAVE_AFTER_SECONDS)  # brokers that do not answer hold nobody up: what is under way is taken back


def publish_all(publisher: "Publisher") -> None:
    """Publish what there is, and say how much that was; see `Publisher.publish_once`."""
    OUTPUT.print(f"{publisher.publish_once():,} changes of alerts published")
