"""A provider's keys: which are used, how they are kept and fetched anew, and what a provider cannot do to the API."""

import asyncio
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from api.access.provider import read_provider
from api.access.provider_keys import PublicKeys, fetch_keys
from api.app import create_app
from pipelines.settings import Settings
from tests.api.conftest import Client
from tests.oidc_provider import OidcProvider, SigningKey, ec_key, ed_key, provider, rsa_key


@pytest.fixture
def soc() -> Iterator[OidcProvider]:
    with provider(ec_key("first")) as found:
        yield found


@pytest.fixture
def client(settings: Settings, soc: OidcProvider) -> Client:
    return Client(create_app(settings.model_copy(update=soc.settings)))


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.access.provider_keys._LEAST_PAUSE_SECONDS", 0.0)


def asked(client: Client, token: str, path: str = "/alerts") -> httpx.Response:
    return client.get(path, headers={"Authorization": f"Bearer {token}"})


def is_down(handler: BaseHTTPRequestHandler) -> bool:
    handler.send_error(503)
    return True


def test_keys_are_fetched_once_for_all_who_ask_at_once(settings, soc):
    app = create_app(settings.model_copy(update=soc.settings))

    async def ask_all() -> set[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            headers = {"Authorization": f"Bearer {soc.token()}"}
            return {
                answer.status_code
                for answer in await asyncio.gather(*[client.get("/alerts", headers=headers) for _ in range(30)])
            }

    assert asyncio.run(ask_all()) == {200}
    assert soc.n_fetches == 1


@pytest.mark.usefixtures("no_pause")
def test_a_new_key_opens_at_once_and_one_that_was_taken_back_no_more(client, soc):
    old = soc.token()
    assert asked(client, old).status_code == 200
    soc.keys = [ec_key("second"), *soc.keys]
    assert asked(client, soc.token()).status_code == 200
    assert asked(client, old).status_code == 200, "both count while both are published"
    soc.keys = [rsa_key("third")]
    assert asked(client, soc.token()).status_code == 200
    assert asked(client, old).status_code == 401
    assert soc.n_fetches == 4, "one at first, one a new key, and one for the key that is gone"


def test_keys_that_are_made_up_do_not_make_us_ask_without_end(client, soc, monkeypatch):
    monkeypatch.setattr("api.access.provider_keys._LEAST_PAUSE_SECONDS", 600.0)
    assert asked(client, soc.token()).status_code == 200
    for number in range(50):
        assert asked(client, soc.token(key=ec_key(f"made-up-{number}"))).status_code == 401
    assert soc.n_fetches == 1
    assert asked(client, soc.token()).status_code == 200


def test_a_provider_that_is_down_is_503_until_a_key_is_known(client, soc, monkeypatch):
    soc.answer = is_down
    for path in ("/alerts", "/health"):
        answer = asked(client, soc.token(), path)
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:logster:problem:sign-in-unavailable")
        assert 1 <= int(answer.headers["retry-after"]) <= 10
        assert soc.issuer not in answer.text
    n_asked = len(soc.asked)
    assert n_asked == 1, "the second did not ask again"
    monkeypatch.setattr("api.access.provider_keys._LEAST_PAUSE_SECONDS", 0.0)
    soc.answer = lambda _: False
    assert asked(client, soc.token()).status_code == 200
    soc.answer = is_down
    assert asked(client, soc.token()).status_code == 200, "its key is known"
    assert asked(client, soc.token(key=ec_key("new"))).status_code == 503, "it may be one of the provider's"
    assert asked(client, soc.token(aud="other")).status_code == 401


def test_nobody_waits_for_a_provider_that_hangs(client, soc, monkeypatch):
    monkeypatch.setattr("api.access.provider_keys._WAITED_SECONDS", 0.2)
    goes_on = threading.Event()
    soc.answer = lambda _: not goes_on.wait(20)
    begun = time.monotonic()
    assert [asked(client, soc.token()).status_code for _ in range(3)] == [503] * 3
    assert time.monotonic() - begun < 15
    assert len(soc.asked) == 1, "they wait for the same answer"
    goes_on.set()
    end = time.monotonic() + 10
    while asked(client, soc.token()).status_code != 200:  # who comes later has it
        assert time.monotonic() < end
        time.sleep(0.05)


def test_keys_of_the_api_open_while_the_provider_is_silent(settings, keyed, soc):
    key = keyed().key
    soc.answer = is_down
    client = Client(create_app(settings.model_copy(update=soc.settings)))
    assert asked(client, soc.token()).status_code == 503
    assert asked(client, key).status_code == 200


def test_old_keys_are_fetched_anew_beside_and_count_for_a_day(client, soc, monkeypatch):
    assert asked(client, soc.token()).status_code == 200
    monkeypatch.setattr("api.access.provider_keys._LEAST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("api.access.provider_keys._FRESH_SECONDS", 0.0)
    soc.answer = is_down
    assert asked(client, soc.token()).status_code == 200
    end = time.monotonic() + 10
    while len(soc.asked) < 3:  # two at first
        assert time.monotonic() < end
        time.sleep(0.01)
    assert asked(client, soc.token()).status_code == 200, "the provider has failed, and its key is kept"
    monkeypatch.setattr("api.access.provider_keys._KEPT_SECONDS", -1.0)
    assert asked(client, soc.token()).status_code == 503


def test_a_key_that_was_taken_back_while_nobody_asked_opens_nothing(settings, soc):
    known = read_provider(settings.model_copy(update=soc.settings))
    assert known is not None
    now = [0.0]
    keys = PublicKeys(known, clock=lambda: now[0])

    async def found() -> bool:
        return await keys.key("first", "ES256") is not None

    assert asyncio.run(found())
    soc.keys = [ec_key("second")]
    now[0] = 23 * 3600.0
    assert not asyncio.run(found())
    assert soc.n_fetches == 2


def test_a_fetch_that_cannot_begin_is_tried_again(soc, no_pause, monkeypatch):
    def fails(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fails)
        known = read_provider(Settings(**soc.settings, _env_file=None))
        assert known is not None
        keys = PublicKeys(known)
        with pytest.raises(RuntimeError):
            asyncio.run(keys.key("first", "ES256"))
    assert asyncio.run(keys.key("first", "ES256")) is not None


def test_keys_without_an_id_are_used_where_there_is_one(settings, soc):
    soc.keys = [SigningKey(ec_key().private, None, "ES256"), rsa_key(None), rsa_key("other", use="enc")]
    client = Client(create_app(settings.model_copy(update=soc.settings)))
    assert [asked(client, soc.token(key=key)).status_code for key in soc.keys[:2]] == [200, 200]
    soc.keys = [ec_key("a"), ec_key("b")]
    client = Client(create_app(settings.model_copy(update=soc.settings)))
    nameless = SigningKey(soc.keys[0].private, None, "ES256")
    assert [asked(client, soc.token(key=key)).status_code for key in (nameless, soc.keys[0])] == [401, 200]


def test_keys_that_prove_nothing_are_left_out(settings, soc):
    good, weak, p384 = ed_key(), rsa_key("weak", bits=1024), ec_key("p384", curve=ec.SECP384R1())
    private = [key.private_jwk for key in (rsa_key("d1"), ec_key("d2"), ed_key("d3"))]
    assert all("d" in jwk for jwk in private)
    soc.jwks = {
        "keys": [
            good.jwk, weak.jwk, p384.jwk, *private, {"kty": "oct", "kid": "oct", "k": "c2VjcmV0"}, {}, 7, None,
            {"kty": "RSA"}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, {"kty": "OKP", "crv": "X25519", "x": "AA"},
            {"kty": ["RSA"]}, {**ec_key("enc").jwk, "use": "enc"}, {**ec_key("ops").jwk, "key_ops": ["sign"]},
            {**ec_key("alg").jwk, "alg": "ES384"}, {**ec_key("id").jwk, "kid": 7}, {**rsa_key("odd").jwk, "alg": ["RS256"]},
        ]
    }  # fmt: skip
    known = read_provider(settings.model_copy(update=soc.settings))
    assert known is not None
    assert [key.key_id for key in fetch_keys(known)] == ["ed-1"]


def sends(status: int = 200, body: bytes = b"", **headers: str) -> Any:
    def answer(handler: BaseHTTPRequestHandler) -> bool:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)
        return True

    return answer


def drips(handler: BaseHTTPRequestHandler) -> bool:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)
    return True


def drips_headers(handler: BaseHTTPRequestHandler) -> bool:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-A: ")
    for _ in range(200):
        handler.wfile.write(b"a")
        handler.wfile.flush()
        time.sleep(0.05)
    return True


@pytest.mark.parametrize(
    ("told", "answer", "reason"),
    [
        ({"issuer": "https://evil.example"}, None, "of another issuer than LOGSTER_OIDC_ISSUER"),
        ({"issuer": None}, None, "of another issuer"),
        ({"jwks_uri": None}, None, "no `jwks_uri`"),
        ({"jwks_uri": "http://keys.example/jwks"}, None, "asked safely"),
        ({"jwks_uri": "file:///etc/passwd"}, None, "asked safely"),
        ({"jwks_uri": "https://a:b@keys.example/jwks"}, None, "asked safely"),
        ({"jwks_uri": "http://["}, None, "asked safely"),
        ({}, sends(302, Location="http://127.0.0.1:9/"), "answers 302"),
        ({}, sends(404), "answers 404"),
        ({}, sends(200, b"<html>"), "else than JSON"),
        ({}, sends(200, b"[]"), "else than a JSON object"),
        ({}, sends(200, b"[" * 100_000), "else than JSON"),
        ({}, sends(200, b" " * 1_100_000), "more than 1048576 bytes"),
        ({}, sends(200, b"x", Content_Encoding="gzip"), "else than JSON"),
        ({}, drips, "takes longer than"),
        ({}, drips_headers, "takes longer than"),
    ],
)  # fmt: skip
def test_what_is_no_provider_is_said_in_the_log_alone(client, soc, monkeypatch, told, answer, reason):
    monkeypatch.setattr("api.access.provider_keys._WHOLE_SECONDS", 1.0)
    soc.discovery = told
    if answer is not None:
        soc.answer = answer
    with capture_logs() as logs:
        refused = asked(client, soc.token())
    assert refused.status_code == 503
    assert soc.issuer not in refused.text
    (line,) = [one["reason"] for one in logs if one["event"] == "sign-in keys cannot be fetched"]
    assert reason in line
    assert "\n" not in line


@pytest.mark.parametrize("jwks", [[], {}, {"keys": {}}, {"keys": []}, {"keys": [{"kty": "oct", "k": "AA"}]}])
def test_without_a_key_to_use_nobody_is_let_in(client, soc, jwks):
    soc.jwks = jwks
    assert asked(client, soc.token()).status_code == 503
