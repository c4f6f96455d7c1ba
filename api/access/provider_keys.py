"""The public keys of an OpenID Connect provider: fetched, kept, and fetched anew when a token names one that is not known.

Every way to wait has a bound: a provider that is down, slow or endless, and callers who make keys up, cost the API's other
callers nothing. What a key may prove is ``api.access.tokens``'.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import httpx
import structlog
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

from api.access.loopback import is_loopback
from api.access.provider import Provider, is_safe_address
from api.errors import SignInUnavailableError
from pipelines.errors import SourceError

__all__ = ["PublicKey", "PublicKeys", "fetch_keys"]

_LOG = structlog.get_logger("logster.api")

_LEAST_PAUSE_SECONDS = 10.0
"""Between two fetches, however many tokens name keys that are not known, and whether the provider answers or not."""
_FRESH_SECONDS = 600.0
"""Older keys are fetched anew, beside the requests."""
_STALE_SECONDS = 1200.0
"""Still older ones, after a time in which nobody asked, count only once the provider was asked: it may have taken them back."""
_KEPT_SECONDS = 86_400.0
"""While the provider does not answer, keys count so long: whoever keeps it from answering must not keep a lost key alive."""
_ASKED_FOR = {"Accept": "application/json", "Accept-Encoding": "identity"}  # what is not packed cannot unpack to more
_STEP_SECONDS = 5.0
_WHOLE_SECONDS = 10.0
_WAITED_SECONDS = 15.0
"""Nobody waits longer for keys: a name that is not resolved is no step of ours, and has no bound of ours."""
_MOST_BYTES = 1_048_576
_LEAST_RSA_BITS = 2048

Verifier = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
"""The public half of a key, as the library has it."""


@dataclass(frozen=True)
class PublicKey:
    """One key of the provider's.

    Attributes:
        key_id: its `kid`; None where it has none.
        algorithms: by which its signatures may be made.
        verifier: checks them.
    """

    key_id: str | None
    algorithms: frozenset[str]
    verifier: Verifier


@dataclass(frozen=True)
class _Found:
    at: float
    keys: Sequence[PublicKey]


class PublicKeys:
    """A provider's keys, as they were some minutes ago at most while it answers; for one event loop at a time."""

    def __init__(self, provider: Provider, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without keys; nothing is fetched yet.

        Args:
            provider: whose keys.
            clock: time (s) that never goes back.
        """
        self._provider = provider
        self._clock = clock
        self._found: _Found | None = None
        self._tried_at: float | None = None
        self._trouble: str | None = None
        self._fetching: Future[None] | None = None

    async def key(self, key_id: str | None, algorithm: str) -> PublicKey | None:
        """The key that a token names, or the only one where it names none; None where the provider has no such key.

        Raises:
            SignInUnavailableError: that cannot be told, for the provider does not answer.
        """
        key = _pick(self._kept(), key_id, algorithm)
        if key is not None and self._age() <= _FRESH_SECONDS:
            return key
        fetching = self._fetch()
        if key is not None and (self._trouble is not None or self._age() <= _STALE_SECONDS):
            return key  # nobody waits for a provider that is down, or whose keys are nearly as they were
        if fetching is not None:
            # who goes away, or has waited enough, must not take the answer from the others
            try:
                await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(fetching)), _WAITED_SECONDS)
            except TimeoutError:
                raise SignInUnavailableError(self._pause_seconds()) from None
            key = _pick(self._kept(), key_id, algorithm)
        if key is None and self._trouble is not None:
            raise SignInUnavailableError(self._pause_seconds())
        return key

    def _kept(self) -> Sequence[PublicKey]:
        return self._found.keys if self._found is not None and self._age() <= _KEPT_SECONDS else ()

    def _age(self) -> float:
        return 0.0 if self._found is None else self._clock() - self._found.at

    def _pause_seconds(self) -> int:
        """Whole seconds until the provider may be asked again, at least one."""
        waited = self._clock() - (self._tried_at or 0.0)
        return max(1, -int(-(_LEAST_PAUSE_SECONDS - waited) // 1))

    def _fetch(self) -> Future[None] | None:
        """Begin to fetch, or join a fetch that was begun; None where the last was a moment ago."""
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        if self._tried_at is not None and self._clock() - self._tried_at < _LEAST_PAUSE_SECONDS:
            return None
        self._tried_at = self._clock()
        done = Future[None]()
        # a thread of its own: those that the event loop lends are for the lake, and must not wait for the provider
        threading.Thread(target=self._run, args=[done], name="sign-in keys", daemon=True).start()
        self._fetching = done  # only now: one that never began would be waited for without end
        return done

    def _run(self, done: Future[None]) -> None:
        try:
            self._found, self._trouble = _Found(self._clock(), fetch_keys(self._provider)), None
        except SourceError as error:
            self._trouble = str(error)
            _LOG.warning("sign-in keys cannot be fetched", reason=str(error))
        except Exception as error:  # whatever it is, those who wait must not wait for ever
            self._trouble = type(error).__name__
            _LOG.exception("sign-in keys cannot be fetched")
        finally:
            done.set_result(None)


def fetch_keys(provider: Provider) -> list[PublicKey]:
    """Ask a provider for its keys; those that this API does not use are left out.

    Raises:
        SourceError: it does not answer, or says something else than OpenID Connect Discovery 1.0 does.
    """
    try:
        return asyncio.run(_fetched(provider))  # only a loop can end a wait for headers
    except TimeoutError:
        raise SourceError(f"{provider.issuer} takes longer than {_WHOLE_SECONDS:.0f} s") from None


async def _fetched(provider: Provider) -> list[PublicKey]:
    discovery = f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"
    # a proxy of the environment's leads to the world, not to this machine
    is_outside = not is_loopback(httpx.URL(provider.issuer).host)
    async with (
        asyncio.timeout(_WHOLE_SECONDS),
        httpx.AsyncClient(timeout=_STEP_SECONDS, trust_env=is_outside, follow_redirects=False) as client,
    ):
        told = await _json(client, discovery)
        if told.get("issuer") != provider.issuer:
            raise SourceError(
                f"{discovery} is of another issuer than LOGSTER_OIDC_ISSUER says, {provider.issuer}; both must be the same "
                "letter for letter"
            )
        address = told.get("jwks_uri")
        if not isinstance(address, str) or not is_safe_address(address):
            raise SourceError(f"{discovery} names no `jwks_uri` that can be asked safely (https)")
        if is_outside and is_loopback(httpx.URL(address).host):
            raise SourceError(f"{discovery} names a `jwks_uri` on this machine")
        listed = (await _json(client, address)).get("keys")
    if not isinstance(listed, list):
        raise SourceError(f"{address} holds no keys (JWKS)")
    keys = [key for one in listed if isinstance(one, dict) and (key := _public_key(one)) is not None]
    if not keys:
        raise SourceError(f"{address} holds no key for signatures by RS256, PS256, ES256 or EdDSA")
    return keys


async def _json(client: httpx.AsyncClient, address: str) -> dict[str, Any]:
    body = bytearray()
    try:
        async with client.stream("GET", address, headers=_ASKED_FOR) as answer:
            if answer.status_code != httpx.codes.OK:
                raise SourceError(f"{address} answers {answer.status_code}; LOGSTER_OIDC_ISSUER names the provider")
            async for part in answer.aiter_raw():
                body += part
                if len(body) > _MOST_BYTES:
                    raise SourceError(f"{address} answers more than {_MOST_BYTES} bytes")
        told = json.loads(body)
    except httpx.HTTPError as error:
        raise SourceError(f"{address} does not answer ({type(error).__name__})") from None
    except (ValueError, RecursionError):
        raise SourceError(f"{address} answers something else than JSON") from None
    if not isinstance(told, dict):
        raise SourceError(f"{address} answers something else than a JSON object")
    return told


def _public_key(jwk: dict[str, Any]) -> PublicKey | None:
    """A key of a JWKS (RFC 7517); None where it is of no use here: symmetric, private, weak, or for something else."""
    key_id, operations = jwk.get("kid"), jwk.get("key_ops")
    if jwk.get("use", "sig") != "sig" or not (key_id is None or isinstance(key_id, str)):
        return None
    if operations is not None and (not isinstance(operations, list) or "verify" not in operations):
        return None
    try:
        usable, verifier = _verifier(jwk)
    except (PyJWTError, ArithmeticError, LookupError, TypeError, ValueError):
        return None
    named = jwk.get("alg")
    algorithms = frozenset(one for one in usable if named in (None, one))
    return PublicKey(key_id, algorithms, verifier) if verifier is not None and algorithms else None


def _verifier(jwk: dict[str, Any]) -> tuple[set[str], Verifier | None]:
    """What a key may be used with, and the key; None where it is of another kind, or weak."""
    match jwk.get("kty"):
        case "RSA":
            rsa = RSAAlgorithm.from_jwk(jwk)
            return {"RS256", "PS256"}, rsa if isinstance(
                rsa, RSAPublicKey
            ) and rsa.key_size >= _LEAST_RSA_BITS else None
        case "EC":
            ec = ECAlgorithm.from_jwk(jwk)
            return {"ES256"}, ec if isinstance(ec, EllipticCurvePublicKey) and isinstance(ec.curve, SECP256R1) else None
        case "OKP":
            ed = OKPAlgorithm.from_jwk(jwk)
            return {"EdDSA"}, ed if isinstance(ed, Ed25519PublicKey) else None
    return set(), None


def _pick(keys: Sequence[PublicKey], key_id: str | None, algorithm: str) -> PublicKey | None:
    found = [key for key in keys if algorithm in key.algorithms and key_id in (None, key.key_id)]
    return found[0] if len(found) == 1 else None
