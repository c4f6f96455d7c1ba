"""The driver with a real broker: what is in the topics arrives once and is accounted for, and what goes wrong is one line."""

import json
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from pipelines.errors import CheckpointError, SourceError
from pipelines.lake import Lake
from pipelines.ledger import read_ledger
from pipelines.settings import Settings
from pipelines.sources.ingest import ingest_file
from pipelines.sources.kafka_client import ask_brokers
from tests.kafka_broker import PASSWORD, SCRAM_PASSWORD, USER, KafkaBroker, Sent
from tests.pipelines.reading import origins, read_all, running, wait_for
from tests.pipelines.tables import comparable, rows
from tests.pipelines.telemetry import audit_lines, windows_lines

pytestmark = pytest.mark.slow

LakeOf = Callable[..., Lake]


@pytest.fixture
def lake_of(spark: SparkSession, kafka: KafkaBroker, tmp_path: Path) -> LakeOf:
    """Makes a lake over topics of the test's broker."""

    def make(topics: str, name: str = "lake", **settings: Any) -> Lake:
        told = {"kafka_servers": kafka.servers, "kafka_topics": topics, "trigger": "PT1S", **settings}
        return Lake(spark, Settings(lake=str(tmp_path / name), _env_file=None, **told))

    return make


def test_files_and_topics_give_equal_events_and_each_record_is_accounted_for(kafka, lake_of, tmp_path):
    lines = windows_lines()[:200] + audit_lines()[:100]
    file = tmp_path / "some.log"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    poison = [None, b"", b"\xff\xfe", b"a\0b", b"x" * 5_000_000, b'{"a":1}\n{"b":2}', b"no format", b"no format"]
    topics = [kafka.create_topic(3), kafka.create_topic(1)]
    sent = [(topics[at % 2], Sent(line.encode(), headers={"tenant": b"acme"})) for at, line in enumerate(lines)]
    # the poison lies between good records, on the one partition of the second topic
    sent[100:100] = [(topics[1], Sent(value, headers={"tenant": b"acme"})) for value in poison]
    expected = sorted(
        origin for topic in topics for origin in kafka.send(topic, [one for where, one in sent if where == topic])
    )
    by_kafka = lake_of(",".join(topics), "kafka", kafka_tenant_from="header")
    by_file = lake_of(topics[0], "file", kafka_servers=None)
    ingest_file(file, by_file.settings, tenant="acme")
    for lake in (by_kafka, by_file):
        read_all(lake)

    assert origins(by_kafka) == expected
    assert Counter(row["tenant"] for row in rows(by_kafka.settings, "raw")) == {"acme": len(expected)}
    assert comparable(rows(by_kafka.settings, "events")) == comparable(rows(by_file.settings, "events"))
    assert rows(by_file.settings, "events")
    reasons = Counter(row["reason"].split(" (")[0] for row in rows(by_kafka.settings, "quarantine"))
    assert reasons == {
        "value is null": 1, "value is empty": 1, "value is not valid UTF-8": 1, "value holds NUL bytes": 1,
        "value of 5000000 bytes is longer than 4194304": 1, "value holds several records": 1,
        "no format recognises the record": 2,
    }  # fmt: skip
    ledger = read_ledger(by_kafka)
    assert ledger.balances
    assert (ledger.n_raw, ledger.n_in_quarantine) == (len(expected), len(poison))


def test_both_sources_side_by_side_go_on_where_they_were_and_a_lost_checkpoint_is_refused(kafka, lake_of, tmp_path):
    topic = kafka.create_topic(2)
    lake = lake_of(topic)
    expected = []
    for part in range(2):
        file = tmp_path / f"{part}.log"
        file.write_text(f"of a file {part}\n")
        landed = ingest_file(file, lake.settings)
        expected.append(f"{landed.target.relative_to(lake.settings.landing_path)}#0")
        expected += kafka.send(topic, [Sent(f"of a topic {part} {at}".encode()) for at in range(3)])
        read_all(lake)
        assert origins(lake) == sorted(expected)
    ids = {row["batch_id"].split("/")[0] for row in rows(lake.settings, "raw")}
    assert sorted(each.split("-")[0] for each in ids) == ["files", "kafka"]

    # a start in which nothing is new, with a note of the time before there was Kafka
    root = Path(lake.settings.checkpoint_path)
    note = json.loads((root / "logster.json").read_text())
    elsewhere = {"kafka": {**note["sources"]["kafka"], "belongs_to": "another-cluster"}}
    (root / "logster.json").write_text(json.dumps({**note, "sources": elsewhere}))
    with pytest.raises(CheckpointError, match="another-cluster"):
        read_all(lake)
    (root / "logster.json").write_text(json.dumps({name: note[name] for name in note if name != "sources"}))
    with pytest.raises(CheckpointError, match="kafka is not of"):
        read_all(lake)
    (root / "logster.json").write_text(json.dumps(note))
    (root / "kafka").rename(tmp_path / "moved")
    with pytest.raises(CheckpointError, match="kafka is lost"):
        read_all(lake)
    assert origins(lake) == sorted(expected)
    read_all(lake, new_checkpoint=True)
    assert origins(lake) == sorted(expected * 2)


def test_records_that_are_gone_stop_the_stream_until_it_is_told_to_go_on(kafka, lake_of):
    topic = kafka.create_topic(1)
    kept = kafka.send(topic, [Sent(b"one"), Sent(b"two")])
    lake = lake_of(topic)
    read_all(lake)
    kept += kafka.send(topic, [Sent(b"three"), Sent(b"four")])[1:]
    kafka.drop_records(topic, 0, before=3)
    with pytest.raises(SourceError, match="LOGSTER_KAFKA_ON_DATA_LOSS=continue") as caught:
        read_all(lake)
    assert topic in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    read_all(lake_of(topic, kafka_on_data_loss="continue"))
    assert origins(lake) == sorted(kept)


def test_a_wrong_password_or_a_topic_that_is_not_there_is_one_line_and_the_right_ones_read(kafka, lake_of):
    topic = kafka.create_topic(1)
    expected = kafka.send(topic, [Sent(b"over TLS")])
    secure = {
        "kafka_servers": kafka.secure_servers, "kafka_security_protocol": "SASL_SSL", "kafka_user": USER,
        "kafka_ca_file": str(kafka.ca_file),
    }  # fmt: skip
    with pytest.raises(SourceError, match="refuses us: Authentication failed"):
        read_all(lake_of(topic, kafka_password="wrong", **secure))
    with pytest.raises(SourceError, match=f"no topic {topic}x"):
        read_all(lake_of(f"{topic},{topic}x", kafka_password=PASSWORD, **secure))
    lake = lake_of(f"/{topic[:-1]}./", kafka_password=PASSWORD, **secure)
    read_all(lake)
    assert origins(lake) == expected
    checkpoint = Path(lake.settings.checkpoint_path)
    written = [file for file in checkpoint.rglob("*") if file.is_file()]
    assert written
    assert not [file for file in written if b'p\\"ass' in file.read_bytes() or PASSWORD.encode() in file.read_bytes()]


def test_by_scram_a_wrong_password_is_one_line_and_the_right_one_reads(kafka, lake_of):
    topic = kafka.create_topic(1)
    expected = kafka.send(topic, [Sent(b"by SCRAM")])
    secure = {
        "kafka_servers": kafka.secure_servers, "kafka_security_protocol": "SASL_SSL", "kafka_sasl_mechanism": "SCRAM-SHA-512",
        "kafka_user": USER, "kafka_ca_file": str(kafka.ca_file),
    }  # fmt: skip
    # what is right by PLAIN is not by SCRAM
    with pytest.raises(SourceError, match=r"refuses us: Authentication failed.*; check LOGSTER_KAFKA_USER") as refused:
        read_all(lake_of(topic, kafka_password=PASSWORD, **secure))
    assert "\n" not in str(refused.value)
    lake = lake_of(topic, kafka_password=SCRAM_PASSWORD, **secure)
    read_all(lake)
    assert origins(lake) == expected


def test_by_mutual_tls_it_reads_with_its_certificate_and_without_is_refused_in_one_line(kafka, lake_of, tmp_path):
    topic = kafka.create_topic(1)
    expected = kafka.send(topic, [Sent(b"over mutual TLS")])
    mutual = {
        "kafka_servers": kafka.mutual_servers, "kafka_security_protocol": "SSL", "kafka_ca_file": str(kafka.ca_file),
    }  # fmt: skip
    with pytest.raises(SourceError, match=r"refuses us: .*; check LOGSTER_KAFKA_CLIENT_CERTIFICATE_FILE") as refused:
        read_all(lake_of(topic, **mutual))
    assert "\n" not in str(refused.value)
    certificate, key = kafka.client_folder / "endpoint.pem", kafka.client_folder / "endpoint.key"
    both = tmp_path / "logster.pem"
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    lake = lake_of(topic, kafka_client_certificate_file=str(both), **mutual)
    read_all(lake)
    assert origins(lake) == expected


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl, to lock a key")
@pytest.mark.parametrize(
    ("way", "password", "told"),
    [
        (["-v1", "PBE-SHA1-3DES"], "key word", None),
        (["-v1", "PBE-SHA1-3DES"], "wrong", "LOGSTER_KAFKA_CLIENT_KEY_PASSWORD"),
        (["-v2", "aes-256-cbc"], "key word", "openssl pkcs8 -topk8 -v1 PBE-SHA1-3DES"),
    ],
    ids=["right password", "wrong password", "a lock that Kafka's client cannot open"],
)
def test_a_locked_key_is_opened_or_refused_in_one_line(spark, kafka, tmp_path, way, password, told):
    certificate, key = kafka.client_folder / "endpoint.pem", kafka.client_folder / "endpoint.key"
    locked = subprocess.run(
        ["openssl", "pkcs8", "-topk8", *way, "-in", str(key), "-passout", "pass:key word"], check=True, capture_output=True
    ).stdout  # fmt: skip
    both = tmp_path / "logster.pem"
    both.write_bytes(locked + certificate.read_bytes())
    topic = kafka.create_topic(1)
    settings = Settings(
        kafka_servers=kafka.mutual_servers, kafka_security_protocol="SSL", kafka_ca_file=str(kafka.ca_file),
        kafka_client_certificate_file=str(both), kafka_client_key_password=password, kafka_topics=topic, _env_file=None,
    )  # fmt: skip
    if told is None:
        assert ask_brokers(spark._jvm, settings).topics == (topic,)
        return
    with pytest.raises(SourceError, match="LOGSTER_KAFKA_CLIENT_CERTIFICATE_FILE") as refused:
        ask_brokers(spark._jvm, settings)
    assert told in str(refused.value) and "\n" not in str(refused.value)


def test_a_broker_that_dies_and_comes_back_is_waited_for_while_files_go_on(kafka, lake_of, tmp_path):
    topic = kafka.create_topic(1)
    lake = lake_of(topic, kafka_properties='{"request.timeout.ms": 1000, "default.api.timeout.ms": 2000}')
    expected = kafka.send(topic, [Sent(b"before")])
    with running(lake) as (driver, failed):
        wait_for(lambda: failed or driver.progress.n_records == 1)
        kafka.kill()
        file = tmp_path / "meanwhile.log"
        file.write_text("of a file\n")
        landed = ingest_file(file, lake.settings)
        expected.append(f"{landed.target.relative_to(lake.settings.landing_path)}#0")
        wait_for(lambda: failed or driver.progress.n_records == 2)
        time.sleep(15)  # so that the query fails, and another after it
        kafka.start()
        expected += kafka.send(topic, [Sent(b"after")])
        wait_for(lambda: failed or driver.progress.n_records == 3)
    assert origins(lake) == sorted(expected)
