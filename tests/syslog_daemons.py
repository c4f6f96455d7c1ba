"""The real rsyslogd and syslog-ng, on this machine or unpacked, with configurations that are shipped."""

import gzip
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.pipelines.telemetry import DEMO_DATA

SHIPPERS = Path(__file__).resolve().parents[1] / "deploy" / "shippers"
PATIENCE = 60  # seconds
# of an event: what depends on when and by whom it was carried
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


def daemon_named(name: str) -> Daemon:
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


def placed(daemon: Daemon, role: str, folder: Path, changes: dict[str, str], before: str = "") -> Path:
    """A shipped configuration with other places and ports; each must be in it."""
    text = (SHIPPERS / ("rsyslog" if daemon.name == "rsyslogd" else "syslog-ng") / f"{role}.conf").read_text()
    for shipped, other in changes.items():
        assert shipped in text, f"{shipped} is not in {role}.conf of {daemon.name}"
        text = text.replace(shipped, other)
    file = folder / f"{role}.conf"
    file.write_text(before + text, encoding="utf-8")
    return file


def socket_input(local: Path) -> str:
    """rsyslog's input from a local socket, which is of the distribution's own configuration."""
    return f'module(load="imuxsock" SysSock.Use="off")\ninput(type="imuxsock" Socket="{local}")\n'


def audit_lines() -> list[str]:
    with gzip.open(DEMO_DATA / "host33-cron-connect-back.audit.log.gz", "rt", encoding="utf-8") as file:
        return file.read().split("\n")[4_000:4_900]  # splitlines() would cut at auditd's 0x1d


def wait_for(count: Callable[[], int], wanted: int, what: str) -> None:
    until = time.monotonic() + PATIENCE
    while (there := count()) < wanted:
        assert time.monotonic() < until, f"{there} of {wanted} {what} after {PATIENCE} s"
        time.sleep(0.1)


def send_messages(socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.connect(str(socket_path))
        for message in MESSAGES:
            out.send(f"<86>{time.strftime('%b %e %H:%M:%S')} {message}".encode())
