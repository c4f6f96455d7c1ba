"""Who may send: the tokens of the settings, each with its tenant, and how much of each is let in at once."""

import base64
import binascii
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from api.collector.answers import (
    INVALID_AUTHORIZATION,
    INVALID_TOKEN,
    TOKEN_MISSING,
    TOO_MANY_REQUESTS,
    RefusedError,
)
from pipelines.errors import SettingsError
from pipelines.settings import Settings
from pipelines.sources.names import TENANT_NAME

__all__ = ["Sender", "Senders", "read_tokens"]

_SETTING, _FILE_SETTING = "LOGSTER_COLLECTOR_TOKENS", "LOGSTER_COLLECTOR_TOKENS_FILE"
_SHORTEST_TOKEN = 16
_TOKEN = re.compile(r"[!-~]+")
_TENANT = re.compile(TENANT_NAME)


def read_tokens(settings: Settings) -> dict[str, str]:
    """Tenants by token.

    Raises:
        SettingsError: there are none, or they cannot be used; never shows a token.
    """
    if settings.collector_tokens_file is not None:
        place = f"{_FILE_SETTING} ({settings.collector_tokens_file})"
        try:
            text = Path(settings.collector_tokens_file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise SettingsError(f"{place} cannot be read: {reason}") from None
    elif settings.collector_tokens is not None:
        place, text = _SETTING, settings.collector_tokens.get_secret_value()
    else:
        raise SettingsError(f"the collector has no tokens: set {_SETTING} or {_FILE_SETTING} (docs/collector.md)")
    tokens = dict[str, str]()
    for number, (token, tenant) in enumerate(_pairs(text, place), start=1):
        if not _TOKEN.fullmatch(token) or len(token) < _SHORTEST_TOKEN:
            raise SettingsError(f"{place}: token {number} needs {_SHORTEST_TOKEN} or more printable ASCII characters")
        if not _TENANT.fullmatch(tenant):
            raise SettingsError(
                f"{place}: tenant {tenant!r} of token {number}: letters, digits, '.', '_', '-', 127 at most"
            )
        if token in tokens:
            raise SettingsError(f"{place}: token {number} stands there twice")
        tokens[token] = tenant
    if not tokens:
        raise SettingsError(f"{place} holds no token")
    return tokens


def _pairs(text: str, place: str) -> list[tuple[str, str]]:
    if text.lstrip().startswith("{"):
        try:
            pairs: list[tuple[str, str]] = json.loads(text, object_pairs_hook=list)
        except ValueError:
            pairs = []
            raise SettingsError(f"{place} is no JSON object of tokens and their tenants") from None
        if any(not isinstance(tenant, str) for _, tenant in pairs):
            raise SettingsError(f"{place} is no JSON object of tokens and their tenants")
        return pairs
    lines = [line.strip() for line in text.splitlines()]
    told = [line.partition("=") for line in lines if line and not line.startswith("#")]
    if any(not equals for _, equals, _ in told):
        raise SettingsError(f"{place} must be lines `token=tenant`, or a JSON object")
    return [(token.strip(), tenant.strip()) for token, _, tenant in told]


@dataclass
class Sender:
    """What goes by one token.

    Attributes:
        tenant: whose telemetry comes by it.
        n_requests: how many are being answered.
    """

    tenant: str
    n_requests: int = 0


class Senders:
    """All tokens."""

    def __init__(self, tokens: Mapping[str, str], *, most_requests: int) -> None:
        self._by_digest = {sha256(token.encode()).digest(): Sender(tenant) for token, tenant in tokens.items()}
        self._most = most_requests

    @property
    def tenants(self) -> set[str]:
        """All tenants that have a token."""
        return {sender.tenant for sender in self._by_digest.values()}

    def known(self, authorization: str | None) -> Sender:
        """Whose an ``Authorization`` header is: ``Splunk TOKEN``, ``Bearer TOKEN``, or the password of ``Basic``.

        Raises:
            RefusedError: there is none, it is of another form, or no token of ours.
        """
        if not authorization or not authorization.strip():
            raise RefusedError(TOKEN_MISSING)
        digest = sha256(_token_of(authorization).encode()).digest()
        found: Sender | None = None
        for known, sender in self._by_digest.items():  # all of them, so that the time tells nothing
            if hmac.compare_digest(known, digest):
                found = sender
        if found is None:
            raise RefusedError(INVALID_TOKEN)
        return found

    @contextmanager
    def let_in(self, sender: Sender) -> Iterator[None]:
        """Count a request while it is answered.

        Raises:
            RefusedError: too many of its token are.
        """
        if sender.n_requests >= self._most:
            raise RefusedError(TOO_MANY_REQUESTS)
        sender.n_requests += 1
        try:
            yield
        finally:
            sender.n_requests -= 1


def _token_of(authorization: str) -> str:
    scheme, _, rest = authorization.strip().partition(" ")
    token = rest.strip()
    if scheme.lower() == "basic":
        try:
            token = base64.b64decode(token, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            raise RefusedError(INVALID_AUTHORIZATION) from None
    elif scheme.lower() not in ("splunk", "bearer"):
        raise RefusedError(INVALID_AUTHORIZATION)
    if not token:
        raise RefusedError(INVALID_AUTHORIZATION)
    return token
