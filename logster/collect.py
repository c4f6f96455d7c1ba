"""The HTTP collector as a process: its socket, TLS and server; what it does is told by ``api.collector``."""

import errno
import socket

import uvicorn

from api.collector.app import create_collector
from pipelines.errors import SettingsError
from pipelines.settings import Settings

__all__ = ["serve_collector"]

_STOP_SECONDS = 10
_CONNECTIONS_WAITING = 2048


def serve_collector(settings: Settings) -> None:
    """Take records until stopped; what was begun is answered first.

    Raises:
        SettingsError: a setting cannot be used, or the port cannot be had.
    """
    app = create_collector(settings)
    certificate = settings.collector_certificate_file
    config = uvicorn.Config(
        app, log_level="info", access_log=False, server_header=False, timeout_graceful_shutdown=_STOP_SECONDS,
        ssl_certfile=certificate,
    )  # fmt: skip
    try:
        config.load()
    except OSError as error:
        raise SettingsError(
            f"LOGSTER_COLLECTOR_CERTIFICATE_FILE {certificate} cannot be used: {error.strerror or error}"
        ) from None
    with _listening(settings.collector_host, settings.collector_port) as listening:
        uvicorn.Server(config).run([listening])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_CONNECTIONS_WAITING)
    except OSError as error:
        is_taken = error.errno == errno.EADDRINUSE
        reason = "is in use" if is_taken else f"on {host} cannot be had ({error.strerror or error})"
        raise SettingsError(
            f"port {port} of the collector {reason}: set LOGSTER_COLLECTOR_PORT, or LOGSTER_COLLECTOR_HOST"
        ) from None
