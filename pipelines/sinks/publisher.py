"""From the outbox to a Kafka topic: every row once, in order, whatever is killed in between.

Rows go out in transactions, in the order of their sequence, and each record carries its sequence. So the topic itself says up
to where all is out: the next producer, which ends what the last one left open before it looks, goes on behind the highest.
A topic whose records have all expired says nothing: a note beside the checkpoints holds the sequence as well.

Kafka's own place for progress would be the offset of a consumer group in the same transaction; librdkafka waits without end for
a coordinator that was away (https://github.com/confluentinc/librdkafka/issues/5456, met here when a broker was restarted).
"""

import json
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import (
    OffsetSpec,
)  # which the package gives, but does not say so to type checkers

from pipelines.errors import LogsterError, SinkError
from pipelines.locks import publishing
from pipelines.settings import Settings
from pipelines.sinks.kafka_client import ANSWER_WITHIN_SECONDS, client_settings, missing_topic, trouble_of, unusable
from pipelines.sinks.outbox import Outbox

__all__ = ["Publisher"]

_LOG = structlog.get_logger("logster.publisher")
_READ_AT_ONCE = 10_000  # rows: where small files were put together, each look reads a large one
_AT_ONCE = 500  # rows of one transaction at most
_COMMIT_WITHIN_SECONDS = 30.0
_LOOK_EVERY_SECONDS = 1.0
_LOOK_BACK = 16  # records from a partition's end, and so many times more where none of them is ours
_LONGEST_PAUSE_SECONDS = 30.0
_NOTE = "publisher.json"
_HEADERS = ("change_id", "schema_version", "kind", "tenant", "sequence")


class Publisher:
    """Publishes the changes of one lake's alerts; for one thread.

    Args:
        settings: of the lake and the brokers.
        clock: wall clock (UTC), to be replaced in tests.

    Raises:
        SettingsError: a setting cannot be used.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._settings, self._clock = settings, clock
        self._outbox = Outbox(settings)
        self._client = client_settings(settings)
        self._session: _Session | None = None
        try:  # it speaks to no one yet, but looks at its properties and files
            Producer({**self._client, "transactional.id": "logster-check"})
        except (KafkaException, ValueError) as error:
            raise unusable(error) from None

    def publish(self) -> int:
        """Bring the outbox up to date, and publish all that is in it.

        Returns:
            Rows published.

        Raises:
            LakeError: the outbox cannot be kept.
            SinkError: the brokers do not answer or refuse us; what is out is out, the rest goes with the next call.
        """
        self._outbox.tell(now=self._clock())
        n_published = 0
        try:
            if self._session is None:
                self._session = self._opened()
            while rows := self._outbox.rows_after(self._session.sequence, at_most=_READ_AT_ONCE):
                for first in range(0, len(rows), _AT_ONCE):
                    self._session.publish(rows[first : first + _AT_ONCE])
                    self._write_note(self._session.sequence)
                n_published += len(rows)
        except KafkaException as error:
            trouble = trouble_of(error, self._settings, self._session.heard if self._session else None)
            self.close()  # the next session asks what became of it
            raise trouble from error
        return n_published

    def run(self, stop: threading.Event) -> None:
        """Publish what comes until ``stop`` is set; what cannot be done now is tried again, with growing pauses."""
        told, pause = "", _LOOK_EVERY_SECONDS
        while not stop.is_set():
            with publishing(self._settings) as is_ours:
                while is_ours and not stop.is_set():
                    try:
                        n_published = self.publish()
                        if told or n_published:
                            _LOG.info("changes of alerts published", changes=n_published)
                        told, pause = "", _LOOK_EVERY_SECONDS
                    except LogsterError as error:
                        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                        if str(error) != told:  # each trouble once, not with every try
                            _LOG.warning("changes of alerts wait in the outbox; tried again", reason=str(error))
                        told = str(error)
                    except Exception as error:  # a thread that ended would leave alerts unsent without a word
                        pause = _LONGEST_PAUSE_SECONDS
                        _LOG.error(
                            "changes of alerts not published; tried again", reason=f"{type(error).__name__}: {error}"
                        )
                        self.close()
                    stop.wait(pause)
            stop.wait(_LOOK_EVERY_SECONDS)
        self.close()

    def publish_once(self) -> int:
        """Publish all that there is, as the only one who does.

        Returns:
            Rows published.

        Raises:
            LakeError: the outbox cannot be kept.
            SinkError: another process publishes, or the brokers do not answer or refuse us.
        """
        with publishing(self._settings) as is_ours:
            if not is_ours:
                raise SinkError(
                    f"another logster publishes changes of the alerts of {self._settings.lake} (`logster run` does where "
                    "LOGSTER_ALERTS_KAFKA_SERVERS is set); stop it first"
                )
            try:
                return self.publish()
            finally:
                self.close()

    def close(self) -> None:
        """Let go of the brokers."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _opened(self) -> "_Session":
        identity, last = self._outbox.identity(), self._outbox.last_sequence()
        session = _Session(self._settings, self._client, identity)
        try:
            session.open()
            session.sequence = max(session.sequence, self._read_note(identity))
            if session.sequence > last:
                raise SinkError(
                    f"topic {self._settings.alerts_topic} has changes up to {session.sequence}, the outbox of "
                    f"{self._settings.lake} only {last}: was it put back to an older state? Set LOGSTER_ALERTS_TOPIC to a new topic"
                )
        except KafkaException as error:
            session.close()
            raise trouble_of(error, self._settings, session.heard) from error
        except SinkError:
            session.close()
            raise
        return session

    def _note(self) -> Path | None:
        root = self._settings.checkpoint_path
        return None if "://" in root else Path(root) / _NOTE

    def _read_note(self, identity: str) -> int:
        place = self._note()
        try:
            noted = json.loads(place.read_text()) if place is not None else {}
        except (OSError, ValueError):  # none yet
            return 0
        is_ours = (noted.get("outbox"), noted.get("topic")) == (identity, self._settings.alerts_topic)
        return int(noted["sequence"]) if is_ours else 0

    def _write_note(self, sequence: int) -> None:
        place = self._note()
        if place is None:
            return
        noted = {"outbox": self._outbox.identity(), "topic": self._settings.alerts_topic, "sequence": sequence}
        torn = place.with_suffix(".torn")
        with torn.open("w") as file:
            json.dump(noted, file)
            file.flush()
            os.fsync(file.fileno())
        torn.replace(place)


class _Session:
    """One producer's life, from its first word with the brokers to the first error.

    Attributes:
        sequence: up to which all is published.
        heard: the last error that a client told by itself.
    """

    def __init__(self, settings: Settings, client: dict[str, str | int | float | bool], identity: str) -> None:
        name = f"logster-outbox-{identity}"
        self._settings = settings
        self.sequence = 0
        self.heard: KafkaError | None = None
        self._failed: KafkaError | None = None
        self._producer = Producer(
            {
                "partitioner": "murmur2_random",  # as Java's producers do
                "compression.type": "lz4",
                "linger.ms": 5,
                "transaction.timeout.ms": 60_000,
                **client,
                "transactional.id": name,  # and with it idempotent: what is sent again is stored once
                "error_cb": self._hear,
            }
        )
        self._identity, self._client = identity, client
        self._reader = Consumer(
            {**client, "group.id": name, "enable.auto.commit": False, "isolation.level": "read_committed",
             "enable.partition.eof": True, "error_cb": self._hear}
        )  # fmt: skip

    def open(self) -> None:
        """Take over from whoever published last, and find out up to where."""
        topic = self._settings.alerts_topic
        there = self._producer.list_topics(topic, timeout=ANSWER_WITHIN_SECONDS).topics[topic]
        if there.error is not None:
            raise KafkaException(there.error)
        if not there.partitions:
            raise missing_topic(self._settings)
        self._producer.init_transactions(_COMMIT_WITHIN_SECONDS)
        ends = self._ends([TopicPartition(topic, partition) for partition in there.partitions])
        self.sequence = max(self._newest(topic, partition, end) for partition, end in ends.items())

    def _ends(self, places: list[TopicPartition]) -> dict[int, int]:
        """Where each partition ends, once no transaction is open in it: what lies behind one cannot be read."""
        admin = AdminClient({**self._client})
        deadline = time.monotonic() + ANSWER_WITHIN_SECONDS
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # it has no annotations
        wanted = dict.fromkeys(places, latest)
        while True:
            found = [
                {
                    place.partition: future.result().offset
                    for place, future in admin.list_offsets(
                        wanted, isolation_level=level, request_timeout=ANSWER_WITHIN_SECONDS
                    ).items()
                }
                for level in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED)
            ]
            if found[0] == found[1]:
                return found[0]
            if time.monotonic() > deadline:
                raise SinkError(
                    f"another producer holds a transaction open in topic {self._settings.alerts_topic}; what lies behind it "
                    "cannot be read until it ends"
                )
            time.sleep(0.2)

    def _newest(self, topic: str, partition: int, end: int) -> int:
        """The sequence of the last of our records in a partition, looked for from its end; 0 where there is none."""
        low, _ = self._reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=ANSWER_WITHIN_SECONDS)
        reach = _LOOK_BACK
        while True:
            start, found = max(low, end - reach), 0
            if start >= end:
                return 0
            self._reader.assign([TopicPartition(topic, partition, start)])
            while (message := self._reader.poll(ANSWER_WITHIN_SECONDS)) is not None:
                if (error := message.error()) is not None:
                    if error.code() == KafkaError._PARTITION_EOF:
                        break
                    raise KafkaException(error)
                found = max(found, self._sequence_of(message))
            else:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            if found or start == low:
                return found
            reach *= _LOOK_BACK

    def _sequence_of(self, message: Message) -> int:
        headers = dict(message.headers() or [])
        number = headers.get("sequence")
        is_ours = headers.get("outbox") == self._identity.encode() and isinstance(number, bytes) and number.isdigit()
        return int(number) if is_ours and number else 0

    def publish(self, rows: list[dict[str, Any]]) -> None:
        """Publish rows of the outbox, all or none of them."""
        producer, topic, last = self._producer, self._settings.alerts_topic, rows[-1]["sequence"]
        producer.begin_transaction()
        for row in rows:
            headers: list[tuple[str, str | bytes | None]] = [(name, str(row[name])) for name in _HEADERS]
            headers.append(("outbox", self._identity))
            producer.produce(
                topic,
                row["document"].encode(),
                key=row["alert_id"].encode(),
                headers=headers,
                on_delivery=self._delivered,
            )
            producer.poll(0)
        producer.commit_transaction(_COMMIT_WITHIN_SECONDS)
        if self._failed is not None:  # a commit fails where a message does; should it ever not, nothing is passed over
            raise KafkaException(self._failed)
        self.sequence = last

    def close(self) -> None:
        """Forget what is not sent; the next session takes it back at the brokers."""
        self._producer.purge()
        self._reader.close()

    def _hear(self, error: KafkaError) -> None:
        self.heard = error

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed = error
