"""Changes of alerts to any HTTP address: the document as published, signed, with an idempotency key.

How often it is tried is in ``pipelines.sinks.deliveries``, which addresses are refused in ``pipelines.sinks.addresses``.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from pydantic import SecretStr

from pipelines.errors import SettingsError
from pipelines.settings import Settings
from pipelines.sinks.addresses import CheckedTransport, TargetRefused
from pipelines.sinks.changes import Document
from pipelines.sinks.deliveries import Change, NotNow, Refused

__all__ = ["HttpTarget", "Webhook", "signature", "target_url", "webhook_secret"]

_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_ANSWER_BYTES = 65_536
_ANSWER_WITHIN_SECONDS = 15.0
_LEAST_SECRET = 16
# of these the receiver says that it is the change which it does not take; any other answer may be of today's configuration
_REFUSING = frozenset(
    [HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
     HTTPStatus.UNPROCESSABLE_ENTITY]
)  # fmt: skip


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """What the header ``Logster-Signature`` holds: HMAC-SHA256 over timestamp, full stop and body, in hexadecimal."""
    return "v1=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def target_url(setting: SecretStr | None, variable: str, *, allow_private: bool) -> httpx.URL:
    """Read the address that changes go to; it may hold a token and is in no message but by its host.

    Raises:
        SettingsError: it is none, has no TLS, or leads to addresses that are refused.
    """
    if setting is None:
        raise SettingsError(f"{variable} is not set: `https://…`")
    try:
        url = httpx.URL(setting.get_secret_value().strip())
    except (httpx.InvalidURL, ValueError):
        raise SettingsError(f"{variable} is no address: `https://…`") from None
    if url.scheme not in ("https", "http") or not url.host:
        raise SettingsError(f"{variable} is no address of HTTP: `https://…`")
    if url.scheme == "http" and not allow_private:
        raise SettingsError(
            f"{variable} has no TLS: give an https:// address, or set LOGSTER_NOTIFY_ALLOW_PRIVATE=true for one on your own network"
        )
    try:
        CheckedTransport(allow_private=allow_private).addresses(url.host, url.port or 443)
    except TargetRefused as error:
        raise SettingsError(f"{variable}: {error}; LOGSTER_NOTIFY_ALLOW_PRIVATE=true allows it") from None
    except httpx.ConnectError:
        pass  # names may be away for a while
    return url


class HttpTarget:
    """One HTTP address; as a context manager it lets go of its connections when left.

    Args:
        url: the address.
        allow_private: whether it may be on a private network.
    """

    def __init__(self, url: httpx.URL, *, allow_private: bool) -> None:
        self._url = url
        self._client = httpx.Client(
            transport=CheckedTransport(allow_private=allow_private),
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": "logster"},
        )

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._client.close()

    def post(self, body: bytes, headers: dict[str, str]) -> None:
        """Send once.

        Raises:
            NotNow: no answer, or one that may be another later.
            Refused: the receiver does not take this body.
        """
        place = self._url.host
        try:
            with self._client.stream("POST", self._url, content=body, headers=headers) as answer:
                status = answer.status_code
                with suppress(httpx.HTTPError, httpx.StreamError):  # it has answered
                    _read_a_little(answer)
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise NotNow(f"{place} cannot be reached: {str(error) or type(error).__name__}") from error
        if status in _REFUSING:
            raise Refused(f"{place} answers {status}")
        if not 200 <= status < 300:
            asked = _seconds_of(answer.headers.get("Retry-After"), datetime.now(UTC))
            raise NotNow(f"{place} answers {status}", retry_after=asked)


class Webhook:
    """The generic webhook.

    Args:
        target: where it goes.
        secret: that the receiver knows as well.
        shape: makes the body's object of the document; None: the body is the document as it was published.
        clock: seconds since 1970, to be replaced in tests.
    """

    def __init__(
        self,
        target: HttpTarget,
        secret: bytes,
        *,
        shape: Callable[[Document], Document] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._target, self._secret, self._shape, self._clock = target, secret, shape, clock

    def __call__(self, changes: Sequence[Change]) -> None:
        """Hand a change on once; see `HttpTarget.post`."""
        (change,) = changes  # one key, one change
        body = change.body if self._shape is None else json.dumps(self._shape(change.document)).encode()
        timestamp = str(int(self._clock()))
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": change.change_id,
            "Logster-Timestamp": timestamp,
            "Logster-Signature": signature(self._secret, timestamp, body),
        }
        self._target.post(body, headers)


def webhook_secret(settings: Settings) -> bytes:
    """The secret that signs, from its setting or its file.

    Raises:
        SettingsError: there is none, or a short one, or the file cannot be read.
    """
    file = settings.webhook_secret_file
    if settings.webhook_secret is not None:
        secret = settings.webhook_secret.get_secret_value()
    elif file:
        try:
            secret = Path(file).read_text().strip()
        except (OSError, ValueError) as error:
            raise SettingsError(f"LOGSTER_WEBHOOK_SECRET_FILE {file} cannot be read: {error}") from None
    else:
        raise SettingsError(
            "LOGSTER_WEBHOOK_SECRET_FILE is not set: a file with the secret that signs (or LOGSTER_WEBHOOK_SECRET)"
        )
    if len(secret) < _LEAST_SECRET:
        raise SettingsError(
            f"the webhook's secret is shorter than {_LEAST_SECRET} characters: `openssl rand -hex 32` makes one"
        )
    return secret.encode()


def _read_a_little(answer: httpx.Response) -> None:
    """Read what is short, so that the connection can be used again; of what is long or slow no more than that."""
    n_bytes, deadline = 0, time.monotonic() + _ANSWER_WITHIN_SECONDS
    for chunk in answer.iter_raw():
        n_bytes += len(chunk)
        if n_bytes > _ANSWER_BYTES or time.monotonic() > deadline:
            return


def _seconds_of(retry_after: str | None, now: datetime) -> float | None:
    """Header ``Retry-After`` (RFC 9110, 10.2.3) in seconds; None where there is none that can be read."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
