"""From the topic of changes to whoever is to be told: each change is handed on, or a dead letter, before its offset is kept."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from pipelines.settings import Settings
from pipelines.sinks.dead_letters import DeadLetters
from pipelines.sinks.deliveries import Deliver, NotNow, Refused, change_of, delivered
from pipelines.sinks.kafka_client import ANSWER_WITHIN_SECONDS, client_settings, missing_topic, trouble_of, unusable

__all__ = ["ChangeConsumer"]

_LOG = structlog.get_logger("logster.notify")
_POLL_SECONDS = 0.5
_SESSION = timedelta(seconds=10)  # a killed consumer's successor waits for so long
_SPARE = timedelta(minutes=15)  # between two polls beside the tries: the longest pause, and the last try itself


class ChangeConsumer:
    """Hands changes on, one at a time, as a member of a consumer group.

    A change that was handed on, but whose offset was not kept before a crash, is handed on again under the same id.

    Args:
        settings: of brokers and topic.
        name: of the consumer; its group is ``logster-<name>``.
        deliver: hands one change on once.
        dead_letters: takes those that could not be.
        clock: wall clock (UTC), to be replaced in tests.

    Raises:
        SettingsError: a setting cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        deliver: Deliver,
        dead_letters: DeadLetters,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings, self._deliver, self._dead_letters, self._clock = settings, deliver, dead_letters, clock
        self._heard: KafkaError | None = None
        self._told = ""
        longest = settings.notify_give_up_after + _SPARE
        try:
            self._consumer = Consumer(
                {
                    "session.timeout.ms": _milliseconds(_SESSION),
                    "max.poll.interval.ms": _milliseconds(longest),
                    **client_settings(settings),
                    "group.id": f"logster-{name}",
                    "auto.offset.reset": settings.notify_starting_offsets,
                    "isolation.level": "read_committed",
                    "enable.auto.commit": False,
                    "enable.auto.offset.store": False,
                    "enable.partition.eof": True,
                    "error_cb": self._hear,
                }
            )
        except (KafkaException, ValueError) as error:
            raise unusable(error) from None

    def run(self, stop: threading.Event, *, once: bool = False) -> int:
        """Hand on what comes until ``stop`` is set.

        Args:
            stop: what is being handed on at that time is finished; what waits for another try is left for the next start.
            once: end when all that the topic held is handed on.

        Returns:
            Changes handed on.

        Raises:
            SinkError: the brokers do not answer at the start, or refuse us.
        """
        n_delivered, at_end = 0, set[tuple[str, int]]()
        try:
            self._open()
            while not stop.is_set():
                message = self._consumer.poll(_POLL_SECONDS)
                if message is None:
                    continue
                place = (message.topic() or "", message.partition() or 0)
                if (error := message.error()) is not None:
                    if error.code() != KafkaError._PARTITION_EOF:
                        self._warn(str(trouble_of(error, self._settings, self._heard)))
                    else:
                        at_end.add(place)
                    if (
                        once
                        and at_end
                        and at_end >= {(each.topic, each.partition) for each in self._consumer.assignment()}
                    ):
                        break
                    continue
                at_end.discard(place)
                self._told = ""
                if not self._handled(message, stop):
                    break
                n_delivered += 1
                self._keep_offset(message)
        finally:
            self._consumer.close()
        return n_delivered

    def _open(self) -> None:
        topic = self._settings.alerts_topic
        try:
            there = self._consumer.list_topics(topic, timeout=ANSWER_WITHIN_SECONDS).topics[topic]
        except KafkaException as error:
            raise trouble_of(error, self._settings, self._heard) from error
        if there.error is not None or not there.partitions:
            raise trouble_of(there.error, self._settings) if there.error else missing_topic(self._settings)
        self._consumer.subscribe([topic])

    def _handled(self, message: Message, stop: threading.Event) -> bool:
        """Hand a change on, or put it away; false where it was stopped in between."""
        origin = f"{message.topic()}/{message.partition()}/{message.offset()}"
        value, began = message.value(), time.monotonic()
        raw = value.encode() if isinstance(value, str) else value
        try:
            change = change_of(raw)
            give_up_after = self._settings.notify_give_up_after
            if not delivered(change, self._deliver, give_up_after=give_up_after, stop=stop):
                return False
            _LOG.debug("change handed on", change=change.change_id, origin=origin)
        except (Refused, NotNow) as error:
            seconds = round(time.monotonic() - began, 1)
            _LOG.warning(
                "change not handed on; it is a dead letter now", origin=origin, reason=str(error), seconds=seconds
            )
            self._dead_letters.add(raw, origin=origin, reason=str(error), now=self._clock())
        return True

    def _keep_offset(self, message: Message) -> None:
        place = TopicPartition(message.topic() or "", message.partition() or 0, (message.offset() or 0) + 1)
        try:
            self._consumer.commit(offsets=[place], asynchronous=False)
        except KafkaException as error:  # a later one keeps it too; else it is handed on again, under the same id
            self._warn(str(trouble_of(error, self._settings, self._heard)))

    def _warn(self, what: str) -> None:
        if what != self._told:  # each trouble once, not with every try
            _LOG.warning("waiting for Kafka", reason=what)
        self._told = what

    def _hear(self, error: KafkaError) -> None:
        self._heard = error


def _milliseconds(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)
