"""The real rsyslogd and syslog-ng with the shipped configurations: what they carry is what was read where it was written.

On each: a daemon as on an endpoint reads auditd's log and the local socket and sends them over TLS to a daemon as the
collector, which also takes raw lines as Splunk's forwarder sends them; one of the two is killed and started again midway.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines.ingestion import raw_rows
from pipelines.lineage import settled
from pipelines.normalise.records import events_of, normalise_records, quarantine_of
from pipelines.settings import Settings
from pipelines.sources.files import lines_of_files, list_files
from tests.syslog_daemons import (
    MESSAGES,
    OWN,
    PATIENCE,
    SHIPPERS,
    Daemon,
    audit_lines,
    daemon_named,
    placed,
    send_messages,
    socket_input,
    wait_for,
)

pytestmark = pytest.mark.e2e

RAW_SECURE = "Mar  5 08:15:30 web-01 su[78]: (to root) mia on pts/0"


@pytest.fixture(scope="module", params=["rsyslogd", "syslog-ng"])
def daemon(request: pytest.FixtureRequest) -> Daemon:
    return daemon_named(request.param)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority of the test's own, and a certificate for either end."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl: install it")
    folder = tmp_path_factory.mktemp("tls")
    days = ["-days", "2", "-newkey", "rsa:2048", "-nodes"]

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)

    openssl("req", "-x509", *days, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test authority")
    for name in ("collector", "endpoint"):
        (folder / "names").write_text(f"subjectAltName=DNS:{name}.example,IP:127.0.0.1\n")
        openssl("req", *days[2:], "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}.example")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-extfile", "names", "-out", f"{name}.pem")  # fmt: skip
    return folder


@pytest.mark.parametrize("role", ["collector", "endpoint", "kafka"])
def test_shipped_configuration_passes_the_daemons_own_check(
    daemon: Daemon, certificates: Path, tmp_path: Path, role: str
) -> None:
    changes = {"/etc/logster/tls": str(certificates)}
    if daemon.name == "rsyslogd":
        changes["/var/spool/rsyslog"] = str(tmp_path)
    config = placed(daemon, role, tmp_path, changes)
    done = daemon.checked(config)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr.lower()
    config.write_text(config.read_text().replace("queue", "quue").replace("destination", "destinatoin"))
    assert daemon.checked(config).returncode != 0


def _lines_in(folder: Path, mark: str) -> int:
    return sum(file.read_bytes().count(b"\n") for file in folder.rglob(f".{mark}-*"))


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _carried(daemon: Daemon, certificates: Path, folder: Path, landing: Path) -> None:
    """Let the daemons carry everything, one of them killed in the middle."""
    lines = audit_lines()
    shipped, raw = lines[:600], [*lines[600:], RAW_SECURE]
    log, local, port, raw_port = folder / "audit.log", folder / "log.socket", str(_free_port()), str(_free_port())
    tenant, both = landing / f"tenant={daemon.name}", {"/etc/logster/tls": str(certificates)}
    tenant.mkdir(parents=True)
    log.touch()
    changes = {"/var/lib/logster/landing/tenant=default": str(tenant)}
    source, before = {"/var/log/audit/audit.log": str(log)}, ""
    if daemon.name == "rsyslogd":
        both["/var/spool/rsyslog"] = str(folder)
        changes |= {'port="6514"': f'port="{port}"', 'port="5514"': f'port="{raw_port}"'}
        source |= {'target="collector.example" port="6514"': f'target="127.0.0.1" port="{port}"'}
        before = socket_input(local)
        mark = "rsyslog"
    else:
        changes |= {"port(6514)": f"port({port})", "port(5514)": f"port({raw_port})"}
        source |= {
            'syslog("collector.example" transport("tls") port(6514)': f'syslog("127.0.0.1" transport("tls") port({port})',
            "/dev/log": str(local), "/var/lib/syslog-ng": str(folder),
        }  # fmt: skip
        mark = "syslog-ng"
    collector = placed(daemon, "collector", folder, changes | both)
    endpoint = placed(daemon, "endpoint", folder, source | both, before)

    def add(more: list[str]) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in more)

    def has(text: str) -> Callable[[], int]:
        wanted = text.encode()
        return lambda: sum(file.read_bytes().count(wanted) for file in tenant.rglob(".*.log"))

    configs = {"collector": collector, "endpoint": endpoint}
    # syslog-ng sends the first line after its collector's death into the dead connection (docs/shippers-linux.md)
    victim = "collector" if daemon.name == "rsyslogd" else "endpoint"
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(daemon.running(config, folder=folder / name)) for name, config in configs.items()
        }
        wait_for(lambda: int(local.exists()), 1, "local sockets")
        add(shipped[:300])
        wait_for(lambda: _lines_in(tenant, mark), 300, "lines")
        running[victim].send_signal(signal.SIGKILL)
        running[victim].wait()
        add(shipped[300:])
        if victim == "endpoint":
            local.unlink()  # what is left of it
        stack.enter_context(daemon.running(configs[victim], folder=folder / victim))
        wait_for(has(shipped[-1].split("): ")[0]), 1, "last lines")
        wait_for(lambda: int(local.exists()), 1, "local sockets")
        send_messages(local)
        for text in MESSAGES:
            wait_for(has(text.split(": ", 1)[1].strip()), 1, "messages")
        with socket.create_connection(("127.0.0.1", int(raw_port)), PATIENCE) as out:
            out.sendall("".join(f"{line}\n" for line in raw).encode())
        wait_for(lambda: _lines_in(tenant, "splunk"), len(raw), "raw lines")


def _land(landing: Path) -> None:
    for file in landing.rglob(".*.log"):
        os.utime(file, (time.time() - 600,) * 2)
    subprocess.run([str(SHIPPERS / "land.sh"), str(landing)], check=True, timeout=60)


def test_all_that_is_carried_becomes_the_events_that_it_is_where_it_was_written(
    daemon: Daemon, certificates: Path, tmp_path: Path, spark: SparkSession
) -> None:
    landing, folder = tmp_path / "landing", tmp_path / "daemons"
    folder.mkdir()
    _carried(daemon, certificates, folder, landing)
    straight = landing / "tenant=straight" / "format=auto"
    straight.mkdir(parents=True)
    (straight / "audit.log").write_text("".join(f"{line}\n" for line in [*audit_lines(), RAW_SECURE]))
    assert [file.name for file in landing.rglob("[!.]*.log")] == ["audit.log"]
    _land(landing)
    assert not list(landing.rglob(".*.log"))

    settings = Settings(lake=str(tmp_path / "lake"), landing=str(landing), _env_file=None)
    lines = lines_of_files(list_files(spark, settings), settings, n_tasks=1)
    raw = settled(raw_rows(lines, batch_id="test/0", received_at=datetime.now(UTC)))
    parsed = settled(normalise_records(raw))
    refused = [(row["record"], row["reason"]) for row in quarantine_of(parsed).select("record", "reason").collect()]
    assert not refused
    n_records = {
        row["tenant"]: row["n"] for row in raw.groupBy("tenant").agg(F.countDistinct("record_id").alias("n")).collect()
    }
    assert n_records["straight"] == len(audit_lines()) + 1
    # what is sent once more after a kill has another time of sending around it
    assert n_records[daemon.name] >= n_records["straight"] + len(MESSAGES)

    events: dict[str, Counter[str]] = {"straight": Counter(), daemon.name: Counter()}
    said: dict[str, tuple[str, Any]] = {}
    n_in_events: Counter[str] = Counter()
    for row in events_of(parsed).select("tenant", F.to_json(F.struct("*")).alias("event")).collect():
        event = json.loads(row["event"])
        n_in_events[row["tenant"]] += len(event["record_ids"])
        if event["source"] == "syslog" and event["endpoint"] != "web-01":
            assert event["endpoint"] == socket.gethostname().lower()
            said[event["fields"]["message"]] = (event["action"], event.get("user"))
            continue
        told = {name: value for name, value in event.items() if name not in OWN}
        events[row["tenant"]][json.dumps(told, sort_keys=True)] += 1
    assert n_in_events == n_records
    assert events[daemon.name] == events["straight"]
    assert said == {message.split(": ", 1)[1].strip(): told for message, told in MESSAGES.items()}
