"""Who asks, by a token of an OpenID Connect provider: a JWT that it signed (RFC 7519, used as RFC 8725 advises).

A caller is never told what was wrong with a token: that helps whoever makes them up. The API's log says it.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import jwt
import structlog
from pydantic import TypeAdapter, ValidationError

from api.access.callers import Caller
from api.access.provider import Provider
from api.access.provider_keys import PublicKey, PublicKeys
from api.errors import UnknownClaimsError, WrongTokenError
from api.schemas import Name
from pipelines.schemas.access import Role

__all__ = ["ALGORITHMS", "MAX_TOKEN_CHARACTERS", "Tokens", "is_token"]

ALGORITHMS = frozenset({"RS256", "PS256", "ES256", "EdDSA"})
"""How tokens may be signed: by a key of which only the public half is known here, and never not at all."""

MAX_TOKEN_CHARACTERS = 16_384
"""Longer ones are not looked at."""

_LEEWAY = timedelta(seconds=30)
"""How far the provider's clock and this one may be apart."""

_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_MAX_SUBJECT = 255  # OpenID Connect Core 1.0, 2
_NAME: TypeAdapter[str] = TypeAdapter(Name)

_LOG = structlog.get_logger("logster.api")


def is_token(credential: str) -> bool:
    """Say whether what a caller shows is meant as a token: keys of the API have no dots."""
    return "." in credential


class Tokens:
    """Tells callers by the tokens of one provider."""

    def __init__(self, provider: Provider) -> None:
        """Begin; nothing is fetched until the first token comes."""
        self._provider = provider
        self._keys = PublicKeys(provider)

    async def caller(self, token: str) -> Caller:
        """Who shows a token.

        Raises:
            WrongTokenError: it is forged, expired, of or for someone else, or no token at all.
            UnknownClaimsError: it is right, and names no tenant or role that is known here.
            SignInUnavailableError: the provider does not answer, and no key that is known can check it.
        """
        try:
            key_id, algorithm = _named_key(token)
            key = await self._keys.key(key_id, algorithm)
            if key is None:
                raise _RefusedError("its key is none of the provider's")
            claims = self._claims(token, key, algorithm)
        except _RefusedError as error:
            _LOG.info("token refused", reason=str(error))
            raise WrongTokenError from None
        try:
            return _caller_of(claims, self._provider)
        except _RefusedError as error:
            _LOG.info("token refused", reason=str(error))
            raise UnknownClaimsError from None

    def _claims(self, token: str, key: PublicKey, algorithm: str) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key.verifier,
                algorithms=[algorithm],
                audience=self._provider.audience,
                issuer=self._provider.issuer,
                leeway=_LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except Exception as error:  # whatever a token makes the library say, it opens nothing, and is no fault of ours
            raise _RefusedError(f"{type(error).__name__}: {error}") from None


class _RefusedError(Exception):
    """Why a token opens nothing; for the log, so without text of the caller's."""


def _named_key(token: str) -> tuple[str | None, str]:
    """The key and the algorithm that a token names; of its header nothing else counts, neither `jwk`, `jku` nor `x5u`."""
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise _RefusedError(f"it has more than {MAX_TOKEN_CHARACTERS} characters")
    if token.count(".") != 2:
        raise _RefusedError("it has not three parts")
    first = token.partition(".")[0]
    try:
        header = json.loads(base64.b64decode(first + "=" * (-len(first) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise _RefusedError("its header cannot be read") from None
    if not isinstance(header, dict):
        raise _RefusedError("its header is no object")
    algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise _RefusedError("its algorithm is not allowed")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise _RefusedError("it is something else than a token to ask with")
    if "crit" in header or "b64" in header:
        raise _RefusedError("it has extensions")
    if not (key_id is None or isinstance(key_id, str)):
        raise _RefusedError("its key's id is no text")
    return key_id, algorithm


def _caller_of(claims: Mapping[str, Any], provider: Provider) -> Caller:
    subject = claims["sub"]
    if not (isinstance(subject, str) and 0 < len(subject) <= _MAX_SUBJECT and subject.isprintable()):
        raise _RefusedError("its subject cannot be noted")
    tenants = {provider.tenants[value] for value in _values(claims, provider.tenant_claim) if value in provider.tenants}
    if len(tenants) != 1:
        raise _RefusedError(f"it names {len(tenants)} known tenants, not one (LOGSTER_OIDC_TENANT_CLAIM, _TENANTS)")
    roles = [provider.roles[value] for value in _values(claims, provider.role_claim) if value in provider.roles]
    if not roles:
        raise _RefusedError("it names no known role (LOGSTER_OIDC_ROLE_CLAIM, _ROLES)")
    try:
        name = _NAME.validate_python(claims.get(provider.name_claim, subject), strict=True)
    except ValidationError:
        raise _RefusedError("a change cannot be noted in its name (LOGSTER_OIDC_NAME_CLAIM)") from None
    return Caller(name, next(role for role in reversed(Role) if role in roles), tenants.pop(), subject=subject)


def _values(claims: Mapping[str, Any], name: str) -> list[str]:
    """Texts of a claim, one or several; a claim within others is written with dots, unless one has that very name."""
    found: Any = claims
    for part in [name] if name in claims else name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return [value for value in (found if isinstance(found, list) else [found]) if isinstance(value, str)]
