"""Lines to a syslog server over TLS, TCP or UDP, each framed by RFC 5424 and, on a stream, counted by RFC 6587.

Syslog acknowledges nothing: what was written into a connection that then broke may be lost, and what goes by UDP may be
anyway. A stream that the server has closed is noticed before the next line is written.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from pipelines.errors import SettingsError
from pipelines.sinks.addresses import CheckedTransport, TargetRefused
from pipelines.sinks.cef import cef_line
from pipelines.sinks.deliveries import Change, NotNow

__all__ = ["SyslogCef", "SyslogTarget", "rfc5424"]

_PORTS = {"tls": 6514, "tcp": 601, "udp": 514}
_TIMEOUT_SECONDS = 10.0
_PRIORITY = 13 * 8 + 5  # log alert (facility 13), notice
_LONGEST_DATAGRAM = 60_000


def rfc5424(message: str, *, at: str, host: str) -> bytes:
    """A syslog message, without framing.

    Args:
        message: one line.
        at: its time, RFC 3339.
        host: who sends it; no spaces.
    """
    return f"<{_PRIORITY}>1 {at} {host} logster - - - {message}".encode()


class SyslogTarget:
    """A syslog server; as a context manager it closes its connection when left. For one thread.

    Args:
        address: ``tls://host:6514``, ``tcp://host:601`` or ``udp://host:514``.
        variable: setting that it comes from, for the words.
        allow_private: whether it may be on a private network, and without TLS.

    Raises:
        SettingsError: it is none of these, or leads to addresses that are refused.
    """

    def __init__(self, address: str | None, variable: str, *, allow_private: bool) -> None:
        shown = f"{variable} is no address: `tls://host:6514`, `tcp://host:601` or `udp://host:514`"
        if not address:
            raise SettingsError(f"{variable} is not set: `tls://host:6514`, `tcp://host:601` or `udp://host:514`")
        try:
            parts = urlsplit(address.strip())
            port = parts.port
        except ValueError:
            raise SettingsError(shown) from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise SettingsError(shown)
        if parts.scheme != "tls" and not allow_private:
            raise SettingsError(
                f"{variable} has no TLS: give a tls:// address, or set LOGSTER_NOTIFY_ALLOW_PRIVATE=true for one on your own "
                "network"
            )
        self._scheme, self._host, self._port = parts.scheme, parts.hostname, port or _PORTS[parts.scheme]
        self._checked = CheckedTransport(allow_private=allow_private)
        self._connection: socket.socket | None = None
        try:
            self._checked.addresses(self._host, self._port)
        except TargetRefused as error:
            raise SettingsError(f"{variable}: {error}; LOGSTER_NOTIFY_ALLOW_PRIVATE=true allows it") from None
        except httpx.ConnectError:
            pass  # names may be away for a while

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._drop()

    def send(self, messages: Sequence[bytes]) -> None:
        """Send messages.

        Raises:
            NotNow: the server cannot be reached, or closes the connection.
        """
        try:
            connection = self._connected()
            for message in messages:
                if self._scheme == "udp":
                    connection.send(message[:_LONGEST_DATAGRAM])
                else:
                    connection.sendall(b"%d " % len(message) + message)
        except (OSError, httpx.ConnectError) as error:
            self._drop()
            raise NotNow(f"{self._host} cannot be reached: {error}") from error

    def _connected(self) -> socket.socket:
        if self._connection is not None and self._is_closed(self._connection):
            self._drop()
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> socket.socket:
        trouble: OSError | None = None
        for address in self._checked.addresses(self._host, self._port):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            connection = socket.socket(family, socket.SOCK_DGRAM if self._scheme == "udp" else socket.SOCK_STREAM)
            connection.settimeout(_TIMEOUT_SECONDS)
            try:
                connection.connect((address, self._port))
                if self._scheme == "tls":
                    return ssl.create_default_context().wrap_socket(connection, server_hostname=self._host)
                return connection
            except OSError as error:
                connection.close()
                trouble = error
        raise trouble or OSError("no address")

    def _is_closed(self, connection: socket.socket) -> bool:
        """A server says nothing; what can be read is the end. TLS says it inside, which only a read can tell."""
        if self._scheme == "udp":
            return False
        try:
            connection.setblocking(False)
            return connection.recv(1) == b""
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        finally:
            connection.settimeout(_TIMEOUT_SECONDS)

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
        self._connection = None


class SyslogCef:
    """Changes as CEF lines to a syslog server.

    Args:
        target: the server.
        host: who sends, in the messages.
    """

    def __init__(self, target: SyslogTarget, *, host: Callable[[], str] = socket.gethostname) -> None:
        self._target, self._host = target, "".join(host().split()) or "-"

    def __call__(self, changes: Sequence[Change]) -> None:
        """Send a line a change; see `SyslogTarget.send`."""
        documents = [change.document for change in changes]
        self._target.send([rfc5424(cef_line(one), at=one["happened_at"], host=self._host) for one in documents])
