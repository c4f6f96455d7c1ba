"""A real HTTP server on this machine that is an OpenID Connect provider: discovery, keys, and tokens that it signs."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "logster"
SETTINGS = {
    "oidc_audience": AUDIENCE, "oidc_tenant_claim": "tenant", "oidc_tenants": "acme,globex,soc=*",
    "oidc_role_claim": "realm_access.roles", "oidc_roles": "look=reader,work=analyst,rule=admin",
}  # fmt: skip

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_ALGORITHMS: dict[type, Any] = {
    rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm, ed25519.Ed25519PrivateKey: OKPAlgorithm
}  # fmt: skip


@dataclass(frozen=True)
class SigningKey:
    """A key of the provider's, and what its JWKS says of it beside the public half."""

    private: PrivateKey
    key_id: str | None
    algorithm: str
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def jwk(self) -> dict[str, Any]:
        return self._as_jwk(self.private.public_key())

    @property
    def private_jwk(self) -> dict[str, Any]:
        """What no provider should publish."""
        return self._as_jwk(self.private)

    def _as_jwk(self, key: Any) -> dict[str, Any]:
        kind = next(algorithm for owner, algorithm in _ALGORITHMS.items() if isinstance(self.private, owner))
        told: dict[str, Any] = kind.to_jwk(key, as_dict=True)
        told.pop("key_ops", None)  # what the library adds
        return {**told, **({} if self.key_id is None else {"kid": self.key_id}), **self.more}


def rsa_key(key_id: str | None = "rsa-1", algorithm: str = "RS256", *, bits: int = 2048, **more: Any) -> SigningKey:
    return SigningKey(rsa.generate_private_key(65537, bits), key_id, algorithm, more)


def ec_key(key_id: str = "ec-1", algorithm: str = "ES256", *, curve: ec.EllipticCurve | None = None) -> SigningKey:
    return SigningKey(ec.generate_private_key(curve or ec.SECP256R1()), key_id, algorithm)


def ed_key(key_id: str = "ed-1") -> SigningKey:
    return SigningKey(ed25519.Ed25519PrivateKey.generate(), key_id, "EdDSA")


@dataclass
class OidcProvider:
    """What it publishes, which a test may change, and what it was asked."""

    port: int
    keys: list[SigningKey]
    asked: list[str] = field(default_factory=list)
    discovery: dict[str, Any] = field(default_factory=dict)  # what its document says otherwise
    jwks: Any = None  # in place of its keys
    answer: Callable[[BaseHTTPRequestHandler], bool] = lambda _: False  # True: it has answered by itself

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}/realms/soc"

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of an API that takes its tokens."""
        return {"oidc_issuer": self.issuer, **SETTINGS}

    @property
    def n_fetches(self) -> int:
        """How often its keys were asked for."""
        return self.asked.count("/realms/soc/certs")

    def claims(self, tenant: str = "acme", role: str = "work", *, name: str = "ann", **more: Any) -> dict[str, Any]:
        """What a token says; None takes a claim out."""
        now = int(time.time())
        told = {
            "iss": self.issuer, "aud": AUDIENCE, "sub": f"id-of-{name}", "preferred_username": name, "tenant": tenant,
            "realm_access": {"roles": ["offline_access", role]}, "iat": now, "exp": now + 300, **more,
        }  # fmt: skip
        return {claim: value for claim, value in told.items() if value is not None}

    def token(
        self, *who: str, key: SigningKey | None = None, headers: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """A token that it signs, by its first key unless another is given."""
        key = key or self.keys[0]
        header = {} if key.key_id is None else {"kid": key.key_id}
        return jwt.encode(self.claims(*who, **claims), key.private, key.algorithm, {**header, **(headers or {})})


@contextmanager
def provider(*keys: SigningKey, port: int = 0) -> Iterator[OidcProvider]:
    """Listen, with keys of every kind unless some are given."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            told.asked.append(self.path)
            if told.answer(self):
                return
            if self.path == "/realms/soc/.well-known/openid-configuration":
                found: Any = {"issuer": told.issuer, "jwks_uri": f"{told.issuer}/certs", **told.discovery}
            elif self.path == "/realms/soc/certs":
                found = {"keys": [key.jwk for key in told.keys]} if told.jwks is None else told.jwks
            else:
                self.send_error(404)
                return
            body = json.dumps(found).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # the API has heard enough
                pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        made = list(keys) or [rsa_key(), rsa_key("rsa-2", "PS256", alg="PS256"), ec_key(), ed_key()]
        told = OidcProvider(server.server_address[1], made)
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()
