"""Publisher, broker and webhook consumer, each killed with -9 while alerts change: every change is delivered, none is missing.

In the topic each stands once; the receiver may be sent one again, under the same key.
"""

import hashlib
import hmac
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer

from pipelines.settings import Settings
from pipelines.sinks.consumer import ChangeConsumer
from pipelines.sinks.dead_letters import DeadLetters
from pipelines.sinks.outbox import Outbox
from pipelines.sinks.publisher import Publisher
from tests.http_receiver import Got, receiving
from tests.kafka_broker import PASSWORD, SCRAM_PASSWORD, USER, KafkaBroker, Sent
from tests.logster_process import LOGSTER, environment
from tests.pipelines.sinks.alert_tables import NOON, alert, append, change, merge_alerts, outbox_rows, verdict
from tests.pipelines.sinks.mail_server import mail_server

KILLS = int(os.environ.get("LOGSTER_TEST_KILLS", "2"))
SEED = int(os.environ.get("LOGSTER_TEST_SEED", "3"))
N_ALERTS = 40
SECRET = "a secret that both know"
PATIENCE = 180.0
pytestmark = pytest.mark.e2e


class Analysts:
    """Changes alerts as pipeline and analysts do, a little at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._state, self._number = settings, 0, 0

    def work(self) -> None:
        self._state += 1
        merge_alerts(self._settings, [alert(number, state=self._state) for number in range(N_ALERTS)])
        for number in range(5):
            self._number += 1
            append(self._settings, "alert_changes", change(f"c{self._number}", number, second=self._number))
        append(self._settings, "feedback", verdict(f"f{self._state}", self._state % N_ALERTS))


@contextmanager
def command(told: dict[str, str], output: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with (
        output.open("ab") as file,
        subprocess.Popen([str(LOGSTER), *words], env=told, stdout=file, stderr=file) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def test_killed_with_the_broker_every_change_is_delivered(kafka: KafkaBroker, tmp_path: Path) -> None:
    topic, rng = kafka.create_topic(3), random.Random(SEED)
    settings = Settings(
        lake=str(tmp_path / "lake"), alerts_kafka_servers=kafka.servers, alerts_topic=topic, _env_file=None
    )
    output, analysts = tmp_path / "printed.log", Analysts(settings)

    def answer(got: Got) -> int:
        time.sleep(0.005)  # so that a kill meets requests under way
        return 500 if rng.random() < 0.1 else 204

    with receiving(answer) as receiver:
        told = environment(settings) | {
            "LOGSTER_ALERTS_KAFKA_SERVERS": kafka.servers, "LOGSTER_ALERTS_TOPIC": topic,
            "LOGSTER_WEBHOOK_URL": receiver.url, "LOGSTER_WEBHOOK_SECRET": SECRET, "LOGSTER_NOTIFY_ALLOW_PRIVATE": "true",
        }  # fmt: skip

        def keys() -> set[str]:
            return {got.headers["idempotency-key"] for got in list(receiver.got)}

        def wait_for(n_keys: int) -> None:
            deadline = time.monotonic() + PATIENCE
            while len(keys()) < n_keys:
                assert time.monotonic() < deadline, f"{len(keys())} of {n_keys}: {output.read_text()[-4_000:]}"
                time.sleep(0.05)

        for life in range(KILLS):
            with ExitStack() as processes:
                publisher = processes.enter_context(command(told, output, "publish"))
                analysts.work()
                consumer = processes.enter_context(command(told, output, "notify", "webhook"))
                wait_for(len(keys()) + 1)
                analysts.work()
                time.sleep(rng.uniform(0, 1.5))
                (consumer if life % 2 else publisher).send_signal(signal.SIGKILL)
                analysts.work()
                time.sleep(rng.uniform(0, 1.5))
                kafka.kill()
                analysts.work()
                time.sleep(rng.uniform(0, 1.5))
                kafka.start()
                time.sleep(rng.uniform(0, 1.5))
                for process in (publisher, consumer):
                    process.send_signal(signal.SIGKILL)
        with command(told, output, "publish") as publisher, command(told, output, "notify", "webhook") as consumer:
            Outbox(settings).tell(now=NOON)
            expected = {row["change_id"] for row in outbox_rows(settings)}
            wait_for(len(expected))
            for process in (publisher, consumer):
                process.send_signal(signal.SIGTERM)
                assert process.wait(60) == 0, output.read_text()[-4_000:]
        assert keys() == expected

        # an analyst's change and a verdict each, and what the pipeline did as far as it was looked at
        kinds = [row["kind"] for row in outbox_rows(settings)]
        n_rounds = 4 * KILLS
        assert [kinds.count(kind) for kind in ("created", "transition", "verdict")] == [
            N_ALERTS,
            5 * n_rounds,
            n_rounds,
        ]
        for got in receiver.got:
            signed = f"{got.headers['logster-timestamp']}.".encode() + got.body
            expected_signature = "v1=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
            assert got.headers["logster-signature"] == expected_signature
            assert json.loads(got.body)["change_id"] == got.headers["idempotency-key"]

    published = [(place.split("/"), json.loads(value)) for place, value in kafka.read(topic).items()]
    assert sorted(document["change_id"] for _, document in published) == sorted(expected)
    sequence_of = {row["change_id"]: row["sequence"] for row in outbox_rows(settings)}
    places = defaultdict(list)
    for (_, partition, offset), document in published:
        places[document["alert_id"]].append((int(partition), int(offset), sequence_of[document["change_id"]]))
    for of_alert in places.values():
        assert len({partition for partition, _, _ in of_alert}) == 1
        sequences = [sequence for _, _, sequence in sorted(of_alert)]
        assert sequences == sorted(sequences)
    assert not (tmp_path / "dead-letters" / "webhook.jsonl").read_bytes()


def test_brokers_that_are_away_are_waited_for(kafka: KafkaBroker, tmp_path: Path) -> None:
    """By a publisher and a consumer that live on."""
    settings = Settings(
        lake=str(tmp_path / "lake"),
        alerts_kafka_servers=kafka.servers,
        alerts_topic=kafka.create_topic(1),
        _env_file=None,
    )
    came: list[str] = []
    letters = DeadLetters(tmp_path / "dead.jsonl")
    consumer = ChangeConsumer(settings, "test", lambda group: came.extend(one.change_id for one in group), letters)
    stop = threading.Event()
    threads = [
        threading.Thread(target=Publisher(settings).run, args=[stop]), threading.Thread(target=consumer.run, args=[stop])
    ]  # fmt: skip

    def wait_for(n_changes: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while len(came) < n_changes:
            assert time.monotonic() < deadline, len(came)
            time.sleep(0.1)

    merge_alerts(settings, [alert(1)])
    for thread in threads:
        thread.start()
    try:
        wait_for(1)
        append(settings, "alert_changes", change("c1", 1))
        wait_for(2)
        kafka.kill()
        append(settings, "alert_changes", change("c2", 1, second=1))
        time.sleep(8)  # long enough to begin a transaction with nobody
        kafka.start()
        wait_for(3)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert came == [row["change_id"] for row in outbox_rows(settings)]
    assert len(kafka.read(settings.alerts_topic)) == 3


def test_what_a_publisher_did_not_commit_is_not_there(kafka: KafkaBroker, tmp_path: Path) -> None:
    """And what another producer puts into the topic does not count as ours."""
    settings = Settings(
        lake=str(tmp_path / "lake"),
        alerts_kafka_servers=kafka.servers,
        alerts_topic=kafka.create_topic(1),
        _env_file=None,
    )
    merge_alerts(settings, [alert(number) for number in range(3)])
    outbox = Outbox(settings)
    outbox.tell(now=NOON)
    name = f"logster-outbox-{outbox.identity()}"
    killed = Producer({"bootstrap.servers": kafka.servers, "transactional.id": name})
    killed.init_transactions(30)
    killed.begin_transaction()
    headers = [("sequence", "3"), ("outbox", outbox.identity())]
    killed.produce(settings.alerts_topic, b"in flight", headers=headers)
    killed.poll(2)
    kafka.send(settings.alerts_topic, [Sent(b"{}", headers={"sequence": b"2"}) for _ in range(40)])
    assert Publisher(settings).publish_once() == 3
    (Path(settings.checkpoint_path) / "publisher.json").unlink()
    kafka.send(
        settings.alerts_topic, [Sent(b"{}", headers={"sequence": b"9", "outbox": b"another"}) for _ in range(40)]
    )
    assert Publisher(settings).publish_once() == 0
    values = kafka.read(settings.alerts_topic).values()
    assert b"in flight" not in values
    assert len(values) == 83


def test_progress_is_with_the_brokers_and_beside_the_checkpoints(kafka: KafkaBroker, tmp_path: Path) -> None:
    """Each of them alone is enough: Kafka forgets old records, a container its disk."""
    settings = Settings(
        lake=str(tmp_path / "lake"),
        alerts_kafka_servers=kafka.servers,
        alerts_topic=kafka.create_topic(2),
        _env_file=None,
    )
    merge_alerts(settings, [alert(number) for number in range(700)])  # more than one transaction takes
    assert Publisher(settings).publish_once() == 700
    note = Path(settings.checkpoint_path) / "publisher.json"
    note.unlink()
    append(settings, "feedback", verdict("f1", 1))
    assert Publisher(settings).publish_once() == 1
    assert json.loads(note.read_text())["sequence"] == 701

    kafka.drop_records(settings.alerts_topic, 0, before=-1)  # all of them
    kafka.drop_records(settings.alerts_topic, 1, before=-1)
    append(settings, "feedback", verdict("f2", 1))
    assert Publisher(settings).publish_once() == 1
    assert len(kafka.read(settings.alerts_topic)) == 1

    elsewhere = settings.model_copy(update={"alerts_topic": kafka.create_topic(1)})
    assert Publisher(elsewhere).publish_once() == 702  # another topic has had none of it
    assert len(kafka.read(elsewhere.alerts_topic)) == 702


def test_a_storm_is_few_messages_and_what_is_not_taken_is_a_dead_letter(kafka: KafkaBroker, tmp_path: Path) -> None:
    """Slack refuses a message for one of its changes: that one alone is put away, and so is what is no change at all."""
    settings = Settings(
        lake=str(tmp_path / "lake"),
        alerts_kafka_servers=kafka.servers,
        alerts_topic=kafka.create_topic(1),
        _env_file=None,
    )
    merge_alerts(settings, [alert(number) for number in range(50)])
    kafka.send(settings.alerts_topic, [Sent(b"not json"), Sent(b'{"schema_version":1,"change_id":"%s"}' % (b"0" * 64))])
    assert Publisher(settings).publish_once() == 50

    def answer(got: Got) -> int:
        return 400 if b"web-7 " in got.body else 200

    with receiving(answer) as receiver:
        told = environment(settings) | {
            "LOGSTER_ALERTS_KAFKA_SERVERS": kafka.servers, "LOGSTER_ALERTS_TOPIC": settings.alerts_topic,
            "LOGSTER_SLACK_URL": receiver.url, "LOGSTER_NOTIFY_ALLOW_PRIVATE": "true",
        }  # fmt: skip
        for n_records in (52, 0):  # the second finds nothing left
            ended = subprocess.run(
                [str(LOGSTER), "notify", "slack", "--once"], env=told, capture_output=True, text=True, check=False, timeout=120
            )  # fmt: skip
            assert ended.returncode == 0, ended.stderr
            assert f"{n_records} changes handed on" in ended.stdout
        texts = [got.body.decode() for got in receiver.got if b"web-7 " not in got.body]
    assert len(texts) < 49  # one by one are those alone that came with what is not taken
    named = [sum(f"on web-{number} " in text for text in texts) for number in range(50)]
    assert named == [0 if number == 7 else 1 for number in range(50)]
    letters = [json.loads(line) for line in (tmp_path / "dead-letters" / "slack.jsonl").read_text().splitlines()]
    assert [letter["reason"] for letter in letters] == [
        "is no change of an alert: JSONDecodeError", "lacks what its schema asks for: KeyError: 'alert'", "127.0.0.1 answers 400",
    ]  # fmt: skip
    assert letters[2]["document"]["alert"]["endpoint"] == "web-7"


@pytest.mark.parametrize("command_name", ["webhook", "case", "ticket", "alertmanager", "syslog", "email"])
def test_each_command_hands_on_what_the_topic_holds(kafka: KafkaBroker, tmp_path: Path, command_name: str) -> None:
    settings = Settings(
        lake=str(tmp_path / "lake"),
        alerts_kafka_servers=kafka.servers,
        alerts_topic=kafka.create_topic(1),
        _env_file=None,
    )
    merge_alerts(settings, [alert(1)])
    assert Publisher(settings).publish_once() == 1
    (row,) = outbox_rows(settings)
    with receiving() as receiver, mail_server() as box, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(("127.0.0.1", 0))
        datagrams.settimeout(10)
        told = environment(settings) | {
            "LOGSTER_ALERTS_KAFKA_SERVERS": kafka.servers, "LOGSTER_ALERTS_TOPIC": settings.alerts_topic,
            "LOGSTER_NOTIFY_ALLOW_PRIVATE": "true", "LOGSTER_WEBHOOK_SECRET": SECRET, "LOGSTER_WEBHOOK_URL": receiver.url,
            "LOGSTER_CASE_URL": receiver.url, "LOGSTER_TICKET_URL": receiver.url, "LOGSTER_ALERTMANAGER_URL": receiver.url,
            "LOGSTER_SYSLOG_TARGET": f"udp://127.0.0.1:{datagrams.getsockname()[1]}",
            "LOGSTER_EMAIL_SERVER": f"smtp://127.0.0.1:{box.port}", "LOGSTER_EMAIL_FROM": "logster@acme.example",
            "LOGSTER_EMAIL_TO": "soc@acme.example",
        }  # fmt: skip
        ended = subprocess.run(
            [str(LOGSTER), "notify", command_name, "--once"], env=told, capture_output=True, text=True, check=False, timeout=120
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        if command_name == "syslog":
            sent = datagrams.recv(65_536).decode()
        elif command_name == "email":
            sent = box.mails[0].decode()
        else:
            (got,) = receiver.got
            sent = got.body.decode()
            if command_name != "alertmanager":
                assert got.headers["idempotency-key"] == row["change_id"]
    assert row["alert_id"] in sent
    assert not (tmp_path / "dead-letters" / f"{command_name}.jsonl").read_bytes()


def test_a_new_consumer_that_begins_at_the_end_passes_nothing_over_from_then_on(
    kafka: KafkaBroker, tmp_path: Path
) -> None:
    settings = Settings(
        lake=str(tmp_path / "lake"), alerts_kafka_servers=kafka.servers, alerts_topic=kafka.create_topic(2),
        notify_starting_offsets="latest", _env_file=None,
    )  # fmt: skip
    came: list[str] = []

    def consume() -> int:
        letters = DeadLetters(tmp_path / "dead.jsonl")
        consumer = ChangeConsumer(
            settings, "latest", lambda group: came.extend(one.document["kind"] for one in group), letters
        )
        return consumer.run(threading.Event(), once=True)

    merge_alerts(settings, [alert(number) for number in range(5)])
    assert (Publisher(settings).publish_once(), consume()) == (5, 0)
    for number in range(5):
        append(settings, "feedback", verdict(f"f{number}", number))
    assert (Publisher(settings).publish_once(), consume(), consume()) == (5, 5, 0)
    assert came == ["verdict"] * 5


def test_a_service_for_one_tenant_hands_on_its_changes_alone(kafka: KafkaBroker, tmp_path: Path) -> None:
    settings = Settings(
        lake=str(tmp_path / "lake"),
        alerts_kafka_servers=kafka.servers,
        alerts_topic=kafka.create_topic(1),
        _env_file=None,
    )
    tenants = ["acme", "globex", "acme", "acme-2"]
    merge_alerts(settings, [alert(number, tenant=tenant) for number, tenant in enumerate(tenants)])
    assert Publisher(settings).publish_once() == 4
    came: dict[str | None, list[str]] = {}
    for tenant in ("acme", "globex", None):
        told = settings.model_copy(update={"notify_tenant": tenant})
        found = came.setdefault(tenant, [])
        consumer = ChangeConsumer(
            told, "test", lambda group, found=found: found.extend(one.document["tenant"] for one in group),
            DeadLetters(tmp_path / "dead.jsonl"),
        )  # fmt: skip
        assert consumer.run(threading.Event(), once=True) == 4
    assert {tenant: sorted(found) for tenant, found in came.items()} == {
        "acme": ["acme", "acme"], "globex": ["globex"], None: sorted(tenants),
    }  # fmt: skip


@pytest.mark.parametrize("way", ["SCRAM", "PLAIN", "mutual"])
def test_it_publishes_over_tls_signed_in_as_the_source_does(kafka: KafkaBroker, tmp_path: Path, way: str) -> None:
    own = tmp_path / "own.pem"
    own.write_bytes(
        (kafka.client_folder / "endpoint.pem").read_bytes() + (kafka.client_folder / "endpoint.key").read_bytes()
    )
    by_password = {
        "alerts_kafka_servers": kafka.secure_servers,
        "kafka_security_protocol": "SASL_SSL",
        "kafka_user": USER,
    }
    told = {
        "SCRAM": {**by_password, "kafka_sasl_mechanism": "SCRAM-SHA-512", "kafka_password": SCRAM_PASSWORD},
        "PLAIN": {**by_password, "kafka_password": PASSWORD},
        "mutual": {"alerts_kafka_servers": kafka.mutual_servers, "kafka_security_protocol": "SSL",
                   "kafka_client_certificate_file": str(own)},
    }[way]  # fmt: skip
    settings = Settings(
        lake=str(tmp_path / "lake"), alerts_topic=kafka.create_topic(1), kafka_ca_file=str(kafka.ca_file), **told, _env_file=None
    )  # fmt: skip
    merge_alerts(settings, [alert(1)])
    assert Publisher(settings).publish_once() == 1
    assert len(kafka.read(settings.alerts_topic)) == 1


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"LOGSTER_ALERTS_KAFKA_SERVERS": "127.0.0.1:1"}, "does not answer"),
        ({"LOGSTER_ALERTS_TOPIC": "absent"}, "has no topic absent"),
        ({"LOGSTER_KAFKA_CA_FILE": "/none"}, "there is no file /none"),
        ({"LOGSTER_ALERTS_KAFKA_PROPERTIES": "no.such=1"}, "no.such"),
        ({"LOGSTER_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "needs LOGSTER_KAFKA_USER"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(kafka: KafkaBroker, tmp_path: Path, variables, words) -> None:
    settings = Settings(lake=str(tmp_path / "lake"), _env_file=None)
    merge_alerts(settings, [alert(1)])
    told = environment(settings) | {
        "LOGSTER_ALERTS_KAFKA_SERVERS": kafka.servers, "LOGSTER_WEBHOOK_URL": "http://127.0.0.1:1/",
        "LOGSTER_WEBHOOK_SECRET": SECRET, "LOGSTER_NOTIFY_ALLOW_PRIVATE": "true",
    } | variables  # fmt: skip
    for words_of_command in (["publish", "--once"], ["notify", "webhook", "--once"]):
        ended = subprocess.run(
            [str(LOGSTER), *words_of_command], env=told, capture_output=True, text=True, check=False, timeout=120
        )
        lines = [line for line in ended.stderr.splitlines() if line.strip()]
        assert (ended.returncode, len(lines)) == (1, 1), ended.stderr
        assert words in lines[0]
