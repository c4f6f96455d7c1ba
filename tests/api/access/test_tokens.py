"""Tokens of a provider: who is let in by one, who is not, and that nobody learns why."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm
from structlog.testing import capture_logs

from api.access.exposure import check_exposure
from api.access.tokens import MAX_TOKEN_CHARACTERS
from api.app import create_app
from pipelines.schemas.access import Role
from pipelines.settings import Settings
from tests.api.conftest import Client
from tests.oidc_provider import AUDIENCE, OidcProvider, provider, rsa_key

ID, THEIRS = f"{1:064x}", f"{2:064x}"
NOW = int(time.time())
WORDS = st.text(max_size=3)


@pytest.fixture(scope="module")
def soc() -> Iterator[OidcProvider]:
    with provider() as found:
        yield found


@pytest.fixture
def signed_in(settings: Settings, soc: OidcProvider) -> Settings:
    return settings.model_copy(update=soc.settings)


@pytest.fixture
def bearer(signed_in: Settings) -> Callable[[str | None], Client]:
    """A client with a token; the same application for all."""
    app = create_app(signed_in)
    return lambda token=None: Client(app, token)


def refusal(response: Any) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["type"].removeprefix("urn:logster:problem:")


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def forged(header: dict[str, Any], claims: dict[str, Any], sign: Callable[[bytes], bytes] = lambda _: b"") -> str:
    text = f"{encoded(header)}.{encoded(claims)}"
    return f"{text}.{base64.urlsafe_b64encode(sign(text.encode())).rstrip(b'=').decode()}"


# --- who is let in


def test_tokens_of_every_kind_of_key_open_their_tenants_data(bearer, soc, write, make_alert):
    write("alerts", make_alert(1), make_alert(2, tenant="globex"))
    for key in soc.keys:
        for tenant, ids in (("acme", [ID]), ("globex", [THEIRS]), ("soc", [THEIRS, ID])):
            client = bearer(soc.token(tenant, "look", key=key))
            assert sorted(alert["alert_id"] for alert in client.ok("/alerts")["alerts"]) == sorted(ids), key.algorithm
    client = bearer(soc.token("acme", "look"))
    assert client.get(f"/alerts/{THEIRS}").status_code == 404
    assert refusal(client.get("/metrics")) == (403, "forbidden")
    assert bearer(soc.token("soc", "look")).get("/metrics").status_code == 200


def test_the_highest_of_its_roles_counts(bearer, soc, write, make_alert):
    write("alerts", make_alert(1))
    for roles, status in ((["look"], 403), (["look", "work", "x"], 200), (["rule"], 200), ("work", 200)):
        client = bearer(soc.token(realm_access={"roles": roles}))
        assert client("PATCH", f"/alerts/{ID}", json={"note": "x"}).status_code == status, roles
        assert client.get("/alerts").status_code == 200


def test_changes_are_made_in_the_name_of_who_signed_in(bearer, soc, write, make_alert):
    write("alerts", make_alert(1))
    ann, unnamed = bearer(soc.token(name="ann")), bearer(soc.token(sub="0-1-2", preferred_username=None))
    with capture_logs() as logs:
        assert ann("PATCH", f"/alerts/{ID}", json={"note": "a"}).status_code == 200
        assert unnamed("POST", "/feedback", json={"alert_id": ID, "verdict": "true_positive"}).status_code == 201
        assert refusal(ann("PATCH", f"/alerts/{ID}", json={"note": "a", "actor": "bob"})) == (403, "other-actor")
    alert = ann.ok(f"/alerts/{ID}")
    assert [one["actor"] for one in alert["history"] + alert["feedback"]] == ["ann", "0-1-2"]
    noted = [(one["name"], one["subject"], one["key_id"], one["status"]) for one in logs if one["event"] == "write"]
    assert noted == [
        ("ann", "id-of-ann", None, 200), ("0-1-2", "0-1-2", None, 201), ("ann", "id-of-ann", None, 403),
    ]  # fmt: skip


def test_keys_of_the_api_open_as_ever_beside_tokens(bearer, keyed, soc, write, make_alert):
    write("alerts", make_alert(1))
    key = keyed(role=Role.READER).key
    assert bearer(key).get("/alerts").status_code == 200
    assert bearer(soc.token()).get("/alerts").status_code == 200
    both = bearer(soc.token()).get("/alerts", headers={"X-API-Key": key})
    assert refusal(both) == (401, "unauthenticated")


def test_where_there_is_sign_in_nobody_is_let_in_without(bearer):
    assert refusal(bearer().get("/alerts")) == (401, "unauthenticated")
    assert bearer().get("/health").status_code == 200
    assert refusal(bearer("a.b.c").get("/health")) == (401, "unauthenticated")


def test_the_api_may_be_reached_by_others_where_there_is_sign_in(signed_in):
    told = check_exposure(signed_in.model_copy(update={"api_host": "0.0.0.0"}))
    assert told == f"the API asks for a token of {signed_in.oidc_issuer}, or for a key; 0 were made"


def test_claims_are_found_by_their_name_and_within_others(settings, soc):
    app = create_app(
        settings.model_copy(update={**soc.settings, "oidc_tenant_claim": "https://acme.example/tenant", "oidc_role_claim": "a.b"})
    )  # fmt: skip
    for claims, status in (
        ({"https://acme.example/tenant": "acme", "a": {"b": "look"}}, 200),
        ({"https://acme.example/tenant": ["everyone", "acme"], "a.b": ["look"]}, 200),
        ({"https://acme.example/tenant": "acme", "a.b": [], "a": {"b": "look"}}, 403),
        ({"https://acme.example/tenant": "acme", "a": "b"}, 403),
    ):
        assert Client(app, soc.token(**claims)).get("/alerts").status_code == status, claims


def test_each_who_signed_in_is_counted_by_whom_it_is(settings, soc):
    app = create_app(settings.model_copy(update={**soc.settings, "api_requests_per_minute": 3}))
    first, again, other = (
        Client(app, soc.token(name=name, jti=jti)) for name, jti in (("ann", "1"), ("ann", "2"), ("bob", "3"))
    )
    answers = [client.get("/alerts").status_code for client in (first, again, first, again, first, other)]
    assert answers == [200, 200, 200, 429, 429, 200]


# --- who is not


def as_hmac_secret(soc: OidcProvider) -> Iterator[bytes]:
    public = soc.keys[0].private.public_key()
    for encoding, form in (
        (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        (serialization.Encoding.PEM, serialization.PublicFormat.PKCS1),
    ):
        yield public.public_bytes(encoding, form)
    yield json.dumps(soc.keys[0].jwk).encode()


def wrong_tokens(soc: OidcProvider) -> Iterator[tuple[str, str]]:
    """Every token that opens nothing, by what is wrong with it."""
    right, claims, kid = soc.token(), soc.claims(), soc.keys[0].key_id
    head, body, signature = right.split(".")
    stranger = rsa_key("rsa-1")
    for none in ("none", "None", "NONE", "nOnE", ""):
        yield f"alg={none}", forged({"alg": none, "typ": "JWT", "kid": kid}, claims)
    yield "no alg", forged({"typ": "JWT", "kid": kid}, claims)
    yield "alg of another kind", forged({"alg": ["RS256"], "kid": kid}, claims)
    for number, secret in enumerate(as_hmac_secret(soc)):
        for algorithm in ("HS256", "hs256"):
            yield f"{algorithm} by public key {number}", forged(
                {"alg": algorithm, "typ": "JWT", "kid": kid}, claims,
                lambda text, secret=secret: hmac.new(secret, text, hashlib.sha256).digest(),
            )  # fmt: skip
    yield "RS512", jwt.encode(claims, soc.keys[0].private, "RS512", {"kid": kid})
    yield "RS256 by a key that is for PS256", jwt.encode(claims, soc.keys[1].private, "RS256", {"kid": "rsa-2"})
    yield "the kid of a key of another kind", jwt.encode(claims, soc.keys[0].private, "RS256", {"kid": "ec-1"})
    yield "no signature", f"{head}.{body}."
    yield "cut signature", right[:-8]
    yield "other signature", f"{head}.{body}.{soc.token(name='bob').split('.')[2]}"
    yield "other claims", f"{head}.{encoded({**claims, 'tenant': 'globex'})}.{signature}"
    yield "zero signature of ES256", forged({"alg": "ES256", "kid": "ec-1"}, claims, lambda _: bytes(64))
    yield "a stranger's key by our kid", soc.token(key=stranger)
    for value in (
        "../../../dev/null",
        "rsa-1' OR '1'='1",
        "rsa-1\x00",
        "http://127.0.0.1/jwks",
        "|id",
        "",
        "x" * 10_000,
    ):
        yield f"kid={value[:20]!r}", soc.token(key=stranger, headers={"kid": value})
    for value in (1, True, ["rsa-1"], {"a": 1}):
        yield f"kid={value!r}", forged({"alg": "RS256", "kid": value}, claims, lambda text: signed(soc, text))
    for more in (
        {"jwk": stranger.jwk},
        {"jku": f"{soc.issuer}/other"},
        {"x5u": "http://127.0.0.1/"},
        {"x5c": ["MIIB"]},
    ):
        yield f"header {[*more]}", soc.token(key=stranger, headers=more)
    yield "crit", soc.token(headers={"crit": ["exp"]})
    for more in ({"b64": False}, {"b64": True}, {"crit": []}):
        header = {"alg": "RS256", "kid": kid, **more}
        yield f"header {more}", forged(header, claims, lambda text: signed(soc, text))
    for kind in ("logout+jwt", "dpop+jwt", "JWE", 1):
        yield f"typ={kind}", forged({"alg": "RS256", "kid": kid, "typ": kind}, claims, lambda text: signed(soc, text))
    for wrong in (
        {"iss": None}, {"iss": soc.issuer + "/"}, {"iss": soc.issuer.upper()}, {"iss": [soc.issuer]}, {"iss": "https://evil.example"},
        {"aud": None}, {"aud": "other"}, {"aud": []}, {"aud": ["other", "logster2"]}, {"aud": "LOGSTER"}, {"aud": ""},
        {"exp": None}, {"exp": NOW - 60}, {"exp": 0}, {"exp": "soon"}, {"exp": 1e400}, {"exp": []}, {"exp": -1},
        {"nbf": NOW + 120}, {"nbf": "later"}, {"iat": NOW + 120}, {"sub": None}, {"sub": 7}, {"sub": ["ann"]},
    ):  # fmt: skip
        token = forged({"alg": "RS256", "kid": kid, "typ": "JWT"}, soc.claims(**wrong), lambda text: signed(soc, text))
        yield f"claims {wrong}", token
    yield "claims that are no object", forged({"alg": "RS256", "kid": kid}, [1], lambda text: signed(soc, text))  # type: ignore[arg-type]
    for text in (".", "..", "...", "a.b.c", "a.b", "a.b.c.d.e", "é.é.é", f"{head}..{signature}", "=.=.="):
        yield f"{text[:9]!r}", text
    deep = base64.urlsafe_b64encode(b"[" * 9_000).decode()
    yield "nested deeply", f"{deep}.{body}.{signature}"
    yield "huge", soc.token(padding="x" * MAX_TOKEN_CHARACTERS)
    yield "huge and empty", "." * 60_000
    yield "two in one", f"{right} {right}"


def signed(soc: OidcProvider, text: bytes) -> bytes:
    return RSAAlgorithm(RSAAlgorithm.SHA256).sign(text, soc.keys[0].private)


def test_wrong_tokens_open_nothing_and_are_not_told_why(bearer, soc, write, make_alert):
    write("alerts", make_alert(1))
    by_hand = forged({"alg": "RS256", "kid": "rsa-1", "typ": "JWT"}, soc.claims(), lambda text: signed(soc, text))
    for right in (soc.token(), by_hand):  # else all of those below prove nothing
        assert bearer(right).get("/alerts").status_code == 200
    told = set()
    for wrong, token in wrong_tokens(soc):
        for method, path in (("GET", "/alerts"), ("PATCH", f"/alerts/{ID}"), ("GET", "/health")):
            response = bearer(None)(
                method, path, headers={"Authorization": f"Bearer {token}".encode()}, json={"note": "x"}
            )
            assert refusal(response) == (401, "unauthenticated"), wrong
            assert response.headers["www-authenticate"].startswith('Bearer realm="logster"'), wrong
            assert soc.issuer not in response.text, wrong
        if token.count(".") and " " not in token:
            told.add((response.text, response.headers["www-authenticate"]))
    assert len(told) == 1, told


def test_why_a_token_opens_nothing_is_in_the_log_without_the_token(bearer, soc):
    token = soc.token(aud="other")
    with capture_logs() as logs:
        bearer(token).get("/alerts")
    assert [one["reason"] for one in logs if one["event"] == "token refused"] == [
        "InvalidAudienceError: Audience doesn't match"
    ]
    assert token not in json.dumps(logs)


@pytest.mark.parametrize(
    "claims",
    [
        {"tenant": None}, {"tenant": ""}, {"tenant": "initech"}, {"tenant": "ACME"}, {"tenant": "*"},
        {"tenant": ["acme", "globex"]}, {"tenant": ["acme", "soc"]},
        {"tenant": []}, {"tenant": {"acme": 1}}, {"tenant": 1}, {"tenant": "acme,globex"},
        {"realm_access": None}, {"realm_access": []}, {"realm_access": {"roles": None}}, {"realm_access": {"roles": ["admin"]}},
        {"realm_access": {"roles": "look work"}}, {"realm_access": {"roles": [["rule"], {"rule": 1}]}}, {"realm_access": "roles"},
        {"preferred_username": ""}, {"preferred_username": "ann\nbob"}, {"preferred_username": "\u202eann"},
        {"preferred_username": 7}, {"preferred_username": "x" * 201}, {"sub": ""}, {"sub": "x" * 256}, {"sub": "a\nb"},
    ],
    ids=str,
)  # fmt: skip
def test_right_tokens_that_give_nothing_here_are_forbidden(bearer, soc, claims):
    response = bearer(soc.token(**claims)).get("/alerts")
    assert refusal(response) == (403, "forbidden")
    assert response.headers["www-authenticate"] == 'Bearer realm="logster", error="insufficient_scope"'
    assert response.json()["detail"].startswith("the token gives no access here")


def test_clocks_may_be_half_a_minute_apart(bearer, soc):
    for claims in ({"exp": int(time.time()) - 15}, {"nbf": int(time.time()) + 15}, {"iat": int(time.time()) + 15}):
        assert bearer(soc.token(**claims)).get("/alerts").status_code == 200, claims


@examples(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    header=st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "jwk"]),
        st.sampled_from(["RS256", "EdDSA", "none", "rsa-1"]) | st.none() | st.floats() | st.lists(st.text(max_size=2)),
    ),
    claims=st.recursive(st.none() | st.text(max_size=5), lambda inner: st.lists(inner) | st.dictionaries(WORDS, inner)),
    tail=st.binary(max_size=300),
)
def test_made_up_tokens_are_never_a_fault_of_ours(bearer, header, claims, tail):
    assert bearer(forged(header, claims, lambda _: tail)).get("/alerts").status_code == 401


def test_several_at_once_are_told_apart(bearer, soc, write, make_alert):
    write("alerts", make_alert(1), make_alert(2, tenant="globex"))

    async def ask_all() -> list[tuple[str, set[str]]]:
        transport = httpx.ASGITransport(bearer().app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:

            async def ask(tenant: str) -> tuple[str, set[str]]:
                headers = {"Authorization": f"Bearer {soc.token(tenant, 'look')}"}
                answer = await client.get("/alerts", headers=headers)
                return tenant, {alert["tenant"] for alert in answer.json()["alerts"]}

            return await asyncio.gather(*[ask(tenant) for tenant in ("acme", "globex") * 8])

    assert [seen for tenant, seen in asyncio.run(ask_all()) if seen != {tenant}] == []


def test_audience_may_be_one_of_several(bearer, soc):
    assert bearer(soc.token(aud=["account", AUDIENCE])).get("/alerts").status_code == 200
