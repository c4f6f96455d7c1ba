"""Changes of alerts by mail, many in one: a digest as plain text.

A mail's id is made of the changes that it tells of, so that one that is sent again after a crash can be told by it.
"""

import hashlib
import smtplib
import socket
import ssl
from collections.abc import Sequence
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from pipelines.errors import SettingsError
from pipelines.settings import Settings
from pipelines.sinks.addresses import CheckedTransport, TargetRefused
from pipelines.sinks.changes import Document
from pipelines.sinks.deliveries import Change, NotNow, Refused
from pipelines.sinks.wording import details, headline

__all__ = ["AT_ONCE", "MailDigest", "digest"]

AT_ONCE = 200
"""Changes that one mail tells of at most."""

_PORTS = {"smtp": 587, "smtps": 465}
_TIMEOUT_SECONDS = 30.0
_TEXT = 2_000  # characters of one detail


class MailDigest:
    """A mail server, its sender and its receivers.

    Args:
        settings: say who they are.

    Raises:
        SettingsError: one is missing or cannot be used, or the server's addresses are refused.
    """

    def __init__(self, settings: Settings) -> None:
        shown = "LOGSTER_EMAIL_SERVER: `smtps://user:password@host`, or `smtp://…` by STARTTLS"
        if settings.email_server is None:
            raise SettingsError(f"{shown} is not set")
        try:
            parts = urlsplit(settings.email_server.get_secret_value().strip())
            port = parts.port
        except ValueError:
            raise SettingsError(f"{shown} is no address") from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise SettingsError(f"{shown} is no address")
        self._scheme, self._host, self._port = parts.scheme, parts.hostname, port or _PORTS[parts.scheme]
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender = _address(settings.email_from, "LOGSTER_EMAIL_FROM")
        given = [one for one in (settings.email_to or "").split(",") if one.strip()]
        self._receivers = [_address(one, "LOGSTER_EMAIL_TO") for one in given or [""]]
        self._allow_private = settings.notify_allow_private
        self._checked = CheckedTransport(allow_private=self._allow_private)
        try:
            self._checked.addresses(self._host, self._port)
        except TargetRefused as error:
            raise SettingsError(f"LOGSTER_EMAIL_SERVER: {error}; LOGSTER_NOTIFY_ALLOW_PRIVATE=true allows it") from None
        except httpx.ConnectError:
            pass  # names may be away for a while

    def __call__(self, changes: Sequence[Change]) -> None:
        """Send one mail about changes.

        Raises:
            NotNow: the server cannot be reached, or does not take it now.
            Refused: it takes no such mail.
        """
        mail = digest([change.document for change in changes], sender=self._sender, receivers=self._receivers)
        context = ssl.create_default_context()
        try:
            with _CheckedSmtp(
                self._checked, self._host, self._port, context if self._scheme == "smtps" else None
            ) as server:
                if self._scheme == "smtp":
                    self._secure(server, context)
                if self._user:
                    server.login(self._user, self._password)
                server.send_message(mail)
        except (
            smtplib.SMTPDataError
        ) as error:  # what it says of the mail itself; all else may be of today's configuration
            if error.smtp_code >= 500:
                raise Refused(f"{self._host} answers {error.smtp_code}") from error
            raise NotNow(f"{self._host} answers {error.smtp_code}") from error
        except (OSError, smtplib.SMTPException, httpx.ConnectError) as error:
            code = getattr(error, "smtp_code", None)
            raise NotNow(
                f"{self._host} {f'answers {code}' if code else f'cannot be reached: {type(error).__name__}'}"
            ) from error

    def _secure(self, server: smtplib.SMTP, context: ssl.SSLContext) -> None:
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=context)
        elif not self._allow_private:
            raise NotNow(f"{self._host} offers no STARTTLS; LOGSTER_NOTIFY_ALLOW_PRIVATE=true sends without")


def digest(documents: Sequence[Document], *, sender: str, receivers: Sequence[str]) -> EmailMessage:
    """The mail that tells of changes.

    Args:
        documents: by ``pipelines/schemas/alert_change.v1.json``, in order.
        sender: an address.
        receivers: addresses.
    """
    mail = EmailMessage()
    title = headline(documents[0]) if len(documents) == 1 else f"{len(documents)} changes of alerts"
    mail["Subject"] = f"[logster] {_line(title)[:200]}"
    mail["From"], mail["To"] = sender, ", ".join(receivers)
    ids = "".join(document["change_id"] for document in documents)
    mail["Message-ID"] = f"<{hashlib.sha256(ids.encode()).hexdigest()}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n\n".join(_paragraph(document) for document in documents) + "\n", cte="quoted-printable")
    return mail


def _paragraph(document: Document) -> str:
    lines = [f"{document['happened_at']}  {_line(headline(document))}"]
    lines += [f"    {label}: {_line(text)[:_TEXT]}" for label, text in details(document)]
    return "\n".join([*lines, f"    alert {document['alert_id']}"])


def _line(text: str) -> str:
    return " ".join(text.split())


def _address(text: str | None, variable: str) -> str:
    if not text or not text.strip():
        raise SettingsError(f"{variable} is not set: an address, `soc@acme.example`")
    address = parseaddr(text.strip())[1]
    try:
        if "@" not in address or not address.isascii():
            raise ValueError(address)
        EmailMessage()["To"] = address
    except (ValueError, MessageError):
        raise SettingsError(f"{variable}: '{text.strip()}' is no address") from None
    return address


class _CheckedSmtp(smtplib.SMTP):
    """SMTP that connects to the addresses found fit, under the server's name."""

    def __init__(self, checked: CheckedTransport, host: str, port: int, context: ssl.SSLContext | None) -> None:
        self._checked, self._context = checked, context
        super().__init__(host, port, timeout=_TIMEOUT_SECONDS)

    def _get_socket(self, host: str, port: int, timeout: float) -> Any:  # noqa: ANN401 - as in smtplib
        trouble: OSError | None = None
        for address in self._checked.addresses(host, port):
            try:
                connection = socket.create_connection((address, port), timeout)
            except OSError as error:
                trouble = error
                continue
            return self._context.wrap_socket(connection, server_hostname=host) if self._context else connection
        raise trouble or OSError("no address")
