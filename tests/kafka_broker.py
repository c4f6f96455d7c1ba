"""A real Apache Kafka, one node in KRaft mode, from Maven's JARs; and a producer that brings records to it."""

import ipaddress
import socket
import subprocess
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyspark
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipelines.jars import fetch_jars
from pipelines.java import find_java_home

PACKAGE = "org.apache.kafka:kafka_2.13:4.1.1"
USER, PASSWORD = "logster", 'p"ass\\word, with signs;'
SCRAM_PASSWORD = "scram pass;word"  # commas and quotes are the storage tool's own
_UP_WITHIN_SECONDS = 120.0


@dataclass(frozen=True)
class Sent:
    """A record to be sent; partition None lets the key decide."""

    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    headers: dict[str, bytes] = field(default_factory=dict)


class KafkaBroker:
    """One broker that can be killed and started again on its ports, with its data.

    Args:
        folder: for its data, its configuration and what it prints.

    Attributes:
        servers: of the listener that takes anyone (PLAINTEXT).
        secure_servers: of the one that takes `USER` over TLS (SASL_SSL), with `PASSWORD` by PLAIN and with
            `SCRAM_PASSWORD` by SCRAM-SHA-512.
        mutual_servers: of the one that takes those who show a certificate of `ca_file` (SSL).
        ca_file: certificate that its own is signed by.
        client_folder: ``ca.pem``, and ``endpoint.pem`` with ``endpoint.key`` to show.
    """

    def __init__(self, folder: Path) -> None:
        plain, secure, mutual, controller = _free_ports(4)
        self.servers, self.secure_servers = f"127.0.0.1:{plain}", f"127.0.0.1:{secure}"
        self.mutual_servers = f"127.0.0.1:{mutual}"
        self.client_folder = folder / "client"
        self.client_folder.mkdir()
        self.ca_file = self.client_folder / "ca.pem"
        self._folder, self._process = folder, None
        _write_certificates(self.client_folder, folder / "broker.pem")
        scala = next((Path(pyspark.__file__).parent / "jars").glob("scala-library-2.13.*.jar"))
        self._class_path = ":".join(str(jar) for jar in [*fetch_jars(PACKAGE), scala])
        self._config = folder / "server.properties"
        self._config.write_text(
            _CONFIG.format(plain=plain, secure=secure, mutual=mutual, controller=controller, folder=folder)
            + f"listener.name.sasl_ssl.plain.sasl.jaas.config={_MODULE} required user_{USER}={_escaped(PASSWORD)};\n"
        )
        user = f"SCRAM-SHA-512=[name={USER},password={SCRAM_PASSWORD}]"
        formatting = self._java(
            "kafka.tools.StorageTool", "format", "-t", str(uuid.uuid4()), "-c", str(self._config), "--add-scram", user
        )
        assert formatting.wait() == 0, (folder / "printed.log").read_text()[-2_000:]
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = self._java("kafka.Kafka", str(self._config), heap="512m")
        deadline = time.monotonic() + _UP_WITHIN_SECONDS
        while True:
            try:
                self._admin().list_topics(timeout=2)
                return
            except Exception as error:
                printed = (self._folder / "printed.log").read_text()[-2_000:]
                assert self._process.poll() is None, printed
                if time.monotonic() > deadline:
                    raise AssertionError(f"no answer of the broker:\n{printed}") from error

    def kill(self) -> None:
        """End it as a loss of power would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def create_topic(self, n_partitions: int = 1, *, name: str | None = None, **config: str) -> str:
        """Make a topic, by default with a name that no other has."""
        name = name or f"logs-{uuid.uuid4().hex[:8]}"
        admin = self._admin()  # must live until it has its answer
        admin.create_topics([NewTopic(name, n_partitions, 1, config=config)])[name].result(30)
        return name

    def drop_records(self, topic: str, partition: int, *, before: int) -> None:
        """Forget what lies before an offset, as retention does."""
        admin = self._admin()
        for future in admin.delete_records([TopicPartition(topic, partition, before)]).values():
            future.result(30)

    def send(self, topic: str, records: Iterable[Sent]) -> list[str]:
        """Send records, wait until all are stored, and give their origins in that order."""
        origins: list[str] = []

        def stored(error: KafkaError | None, message: Any) -> None:
            assert error is None, error
            origins.append(f"{message.topic()}/{message.partition()}/{message.offset()}")

        # idempotent: a broker that is killed while it takes them has each once
        producer = Producer(
            {"bootstrap.servers": self.servers, "enable.idempotence": True, "linger.ms": 20,
             "queue.buffering.max.messages": 200_000, "message.max.bytes": 5_900_000, "log_level": 2}
        )  # fmt: skip
        for record in records:
            where = {} if record.partition is None else {"partition": record.partition}
            while True:
                try:
                    producer.produce(
                        topic, record.value, key=record.key, headers=list(record.headers.items()), on_delivery=stored, **where
                    )  # fmt: skip
                    break
                except BufferError:
                    producer.poll(0.5)
            producer.poll(0)
        assert producer.flush(300) == 0
        return origins

    def read(self, topic: str) -> dict[str, bytes]:
        """The values that a topic holds now, by their origins; those of transactions once these have ended."""
        reader = Consumer(
            {"bootstrap.servers": self.servers, "group.id": uuid.uuid4().hex, "enable.auto.commit": False,
             # the last offset may be a transaction's end, which is no message
             "enable.partition.eof": True, "log_level": 0}
        )  # fmt: skip
        try:
            values: dict[str, bytes] = {}
            for partition in reader.list_topics(topic, timeout=30).topics[topic].partitions:
                reader.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
                while True:
                    message = reader.poll(_UP_WITHIN_SECONDS)
                    assert message is not None, f"nothing of {topic}/{partition} in {_UP_WITHIN_SECONDS} s"
                    if (error := message.error()) is not None:
                        assert error.code() == KafkaError._PARTITION_EOF, error
                        break
                    values[f"{topic}/{partition}/{message.offset()}"] = message.value()
            return values
        finally:
            reader.close()

    def _admin(self) -> AdminClient:
        # what it cannot reach goes to standard error by default
        return AdminClient({"bootstrap.servers": self.servers, "log_level": 0})

    def _java(self, main: str, *arguments: str, heap: str = "128m") -> subprocess.Popen[bytes]:
        with (self._folder / "printed.log").open("ab") as printed:
            return subprocess.Popen(
                [str(find_java_home() / "bin" / "java"), f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                 "-cp", self._class_path, main, *arguments],
                stdout=printed, stderr=printed, cwd=self._folder,
            )  # fmt: skip


_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"
_CONFIG = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{plain},SASL_SSL://127.0.0.1:{secure},SSL://127.0.0.1:{mutual},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/data
auto.create.topics.enable=false
message.max.bytes=6000000
replica.fetch.max.bytes=6000000
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/client/ca.pem
listener.name.ssl.ssl.client.auth=required
"""


def _escaped(password: str) -> str:
    """As it stands between a property's equals sign and a login module's quotes."""
    quoted = '"' + password.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return quoted.replace("\\", "\\\\")


def _write_certificates(client_folder: Path, broker_file: Path) -> None:
    """A certificate authority of the test's own, and by it the broker's certificate and key, and a client's."""
    authority_key, broker_key, client_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    names = [
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("logster tests", "broker", "client")
    ]
    now = datetime.now(UTC)

    def certificate(name: x509.Name, key: Any, *extensions: x509.ExtensionType) -> x509.Certificate:
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(names[0]).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(authority_key, hashes.SHA256())

    authority = certificate(names[0], authority_key, x509.BasicConstraints(ca=True, path_length=0))
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    broker = certificate(names[1], broker_key, address)
    pem, plain = serialization.Encoding.PEM, (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (client_folder / "ca.pem").write_bytes(authority.public_bytes(pem))
    (client_folder / "endpoint.pem").write_bytes(certificate(names[2], client_key).public_bytes(pem))
    (client_folder / "endpoint.key").write_bytes(client_key.private_bytes(pem, *plain))
    broker_file.write_bytes(
        broker_key.private_bytes(pem, *plain) + broker.public_bytes(pem) + authority.public_bytes(pem)
    )


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
