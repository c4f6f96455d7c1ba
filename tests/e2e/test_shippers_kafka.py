"""rsyslogd and syslog-ng with the shipped `kafka.conf`, over mutual TLS to a real broker, and `logster run` behind it.

Shipper, broker and pipeline are each killed with -9 and started again while auditd's log grows: what is written there
becomes the same events as the same lines read from a file, once, and every record is in the ledger.
"""

import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from pipelines.settings import Settings
from tests.kafka_broker import KafkaBroker
from tests.logster_process import LOGSTER, environment, running, wait_for_batch
from tests.pipelines.tables import rows
from tests.syslog_daemons import (
    MESSAGES,
    OWN,
    Daemon,
    audit_lines,
    daemon_named,
    placed,
    send_messages,
    socket_input,
    wait_for,
)

pytestmark = pytest.mark.e2e

# what other events tell of its process: of two starts of a pid in one millisecond the event's id decides, and it has the
# tenant in it
OF_OTHERS = {"command_line", "parent_command_line", "parent_name", "parent_path"}


@pytest.fixture(params=["rsyslogd", "syslog-ng"])
def daemon(request: pytest.FixtureRequest) -> Daemon:
    return daemon_named(request.param)


def shipper_config(daemon: Daemon, kafka: KafkaBroker, topic: str, log: Path, local: Path) -> Path:
    changes = {
        "kafka.example:9093": kafka.mutual_servers, "logster-telemetry": topic, "/var/log/audit/audit.log": str(log),
        "/etc/logster/tls": str(kafka.client_folder),
    }  # fmt: skip
    if daemon.name == "syslog-ng":
        return placed(daemon, "kafka", log.parent, changes | {"/dev/log": str(local)})
    return placed(
        daemon, "kafka", log.parent, changes | {"/var/spool/rsyslog": str(log.parent)}, before=socket_input(local)
    )


def test_the_audit_log_becomes_its_events_through_kills_of_all_three(
    daemon: Daemon, kafka: KafkaBroker, tmp_path: Path
) -> None:
    folder, lines, output = tmp_path / "daemon", audit_lines(), tmp_path / "printed.log"
    folder.mkdir()
    log, local, topic = folder / "audit.log", folder / "log.socket", kafka.create_topic(2)
    log.touch()
    config = shipper_config(daemon, kafka, topic, log, local)
    settings = Settings(lake=str(tmp_path / "lake"), _env_file=None)
    told = environment(settings, LOGSTER_KAFKA_SERVERS=kafka.servers, LOGSTER_KAFKA_TOPICS=topic)

    def add(more: list[str]) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in more)

    def n_carried(marks: list[str]) -> int:
        held = b"\n".join(kafka.read(topic).values())
        return sum(mark.encode() in held for mark in marks)

    # a record's stamp and type; the rest of it is escaped in JSON
    marks = [line.split("type=", 1)[1].split("): ")[0] for line in lines]
    with running(told, output) as pipeline:
        with daemon.running(config, folder=folder / "run") as shipper:
            wait_for(lambda: int(local.exists()), 1, "local sockets")
            add(lines[:300])
            batch = wait_for_batch(settings, pipeline, -1, output)
            shipper.send_signal(signal.SIGKILL)
        local.unlink(missing_ok=True)
        add(lines[300:500])
        kafka.kill()
        with daemon.running(config, folder=folder / "run"):
            add(lines[500:700])
            time.sleep(2)  # so that it finds no broker
            kafka.start()
            wait_for_batch(settings, pipeline, batch, output)
            pipeline.send_signal(signal.SIGKILL)
            add(lines[700:])
            wait_for(lambda: n_carried(marks), len(marks), "audit records in the topic")
            wait_for(lambda: int(local.exists()), 1, "local sockets")
            send_messages(local)
            said = [message.split(": ", 1)[1].strip().rsplit("/", 1)[-1] for message in MESSAGES]
            wait_for(lambda: n_carried(said), len(said), "messages in the topic")

    straight = Path(settings.landing_path) / "tenant=straight" / "format=auto"
    straight.mkdir(parents=True)
    (straight / "audit.log").write_text("".join(f"{line}\n" for line in lines))
    ended = subprocess.run([str(LOGSTER), "run", "--once"], env=told, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-4_000:]  # it checks the ledger, too

    assert not rows(settings, "quarantine")
    raw, events = rows(settings, "raw"), rows(settings, "events")
    assert sorted(row["origin"] for row in raw if row["tenant"] == "default") == sorted(kafka.read(topic))
    assert {one for event in events for one in event["record_ids"]} == {row["record_id"] for row in raw}
    audit = {tenant: Counter[str]() for tenant in ("default", "straight")}
    for event in events:
        if event["source"] == "auditd":
            own = {"command_line"} if event["action"] == "process_created" else set()
            left_out = OWN | OF_OTHERS - own
            audit[event["tenant"]][repr({name: value for name, value in event.items() if name not in left_out})] += 1
    assert audit["default"] == audit["straight"]
    by_message = {
        dict(event["fields"])["message"]: (event["action"], event["user"])
        for event in events
        if event["source"] == "syslog"
    }
    assert by_message == {message.split(": ", 1)[1].strip(): found for message, found in MESSAGES.items()}
