"""From the topic of changes to whoever is to be told: each change is handed on, or a dead letter, before its offset is kept."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from pipelines.settings import Settings
from pipelines.sinks.dead_letters import DeadLetters
from pipelines.sinks.deliveries import Change, Deliver, NotNow, Refused, change_of, delivered
from pipelines.sinks.kafka_client import ANSWER_WITHIN_SECONDS, client_settings, missing_topic, trouble_of, unusable

__all__ = ["ChangeConsumer"]

_LOG = structlog.get_logger("logster.notify")
_POLL_SECONDS = 0.5
_SESSION = timedelta(seconds=10)  # a killed consumer's successor waits for so long
_MOST_MILLISECONDS = 86_400_000  # librdkafka takes no more
_SPARE = timedelta(minutes=15)  # between two polls beside the tries: the longest pause, and the last try itself

_Place = tuple[str, int]  # topic and partition


class ChangeConsumer:
    """Hands changes on, in order, as a member of a consumer group.

    A change that was handed on, but whose offset was not kept before a crash, is handed on again under the same id.

    Args:
        settings: of brokers and topic.
        name: of the consumer; its group is ``logster-<name>``, and where it is for one tenant, ``logster-<name>-<tenant>``.
        deliver: hands changes on once.
        dead_letters: takes those that could not be.
        group_up_to: changes that are handed on together at most, where so many come at once.
        gather: how long more are waited for before a group is handed on.
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
        group_up_to: int = 1,
        gather: timedelta = timedelta(seconds=2),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings, self._deliver, self._dead_letters, self._clock = settings, deliver, dead_letters, clock
        self._group_up_to = group_up_to
        self._gather_seconds = gather.total_seconds()
        self._heard: KafkaError | None = None
        self._told = ""
        longest = settings.notify_give_up_after * (1 + group_up_to) + _SPARE  # a refused group is handed on one by one
        try:
            self._consumer = Consumer(
                {
                    "session.timeout.ms": _milliseconds(_SESSION),
                    "max.poll.interval.ms": min(_milliseconds(longest), _MOST_MILLISECONDS),
                    **client_settings(settings),
                    "group.id": "-".join(
                        ["logster", name, *([settings.notify_tenant] if settings.notify_tenant else [])]
                    ),
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
            Records of the topic that are done with: handed on, dead letters, or another tenant's.

        Raises:
            SinkError: the brokers do not answer at the start, or refuse us; or a dead letter cannot be written.
        """
        n_done, at_end = 0, set[_Place]()
        try:
            self._open()
            while not stop.is_set():
                taken: list[Message] = []
                reached: dict[_Place, int] = {}
                for message in self._next_messages(stop):
                    place = (message.topic() or "", message.partition() or 0)
                    if (error := message.error()) is None:
                        taken.append(message)
                        at_end.discard(place)
                        reached[place] = (message.offset() or 0) + 1
                    elif error.code() == KafkaError._PARTITION_EOF:
                        at_end.add(place)
                        # a new consumer's place is kept before anything has come: it may have begun at the end
                        reached.setdefault(place, message.offset() or 0)
                    else:
                        self._warn(str(trouble_of(error, self._settings, self._heard)))
                if taken:
                    self._told = ""
                    if not self._handled(taken, stop):
                        break
                    n_done += len(taken)
                if reached:
                    self._keep_offsets(reached)
                elif self._heard is not None and self._heard.code() == KafkaError._ALL_BROKERS_DOWN:
                    self._warn(str(trouble_of(self._heard, self._settings)))
                    self._heard = None
                assigned = {(each.topic, each.partition) for each in self._consumer.assignment()} if once else set()
                if assigned and assigned <= at_end:
                    break
        finally:
            self._consumer.close()
        return n_done

    def _open(self) -> None:
        topic = self._settings.alerts_topic
        try:
            there = self._consumer.list_topics(topic, timeout=ANSWER_WITHIN_SECONDS).topics[topic]
        except KafkaException as error:
            raise trouble_of(error, self._settings, self._heard) from error
        if there.error is not None or not there.partitions:
            raise trouble_of(there.error, self._settings) if there.error else missing_topic(self._settings)
        self._consumer.subscribe([topic])

    def _next_messages(self, stop: threading.Event) -> list[Message]:
        """What has come, records and ends of partitions: as many as make a group, or as come within the time for one."""
        message = self._consumer.poll(_POLL_SECONDS)
        if message is None:
            return []
        found, deadline = [message], time.monotonic() + self._gather_seconds
        while len(found) < self._group_up_to and not stop.is_set():
            left = deadline - time.monotonic()
            message = self._consumer.poll(min(max(0.0, left), _POLL_SECONDS))
            if message is not None:
                found.append(message)
            elif left <= 0:
                break
        return found

    def _handled(self, messages: list[Message], stop: threading.Event) -> bool:
        """Hand changes on, or put them away; false where it was stopped in between."""
        group: list[tuple[Message, Change]] = []
        for message in messages:
            try:
                change = change_of(_value_of(message))
            except Refused as error:
                self._bury(message, error)
                continue
            if self._settings.notify_tenant in (None, change.document.get("tenant")):
                group.append((message, change))
        if not group:
            return True
        try:
            return self._delivered(group, stop)
        except Refused as error:
            if len(group) == 1:
                self._bury(group[0][0], error)
                return True
        except NotNow as error:
            for message, _ in group:
                self._bury(message, error)
            return True
        for one in group:  # which of them is it that is not taken?
            try:
                if not self._delivered([one], stop):
                    return False
            except (Refused, NotNow) as error:
                self._bury(one[0], error)
        return True

    def _delivered(self, group: list[tuple[Message, Change]], stop: threading.Event) -> bool:
        changes = [change for _, change in group]
        try:
            return delivered(changes, self._deliver, give_up_after=self._settings.notify_give_up_after, stop=stop)
        except (
            KeyError,
            TypeError,
            AttributeError,
            ValueError,
        ) as error:  # whoever may write to the topic may write anything
            raise Refused(f"lacks what its schema asks for: {type(error).__name__}: {error}") from error

    def _bury(self, message: Message, error: Refused | NotNow) -> None:
        origin = f"{message.topic()}/{message.partition()}/{message.offset()}"
        _LOG.warning("change not handed on; it is a dead letter now", origin=origin, reason=str(error))
        self._dead_letters.add(_value_of(message), origin=origin, reason=str(error), now=self._clock())

    def _keep_offsets(self, reached: dict[_Place, int]) -> None:
        places = [TopicPartition(topic, partition, offset) for (topic, partition), offset in reached.items()]
        try:
            self._consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as error:  # a later one keeps it too; else it is handed on again, under the same id
            self._warn(str(trouble_of(error, self._settings, self._heard)))

    def _warn(self, what: str) -> None:
        if what != self._told:  # each trouble once, not with every try
            _LOG.warning("waiting for Kafka", reason=what)
        self._told = what

    def _hear(self, error: KafkaError) -> None:
        self._heard = error


def _value_of(message: Message) -> bytes | None:
    value = message.value()
    return value.encode() if isinstance(value, str) else value


def _milliseconds(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)
