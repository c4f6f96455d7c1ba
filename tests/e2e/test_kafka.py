"""`logster run` and its broker, both killed with -9 again and again while records come: each is there once, to the row."""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.lake_reader import delta_table
from pipelines.settings import Settings
from tests.kafka_broker import PASSWORD, USER, KafkaBroker, Sent
from tests.logster_process import LOGSTER, environment, running, wait_for_batch

N_RECORDS = int(os.environ.get("LOGSTER_TEST_KAFKA_RECORDS", "3000"))
KILLS = int(os.environ.get("LOGSTER_TEST_KAFKA_KILLS", "1"))
SEED = int(os.environ.get("LOGSTER_TEST_SEED", "3"))
N_PARTITIONS = 3
START = 1_772_445_600  # seconds since 1970
pytestmark = pytest.mark.e2e


def of_kafka(settings: Settings, kafka: KafkaBroker, **variables: str) -> dict[str, str]:
    # so many batches that most of a life is spent writing
    at_once = str(min(20_000, N_RECORDS // (KILLS + 2)))
    told = {"LOGSTER_KAFKA_SERVERS": kafka.servers, "LOGSTER_KAFKA_MAX_RECORDS_PER_TRIGGER": at_once}
    return environment(settings, **told | variables)


def records(first: int, last: int) -> Iterator[Sent]:
    """A quarter of them events, of five endpoints in turn, 60 ms apart; the rest is of no format. No two are equal."""
    for number in range(first, last):
        if number % 4:
            value = f"record {number} that no format takes"
        else:
            millis = number * 15
            value = (
                f"node=web-{number % 5} type=SYSCALL msg=audit({START + millis // 1000}.{millis % 1000:03d}:{number}): "
                f"arch=c000003e syscall=59 success=yes exit=0 items=0 ppid=1 pid={number} auid=1000 uid=0 ses=4 "
                'comm="id" exe="/usr/bin/id" key="exec"'
            )
        yield Sent(value.encode(), partition=number % N_PARTITIONS)


def test_killed_with_its_broker_it_has_each_record_once(kafka: KafkaBroker, tmp_path: Path) -> None:
    settings = Settings(lake=str(tmp_path / "lake"), _env_file=None)
    topic, output = kafka.create_topic(N_PARTITIONS), tmp_path / "printed.log"
    told = of_kafka(settings, kafka, LOGSTER_KAFKA_TOPICS=topic)
    rng, newest, sent = random.Random(SEED), -1, 0
    expected: list[str] = []
    for life in range(KILLS):
        upto = N_RECORDS * (life + 1) // KILLS
        half = (sent + upto) // 2
        expected += kafka.send(topic, records(sent, half))
        with running(told, output) as process:
            newest = wait_for_batch(settings, process, newest, output)
            time.sleep(rng.uniform(0, 5))
            kafka.kill()
            time.sleep(rng.uniform(0, 5))
            kafka.start()
            expected += kafka.send(topic, records(half, upto))
            newest = wait_for_batch(settings, process, newest, output)
            time.sleep(rng.uniform(0, 10))
            assert process.poll() is None, output.read_text()[-4_000:]
            process.send_signal(signal.SIGKILL)
        sent = upto
    ended = subprocess.run([str(LOGSTER), "run", "--once"], env=told, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-4_000:]  # it checks the ledger, too

    assert len(expected) == N_RECORDS
    found = columns(settings, "raw", "origin", "record_id", "record")
    assert sorted(found["origin"]) == sorted(expected)
    assert len(set(found["record"])) == N_RECORDS
    quarantined = Counter(columns(settings, "quarantine", "record_id")["record_id"])
    in_events = Counter(
        one for ids in columns(settings, "events", "record_ids")["record_ids"] for one in ids
    )  # fmt: skip
    n_events = sum(1 for number in range(N_RECORDS) if number % 4 == 0)
    assert (len(in_events), len(quarantined)) == (n_events, N_RECORDS - n_events)
    assert quarantined + in_events == Counter(found["record_id"])


def columns(settings: Settings, name: str, *wanted: str) -> dict[str, list[str]]:
    table = delta_table(settings, name)
    assert table is not None, name
    found: dict[str, list[str]] = table.to_pyarrow_table(columns=list(wanted)).to_pydict()
    return found


@pytest.mark.parametrize("why", ["password", "absent"])
def test_a_broker_that_refuses_or_is_absent_is_one_clear_line(kafka: KafkaBroker, tmp_path: Path, why: str) -> None:
    settings = Settings(lake=str(tmp_path / "lake"), _env_file=None)
    variables, line = {
        "password": (
            {"LOGSTER_KAFKA_SERVERS": kafka.secure_servers, "LOGSTER_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
             "LOGSTER_KAFKA_USER": USER, "LOGSTER_KAFKA_PASSWORD": f"{PASSWORD}-wrong",
             "LOGSTER_KAFKA_CA_FILE": str(kafka.ca_file)},
            "refuses us",
        ),
        "absent": ({"LOGSTER_KAFKA_SERVERS": "127.0.0.1:1"}, "does not answer"),
    }[why]  # fmt: skip
    told = of_kafka(settings, kafka, LOGSTER_KAFKA_TOPICS="logs", **variables)
    ended = subprocess.run(
        [str(LOGSTER), "run", "--once"], env=told, capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 1
    lines = [each for each in ended.stderr.splitlines() if each.strip()]
    assert len(lines) == 1, ended.stderr
    assert lines[0].startswith("logster: Kafka at ")
    assert line in lines[0]
    assert PASSWORD not in ended.stderr + ended.stdout
