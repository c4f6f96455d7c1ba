"""Sign-in is set whole and right, or the API does not start."""

import os
import socket
import subprocess
import sys
import time

import httpx
import pytest

from api.access.provider import read_provider
from logster.services import api_service
from pipelines.errors import SettingsError
from pipelines.schemas.access import Role
from tests.oidc_provider import SETTINGS, ed_key, provider

WHOLE = {"oidc_issuer": "https://id.example/realms/soc", **SETTINGS}


def test_provider_is_read_from_the_settings(settings):
    assert read_provider(settings) is None
    found = read_provider(settings.model_copy(update=WHOLE))
    assert found is not None
    assert found.tenants == {"acme": "acme", "globex": "globex", "soc": None}
    assert found.roles == {"look": Role.READER, "work": Role.ANALYST, "rule": Role.ADMIN}
    named = '{"cn=soc,ou=a": "admin", "x": "reader"}'
    found = read_provider(
        settings.model_copy(update={**WHOLE, "oidc_roles": named, "oidc_tenants": " a=b=acme , globex"})
    )
    assert found is not None
    assert found.roles == {"cn=soc,ou=a": Role.ADMIN, "x": Role.READER}
    assert found.tenants == {"a=b": "acme", "globex": "globex"}


@pytest.mark.parametrize("missing", list(WHOLE))
@pytest.mark.parametrize("empty", [None, "", " "])
def test_half_of_it_is_refused_with_what_is_missing(settings, missing, empty):
    with pytest.raises(SettingsError, match=rf"is set, and LOGSTER_{missing.upper()} not: "):
        read_provider(settings.model_copy(update={**WHOLE, missing: empty}))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"oidc_issuer": "http://id.example"}, "LOGSTER_OIDC_ISSUER is 'http://id.example': `https://"),
        ({"oidc_issuer": "http://127.0.0.1.evil.example"}, "LOGSTER_OIDC_ISSUER"),
        ({"oidc_issuer": "id.example"}, "LOGSTER_OIDC_ISSUER"),
        ({"oidc_issuer": "https://"}, "LOGSTER_OIDC_ISSUER"),
        ({"oidc_issuer": "https://["}, "LOGSTER_OIDC_ISSUER"),
        ({"oidc_issuer": "https://a:b@id.example"}, "LOGSTER_OIDC_ISSUER"),
        ({"oidc_issuer": "https://id.example/?a=b"}, "an issuer has no query"),
        ({"oidc_issuer": "https://id.example/#a"}, "LOGSTER_OIDC_ISSUER"),
        ({"oidc_issuer": "ftp://id.example/"}, "LOGSTER_OIDC_ISSUER"),
        ({"oidc_tenants": "a/b"}, "'a/b' stands for 'a/b', which is no tenant"),
        ({"oidc_tenants": "a="}, "LOGSTER_OIDC_TENANTS cannot be read"),
        ({"oidc_tenants": "=a"}, "LOGSTER_OIDC_TENANTS cannot be read"),
        ({"oidc_tenants": ","}, "LOGSTER_OIDC_TENANTS cannot be read"),
        ({"oidc_tenants": "a=x,a=y"}, "each value once"),
        ({"oidc_tenants": "{}"}, "LOGSTER_OIDC_TENANTS cannot be read"),
        ({"oidc_tenants": '{"a": 1}'}, "LOGSTER_OIDC_TENANTS cannot be read"),
        ({"oidc_tenants": '{"a": {"b": "c"}}'}, "LOGSTER_OIDC_TENANTS cannot be read"),
        ({"oidc_tenants": '{"a": "b"'}, "LOGSTER_OIDC_TENANTS cannot be read"),
        ({"oidc_tenants": '{"a": "b", "a": "c"}'}, "each value once"),
        ({"oidc_roles": "soc=root"}, "'soc' stands for 'root', which is no role: reader, analyst, admin"),
        ({"oidc_roles": "soc"}, "which is no role"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(settings, wrong, told):
    with pytest.raises(SettingsError) as refused:
        read_provider(settings.model_copy(update={**WHOLE, **wrong}))
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "issuer", ["http://127.0.0.1:8/a", "http://localhost:8", "http://[::1]:8", "https://id.example/"]
)
def test_tls_is_asked_for_but_on_this_machine(settings, issuer):
    found = read_provider(settings.model_copy(update={**WHOLE, "oidc_issuer": issuer}))
    assert found is not None
    assert found.issuer == issuer, "letter for letter, as tokens have it"


def test_api_with_half_of_it_does_not_start(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "logster.serve"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "LOGSTER_LAKE": str(tmp_path / "lake"), "LOGSTER_OIDC_ISSUER": "https://id.example"},
    )  # fmt: skip
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith(
        "logster: LOGSTER_OIDC_ISSUER is set, and LOGSTER_OIDC_AUDIENCE, LOGSTER_OIDC_TENANT_CLAIM, "
    )


@pytest.mark.slow
def test_process_of_the_api_takes_tokens_of_the_provider_in_its_environment(settings, write, make_alert, tmp_path):
    """As `logster up` starts it: settings go through the environment, also a mapping in JSON."""
    write("alerts", make_alert(1), make_alert(2, tenant="globex"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    roles = '{"look": "reader", "work": "analyst"}'
    with provider(ed_key()) as soc, (tmp_path / "api.log").open("wb") as log:
        service = api_service(settings.model_copy(update={**soc.settings, "oidc_roles": roles, "api_port": port}))
        process = subprocess.Popen(
            service.command, cwd=tmp_path, env={**os.environ, **service.environment}, stdout=log, stderr=log
        )
        try:
            end = time.monotonic() + 120
            while not service.answers:
                assert process.poll() is None, (tmp_path / "api.log").read_text()
                assert time.monotonic() < end, (tmp_path / "api.log").read_text()
                time.sleep(0.1)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
                token = {"Authorization": f"Bearer {soc.token('acme', 'work')}"}
                assert client.get("/alerts").status_code == 401
                assert [one["tenant"] for one in client.get("/alerts", headers=token).json()["alerts"]] == ["acme"]
                changed = client.patch(f"/alerts/{1:064x}", headers=token, json={"note": "x"}).json()
                assert changed["history"][0]["actor"] == "ann"
                soc.keys = []
                assert client.get("/alerts", headers=token).status_code == 200, "its key is known"
        finally:
            process.terminate()
            process.wait(30)
    assert f"a token of {soc.issuer}, or for a key; 0 were made" in (tmp_path / "api.log").read_text()
