"""The page of one alert as it is served: its files, its policy, and that it holds nothing that takes a key."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import api.alert_page
from pipelines.schemas.access import Role
from pipelines.schemas.alerts import TRANSITIONS, AlertStatus
from tests.api.conftest import Client

pytestmark = pytest.mark.fast

PAGE = f"/ui/alerts/{1:064x}"
FOLDER = Path(api.alert_page.__file__).with_name("pages")
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.mjs"))


class Loaded(HTMLParser):
    """What a document loads, runs and styles by itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.files: list[str] = []
        self.inline: list[str] = []
        self.ids: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        address = given.get("src") or (given.get("href") if tag == "link" else None)
        if address and address != "data:,":
            self.files.append(address)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        self.ids += [given["id"] or ""] if "id" in given else []
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style") and data.strip():
            self.inline.append(data)


def test_page_loads_its_own_files_only_and_runs_nothing_inline(api):
    response = api.get(PAGE)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    page = Loaded(response.text)
    assert page.files == ["../static/alert.css", "../static/alert.mjs"]
    assert page.inline == []
    assert len(page.ids) == len(set(page.ids))


def test_policy_lets_nothing_but_these_files_run_and_no_text_become_markup(api):
    policy = dict(part.partition(" ")[::2] for part in api.get(PAGE).headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "data:", "connect-src": "'self'",
        "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'", "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.iterdir() if path.suffix != ".html"))
def test_files_are_served_as_what_they_are(api, name):
    response = api.get(f"/ui/static/{name}")
    assert response.status_code == 200
    kind = "text/css" if name.endswith(".css") else "text/javascript"
    assert response.headers["content-type"] == f"{kind}; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.content == (FOLDER / name).read_bytes()


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_import_files_that_are_there_and_make_no_markup(name):
    text = (FOLDER / name).read_text()
    imported = re.findall(r"""from "([^"]+)";""", text)
    assert [one for one in imported if not (one.startswith("./") and (FOLDER / one).is_file())] == []
    made = re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|setHTML|\beval\b|new Function", text
    )
    assert made == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_name_parts_that_the_page_has(name):
    ids = set(Loaded((FOLDER / "alert.html").read_text()).ids)
    assert set(re.findall(r"""\bpart\("([^"]+)"\)""", (FOLDER / name).read_text())) <= ids


@pytest.mark.parametrize(
    "name",
    [
        "nothing.mjs",
        "alert.html",
        "alert",
        "..%2falert_page.py",
        "%2e%2e%2fapp.py",
        "..",
        "%00",
        "alert.mjs%00.css",
        "a/b.mjs",
    ],
)
def test_nothing_else_is_served(api, name):
    response = api.get(f"/ui/static/{name}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


def test_page_needs_no_key_and_is_the_same_for_all_while_what_it_asks_for_takes_one(keyed, write, make_alert):
    write("alerts", make_alert(1))
    stranger = Client(keyed().app)
    pages = [client.get(f"/ui/alerts/{one}").text for client in (stranger, keyed()) for one in (f"{1:064x}", "nope")]
    assert len(set(pages)) == 1
    assert [stranger.get(f"/ui/static/{name}").status_code for name in SCRIPTS] == [200] * len(SCRIPTS)
    asked = ["/caller", *[f"/alerts/{1:064x}{below}" for below in ("", "/events", "/process-tree", "/timeline")]]
    assert [stranger.get(path).status_code for path in asked] == [401] * len(asked)
    assert stranger("POST", PAGE).status_code == 405


def test_page_is_no_part_of_the_description(api):
    assert [path for path in api.ok("/openapi.json")["paths"] if path.startswith("/ui")] == []


def test_pages_of_another_site_cannot_make_a_browser_show_it_without_keys(api):
    assert api.get(PAGE, headers={"Host": "evil.example"}).status_code == 403


@pytest.mark.parametrize(
    ("tenant", "role", "may_change"),
    [("acme", Role.READER, False), ("acme", Role.ANALYST, True), (None, Role.ADMIN, True)],
)
def test_caller_is_told_who_it_is_and_what_it_may(keyed, tenant, role, may_change):
    assert keyed(tenant, role, name="ann").ok("/caller") == {
        "name": "ann", "is_named": True, "role": role, "tenant": tenant, "may_change": may_change,
    }  # fmt: skip


def test_caller_without_keys_says_itself_who_it_is(api):
    assert api.ok("/caller") == {
        "name": "anonymous", "is_named": False, "role": "admin", "tenant": None, "may_change": True,
    }  # fmt: skip


@pytest.mark.parametrize("status", AlertStatus)
def test_alert_says_where_it_may_go_in_the_order_of_its_life(api, patch, write, make_alert, status):
    write("alerts", *[make_alert(number) for number in range(len(AlertStatus))])
    for number, other in enumerate(AlertStatus):
        changed = patch(number, **({"note": "x"} if status is AlertStatus.OPEN else {"status": status}))
        allowed = changed.json()["allowed_statuses"]
        assert allowed == api.ok(f"/alerts/{number:064x}")["allowed_statuses"]
        assert allowed == [one for one in AlertStatus if one in TRANSITIONS[status]]
        assert (patch(number, status=other).status_code == 200) == (other in allowed)


def test_timeline_says_from_where_on_windows_alert(api, write, make_alert):
    write("alerts", make_alert(1))
    assert api.ok(f"/alerts/{1:064x}/timeline")["threshold"] == 0.7
