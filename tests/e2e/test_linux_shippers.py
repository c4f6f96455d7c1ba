"""The real rsyslogd and syslog-ng with the shipped configurations: what they carry is what was read where it was written.

On each: a daemon as on an endpoint reads auditd's log and the local socket and sends them over TLS to a daemon as the
collector, which also takes raw lines as Splunk's forwarder sends them; one of the two is killed and started again midway.
"""

import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
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
from tests.pipelines.telemetry import DEMO_DATA

pytestmark = pytest.mark.e2e

SHIPPERS = Path(__file__).resolve().parents[2] / "deploy" / "shippers"
PATIENCE = 60  # seconds
OWN = {"event_id", "tenant", "ingested_at", "record_id", "record_ids"}
MESSAGES = {
    "sshd[4312]: Accepted publickey for mia from 10.1.1.9 port 50123 ssh2: ED25519 SHA256:abc": ("logon", "mia"),
    "sshd[4313]: Failed password for invalid user or acle from 203.0.113.7 port 40022 ssh2": (
        "logon_failed",
        "or acle",
    ),
    "sudo:      mia : TTY=pts/0 ; PWD=/home/mia ; USER=root ; COMMAND=/usr/bin/id -u": ("user_command", "mia"),
    "CRON[79]: (root) CMD (test -x /usr/sbin/anacron || { cd / && run-parts /etc/cron.daily; })": (
        "job_started",
        "root",
    ),
    "app[80]: none of the known": ("message_logged", None),
}
RAW_SECURE = "Mar  5 08:15:30 web-01 su[78]: (to root) mia on pts/0"


@dataclass
class Daemon:
    """One of the two programs: how it is started, checked, and what it needs besides its configuration."""

    name: str
    program: Path
    libraries: Path | None
    options: Callable[[Path], list[str]]
    check: list[str]
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        there: list[Path] = []
        if self.libraries is not None:
            system = self.libraries.parent.parent / "lib" / "x86_64-linux-gnu"
            there = [self.libraries / "x86_64-linux-gnu", system, self.libraries / "syslog-ng"]
        self.environment = os.environ | {"LD_LIBRARY_PATH": ":".join(map(str, there))} if there else dict(os.environ)

    def checked(self, config: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.program), *self.check, "-f", str(config)],
            capture_output=True, text=True, timeout=60, check=False, env=self.environment, cwd=config.parent,
        )  # fmt: skip

    @contextmanager
    def running(self, config: Path, *, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
        folder.mkdir(exist_ok=True)
        with (folder / "printed").open("ab") as printed, subprocess.Popen(
            [str(self.program), *self.options(folder), "-f", str(config)],
            stdout=printed, stderr=printed, env=self.environment, cwd=folder,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()


def _daemon(name: str) -> Daemon:
    """The program on this machine, or as unpacked below LOGSTER_TEST_SYSLOG."""
    unpacked = os.environ.get("LOGSTER_TEST_SYSLOG")
    program = shutil.which(name) or (f"{unpacked}/usr/sbin/{name}" if unpacked else None)
    if program is None or not Path(program).is_file():
        pytest.skip(
            f"needs {name}: install it, or unpack its Debian packages and set LOGSTER_TEST_SYSLOG to the folder"
        )
    libraries = Path(unpacked) / "usr/lib" if unpacked and program.startswith(unpacked) else None
    if name == "rsyslogd":
        modules = ["-M", str(libraries / "x86_64-linux-gnu/rsyslog")] if libraries else []
        return Daemon(
            name,
            Path(program),
            libraries,
            lambda folder: ["-n", *modules, "-i", str(folder / "pid")],
            ["-N1", *modules],
        )
    found = sorted((libraries or Path("/usr/lib")).glob("**/syslog-ng/*/libaffile.so"))
    modules = ["--no-caps", "--module-path", str(found[-1].parent)]

    def options(folder: Path) -> list[str]:
        places = ["--persist-file", folder / "persist", "--pidfile", folder / "pid", "--control", folder / "control"]
        return ["-F", *modules, *map(str, places)]

    return Daemon(name, Path(program), libraries, options, [*modules, "--syntax-only"])


@pytest.fixture(scope="module", params=["rsyslogd", "syslog-ng"])
def daemon(request: pytest.FixtureRequest) -> Daemon:
    return _daemon(request.param)


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


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _placed(daemon: Daemon, role: str, folder: Path, changes: dict[str, str], before: str = "") -> Path:
    """A shipped configuration with other places and ports; each must be in it."""
    text = (SHIPPERS / ("rsyslog" if daemon.name == "rsyslogd" else "syslog-ng") / f"{role}.conf").read_text()
    for shipped, other in changes.items():
        assert shipped in text, f"{shipped} is not in {role}.conf of {daemon.name}"
        text = text.replace(shipped, other)
    file = folder / f"{role}.conf"
    file.write_text(before + text, encoding="utf-8")
    return file


@pytest.mark.parametrize("role", ["collector", "endpoint", "kafka"])
def test_shipped_configuration_passes_the_daemons_own_check(
    daemon: Daemon, certificates: Path, tmp_path: Path, role: str
) -> None:
    changes = {"/etc/logster/tls": str(certificates)}
    if daemon.name == "rsyslogd":
        changes["/var/spool/rsyslog"] = str(tmp_path)
    config = _placed(daemon, role, tmp_path, changes)
    done = daemon.checked(config)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr.lower()
    config.write_text(config.read_text().replace("queue", "quue").replace("destination", "destinatoin"))
    assert daemon.checked(config).returncode != 0


def _audit_lines() -> list[str]:
    with gzip.open(DEMO_DATA / "host33-cron-connect-back.audit.log.gz", "rt", encoding="utf-8") as file:
        return file.read().split("\n")[4_000:4_900]  # splitlines() would cut at auditd's 0x1d


def _lines_in(folder: Path, mark: str) -> int:
    return sum(file.read_bytes().count(b"\n") for file in folder.rglob(f".{mark}-*"))


def _wait_for(count: Callable[[], int], wanted: int, what: str) -> None:
    until = time.monotonic() + PATIENCE
    while (there := count()) < wanted:
        assert time.monotonic() < until, f"{there} of {wanted} {what} after {PATIENCE} s"
        time.sleep(0.1)


def _send_messages(socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.connect(str(socket_path))
        for message in MESSAGES:
            out.send(f"<86>{time.strftime('%b %e %H:%M:%S')} {message}".encode())


def _carried(daemon: Daemon, certificates: Path, folder: Path, landing: Path) -> None:
    """Let the daemons carry everything, one of them killed in the middle."""
    lines = _audit_lines()
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
        # the socket is of the distribution's own configuration
        before = f'module(load="imuxsock" SysSock.Use="off")\ninput(type="imuxsock" Socket="{local}")\n'
        mark = "rsyslog"
    else:
        changes |= {"port(6514)": f"port({port})", "port(5514)": f"port({raw_port})"}
        source |= {
            'syslog("collector.example" transport("tls") port(6514)': f'syslog("127.0.0.1" transport("tls") port({port})',
            "/dev/log": str(local), "/var/lib/syslog-ng": str(folder),
        }  # fmt: skip
        mark = "syslog-ng"
    collector = _placed(daemon, "collector", folder, changes | both)
    endpoint = _placed(daemon, "endpoint", folder, source | both, before)

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
        _wait_for(lambda: int(local.exists()), 1, "local sockets")
        add(shipped[:300])
        _wait_for(lambda: _lines_in(tenant, mark), 300, "lines")
        running[victim].send_signal(signal.SIGKILL)
        running[victim].wait()
        add(shipped[300:])
        if victim == "endpoint":
            local.unlink()  # what is left of it
        stack.enter_context(daemon.running(configs[victim], folder=folder / victim))
        _wait_for(has(shipped[-1].split("): ")[0]), 1, "last lines")
        _wait_for(lambda: int(local.exists()), 1, "local sockets")
        _send_messages(local)
        for text in MESSAGES:
            _wait_for(has(text.split(": ", 1)[1].strip()), 1, "messages")
        with socket.create_connection(("127.0.0.1", int(raw_port)), PATIENCE) as out:
            out.sendall("".join(f"{line}\n" for line in raw).encode())
        _wait_for(lambda: _lines_in(tenant, "splunk"), len(raw), "raw lines")


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
    (straight / "audit.log").write_text("".join(f"{line}\n" for line in [*_audit_lines(), RAW_SECURE]))
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
    assert n_records["straight"] == len(_audit_lines()) + 1
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
