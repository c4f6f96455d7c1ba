"""Admins make, list and revoke keys of their own tenant; nobody else does."""

import json
import re

import pytest
from structlog.testing import capture_logs

from api.access.keys import create_key, list_keys
from api.app import create_app
from pipelines.schemas.access import Role
from tests.api.conftest import NOON, Client
from tests.oidc_provider import ed_key, provider


def kind(response):
    return response.status_code, response.json()["type"].removeprefix("urn:logster:problem:")


def made(client, **body):
    response = client("POST", "/keys", json={"name": "wall", "tenant": "acme", **body})
    assert response.status_code == 201, response.text
    return response.json()


def test_key_is_told_once_opens_and_is_revoked(keyed, write, make_alert):
    write("alerts", make_alert(1))
    admin = keyed(role=Role.ADMIN, name="root")
    told = made(admin, role="analyst", days=30)
    assert re.fullmatch(rf"lgs_{told['made']['key_id']}_[0-9a-f]{{64}}", told["key"])
    new = Client(admin.app, told["key"])
    assert new("PATCH", f"/alerts/{1:064x}", json={"note": "x"}).json()["history"][0]["actor"] == "wall"
    listed = admin.get("/keys")
    assert [(key["name"], key["role"], key["tenant"], key["state"]) for key in listed.json()["keys"]] == [
        ("root", "admin", "acme", "valid"), ("wall", "analyst", "acme", "valid"),
    ]  # fmt: skip
    assert told["key"].split("_")[2] not in listed.text
    assert "sha256" not in listed.text
    for _ in range(2):
        revoked = admin("DELETE", f"/keys/{told['made']['key_id']}")
        assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")
    assert new.get("/alerts").status_code == 401


def test_what_it_expires_after_is_as_asked(keyed):
    admin = keyed(role=Role.ADMIN)
    assert made(admin, days=30.0)["made"]["state"] == "valid"
    assert made(admin, days=0)["made"]["expires_at"] is None
    assert made(admin, days=1)["made"]["expires_at"] > made(admin, days=1)["made"]["created_at"]
    assert made(admin)["made"]["role"] == "reader"


@pytest.mark.parametrize("role", [Role.READER, Role.ANALYST])
def test_others_neither_make_nor_see_keys(keyed, settings, role):
    client = keyed(role=role)
    (own,) = list_keys(settings)
    for method, path in (("GET", "/keys"), ("POST", "/keys"), ("DELETE", f"/keys/{own.key_id}")):
        response = client(method, path, json={"name": "x", "tenant": "acme"})
        assert kind(response) == (403, "forbidden"), (method, role)
    assert [key.revoked_at for key in list_keys(settings)] == [None]


def test_admin_of_a_tenant_makes_no_key_of_another_or_of_all(keyed, settings):
    admin = keyed(role=Role.ADMIN)
    for tenant in ("globex", "ACME", None):
        assert kind(admin("POST", "/keys", json={"name": "x", "tenant": tenant})) == (403, "forbidden")
    assert len(list_keys(settings)) == 1


def test_keys_of_others_and_of_all_are_unknown_to_an_admin_of_a_tenant(keyed, settings):
    admin = keyed(role=Role.ADMIN)
    others = [
        create_key(settings, name="x", tenant=tenant, role=Role.READER, now=NOON)[0] for tenant in ("globex", None)
    ]
    assert len(admin.ok("/keys")["keys"]) == 1
    answers = set()
    for key_id in (*[key.key_id for key in others], "0" * 12):
        response = admin("DELETE", f"/keys/{key_id}")
        assert kind(response) == (404, "unknown-key")
        answers.add(response.text.replace(key_id, "…"))
    assert len(answers) == 1
    assert [key.revoked_at for key in list_keys(settings)] == [None] * 3


def test_admin_of_all_tenants_keeps_the_keys_of_all(keyed):
    admin = keyed(None, Role.ADMIN)
    told = [made(admin, tenant=tenant)["made"] for tenant in ("acme", "globex", None)]
    assert [key["tenant"] for key in admin.ok("/keys")["keys"]] == [None, "acme", "globex", None]
    for key in told:
        assert admin("DELETE", f"/keys/{key['key_id']}").json()["state"] == "revoked"


def test_the_first_key_is_not_made_by_whoever_is_on_this_machine(api, settings):
    for method, path in (("GET", "/keys"), ("POST", "/keys"), ("DELETE", "/keys/000000000000")):
        assert kind(api(method, path, json={"name": "x", "tenant": "acme"})) == (403, "forbidden")
    assert list_keys(settings) == []


def test_who_signed_in_as_admin_makes_keys_of_the_tokens_tenant(settings):
    with provider(ed_key()) as soc:
        app = create_app(settings.model_copy(update=soc.settings))
        admin = Client(app, soc.token("acme", "rule"))
        assert made(admin)["made"]["tenant"] == "acme"
        assert kind(admin("POST", "/keys", json={"name": "x", "tenant": None})) == (403, "forbidden")
        assert kind(Client(app, soc.token("acme", "work")).get("/keys")) == (403, "forbidden")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x"}, {"tenant": "acme"}, {"name": "", "tenant": "acme"}, {"name": "a\nb", "tenant": "acme"},
        {"name": "x", "tenant": "a/b"}, {"name": "x", "tenant": ""}, {"name": "x", "tenant": "acme\n"},
        {"name": "x", "tenant": "acme", "days": -1}, {"name": "x", "tenant": "acme", "days": 3651},
        {"name": "x", "tenant": "acme", "days": "30"}, {"name": "x", "tenant": "acme", "days": True},
        {"name": "x", "tenant": "acme", "days": 0.5}, {"name": "x", "tenant": "acme", "role": "root"},
        {"name": "x", "tenant": "acme", "sha256": "0" * 64},
    ],
)  # fmt: skip
def test_what_cannot_be_a_key_is_refused(keyed, settings, body):
    assert kind(keyed(None, Role.ADMIN)("POST", "/keys", json=body)) == (422, "invalid-request")
    assert len(list_keys(settings)) == 1


def test_who_made_and_revoked_which_key_is_noted(keyed):
    admin = keyed(role=Role.ADMIN, name="root")
    with capture_logs() as logs:
        told = made(admin)
        admin("DELETE", f"/keys/{told['made']['key_id']}")
    about = told["made"]["key_id"]
    assert [(one["event"], one.get("about"), one["name"]) for one in logs] == [
        ("key made", about, "root"), ("write", None, "root"), ("key revoked", about, "root"), ("write", None, "root"),
    ]  # fmt: skip
    maker = [(one["key_id"], one["subject"]) for one in logs if "about" in one]
    assert maker == [(admin.key.removeprefix("lgs_").partition("_")[0], None)] * 2
    assert told["key"] not in json.dumps(logs)
