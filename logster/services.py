"""What `logster up` runs beside the pipeline: the API, Dagster's code server, pages and daemon, MLflow's pages, Superset.

Here is how each is started and how it answers; processes as such are in ``logster.children``.
"""

import errno
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from pydantic import SecretStr

from logster.children import Children
from pipelines.errors import LogsterError
from pipelines.settings import Settings, variable_of

__all__ = [
    "SUPERSET", "Service", "api_service", "check_ports", "dagster_services", "environment_of",
    "log_folder", "mlflow_service", "port_problems", "superset_service",
]  # fmt: skip

SUPERSET = Path(__file__).resolve().parent.parent / "superset" / "superset.sh"
"""The script that makes Superset's environment and runs what is in it."""

_LOCAL = "127.0.0.1"
# the stream comes first: on a busy machine the pages may be slow to appear
_STAND_BACK = 10
_PAUSE_SECONDS = 0.3


@dataclass(frozen=True)
class Service:
    """One process and how to reach it.

    Attributes:
        name: of the process and its log.
        command: program and arguments.
        environment: variables beside those of this process.
        niceness: how far it stands back behind the pipeline.
        answers_at: address that gives a status below 400 once it is up, or path of a socket; None where nothing tells.
    """

    name: str
    command: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    niceness: int = 0
    answers_at: str | Path | None = None

    def bring_up(self, children: Children, stop: threading.Event) -> bool:
        """Start the process and wait until it answers; False where it ended, or was told to stop, before it did."""
        child = children.start(self.name, self.command, environment=self.environment, niceness=self.niceness)
        while not self.answers:
            if child.has_ended or stop.wait(_PAUSE_SECONDS):
                return False
        return True

    @property
    def answers(self) -> bool:
        """Say whether it is up."""
        if self.answers_at is None:
            return True
        if isinstance(self.answers_at, Path):
            return self.answers_at.exists()
        try:
            return httpx.get(self.answers_at, timeout=2.0, trust_env=False).status_code < 400
        except httpx.HTTPError:
            return False


def log_folder(settings: Settings) -> Path:
    """Folder of what the processes print: beside the lake."""
    parent = Path.cwd() if "://" in settings.lake else Path(settings.lake).resolve().parent
    return parent / "logs"


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings as variables, so that a child has the same ones, whatever they were made from."""
    values = settings.model_dump(mode="json", exclude_none=True)
    # dumped, a secret is a row of stars
    secrets = {name: value.get_secret_value() for name, value in settings if isinstance(value, SecretStr)}
    return {variable_of(name): str(value) for name, value in {**values, **secrets}.items()}


def api_service(settings: Settings) -> Service:
    """The HTTP API."""
    return Service(
        "api",
        [sys.executable, "-m", "logster.serve"],
        environment_of(settings),
        answers_at=f"{settings.local_api_address}/health",
    )


def dagster_services(settings: Settings, home: Path, socket_folder: Path) -> tuple[Service, Service, Service]:
    """Code server, pages and daemon; the code server must answer before the other two are started.

    Args:
        settings: for the definitions.
        home: Dagster's home, its databases made.
        socket_folder: where the code server's socket is put; a short path.
    """
    environment = {**environment_of(settings), "DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "yes"}
    # one process loads the definitions for both; each would start its own otherwise
    code = socket_folder / "code.sock"
    python = [sys.executable, "-m"]
    return (
        Service(
            "dagster-code", [*python, "dagster", "api", "grpc", "-m", "assets.definitions", "-s", str(code)],
            environment, _STAND_BACK, code,
        ),
        Service(
            "dagster",
            [*python, "dagster_webserver", "-h", _LOCAL, "-p", str(settings.dagster_port), "--grpc-socket", str(code)],
            environment, _STAND_BACK, f"http://{_LOCAL}:{settings.dagster_port}/server_info",
        ),
        Service(
            "dagster-daemon", [*python, "dagster._daemon", "run", "--grpc-socket", str(code)], environment, _STAND_BACK
        ),
    )  # fmt: skip


def mlflow_service(settings: Settings) -> Service | None:
    """MLflow's pages over the registry's database; None where the registry is a server, which has its own."""
    uri = settings.tracking_uri
    if not uri.startswith("sqlite:///"):
        return None
    artefacts = Path(uri.removeprefix("sqlite:///")).resolve().parent / "mlartifacts"
    command = [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--artifacts-destination", artefacts.as_uri(),
        "--host", _LOCAL, "--port", str(settings.mlflow_port), "--workers", "1",
    ]  # fmt: skip
    environment = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true",
    }  # fmt: skip
    return Service("mlflow", command, environment, _STAND_BACK, f"http://{_LOCAL}:{settings.mlflow_port}/health")


def superset_service(settings: Settings) -> Service:
    """Superset with the dashboards, in an environment of its own, which it makes first where it is not there."""
    return Service(
        "superset",
        [str(SUPERSET), "serve"],
        environment_of(settings),
        _STAND_BACK,
        f"http://{_LOCAL}:{settings.superset_port}/health",
    )


def port_problems(settings: Settings) -> list[str]:
    """Ports that cannot be had, each with the setting that changes it."""
    wanted = [
        ("api_port", "the API", settings.api_host),
        ("dagster_port", "Dagster", _LOCAL),
        ("superset_port", "Superset", _LOCAL),
    ]
    if mlflow_service(settings):
        wanted.append(("mlflow_port", "MLflow", _LOCAL))
    problems, taken = [], set[int]()
    for name, owner, host in wanted:
        port: int = getattr(settings, name)
        reason = "is wanted twice" if port in taken else _refusal(host, port)
        taken.add(port)
        if reason:
            problems.append(f"port {port} of {owner} {reason}: set {variable_of(name)} to another")
    return problems


def check_ports(settings: Settings) -> None:
    """Make sure that every port can be had.

    Raises:
        LogsterError: one cannot; names it and the setting that changes it.
    """
    if problems := port_problems(settings):
        raise LogsterError("; ".join(problems))


def _refusal(host: str, port: int) -> str | None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do; old connections do not matter
            probe.bind(address)
    except OSError as error:
        return (
            "is in use" if error.errno == errno.EADDRINUSE else f"on {host} cannot be had ({error.strerror or error})"
        )
    return None
