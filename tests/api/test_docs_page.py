"""The page of documentation, and the policy that browsers hold it to."""

import base64
import re
from hashlib import sha256
from html.parser import HTMLParser


class Page(HTMLParser):
    """What a page loads and runs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[dict[str, str | None]] = []
        self.inline: list[str] = []
        self._is_inline = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        address = given.get("src") or (given.get("href") if tag == "link" else None)
        if address and not address.startswith("data:"):
            self.loaded.append({**given, "address": address})
        self._is_inline = tag == "script" and not address

    def handle_data(self, data: str) -> None:
        if self._is_inline:
            self.inline.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._is_inline = False


def test_policy_lets_the_page_run_what_it_names_by_digest_and_nothing_else(api):
    response = api.get("/docs")
    page = Page(response.text)
    policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
    assert len(page.loaded) == 2
    for part in page.loaded:
        assert re.fullmatch(r"https://cdn\.jsdelivr\.net/npm/swagger-ui-dist@\d+\.\d+\.\d+/[\w.-]+", part["address"])
        assert re.fullmatch(r"sha384-[A-Za-z0-9+/]{64}", part["integrity"])
        assert part["crossorigin"] == "anonymous"
    (script,) = page.inline
    digest = base64.b64encode(sha256(script.encode()).digest()).decode()
    addresses = {part["address"].rpartition(".")[2]: part["address"] for part in page.loaded}
    assert policy["script-src"] == f"{addresses['js']} 'sha256-{digest}'"
    assert policy["style-src"].split()[0] == addresses["css"]
    assert policy["connect-src"] == "'self'"


def test_page_asks_for_the_description_beside_it_and_tells_no_validator(api):
    (script,) = Page(api.get("/docs").text).inline
    assert 'url: "openapi.json"' in script
    assert "validatorUrl: null" in script
