"""The dashboards as a person meets them, in Chromium: sign in, see every chart drawn, filter by a click."""

import re
import shutil
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.dashboards.running import SUPERSET, Superset

pytestmark = pytest.mark.e2e

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DASHBOARDS = {
    path.stem: yaml.safe_load(path.read_text()) for path in sorted((SUPERSET / "assets" / "dashboards").glob("*.yaml"))
}
CHART = ".dashboard-component-chart-holder"
LONG_MS = 120_000  # a busy machine; alone on two cores a dashboard is drawn in three seconds


@pytest.fixture(scope="module")
def page(superset: Superset) -> Iterator[Any]:
    """A signed-in browser."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium: `apt-get install chromium`")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the development group")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        found = browser.new_page(viewport={"width": 1440, "height": 2400})  # charts out of sight are not drawn
        found.set_default_timeout(LONG_MS)
        found.goto(f"{superset.address}/login/")
        found.fill("#username", superset.sign_in.user)
        found.fill("input[type=password]", superset.sign_in.password)
        found.keyboard.press("Enter")
        found.wait_for_url(lambda address: "login" not in address)
        yield found
        browser.close()


def open_dashboard(page, superset: Superset, name: str) -> None:
    page.goto(f"{superset.address}/superset/dashboard/{DASHBOARDS[name]['slug']}/")
    wait_until_drawn(page, n_charts=sum(1 for key in DASHBOARDS[name]["position"] if key.startswith("CHART-")))


def wait_until_drawn(page, n_charts: int) -> None:
    deadline = time.monotonic() + LONG_MS / 1000
    while True:
        drawn = page.locator(f"{CHART} .slice_container").count()
        if drawn == n_charts and page.locator(f"{CHART} .loading").count() == 0:
            return
        assert not errors_of(page)
        assert time.monotonic() < deadline, f"{drawn} of {n_charts} charts were drawn"
        time.sleep(0.2)


def errors_of(page) -> list[str]:
    return page.locator(f"{CHART} .ant-alert-error").all_inner_texts()


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_chart_of_a_dashboard_is_drawn(page, superset: Superset, name: str):
    failed: list[str] = []
    asked_elsewhere: list[str] = []

    def note(response) -> None:
        if response.status >= 400:
            failed.append(f"{response.status} {response.url}")
        if not response.url.startswith((superset.address, "data:", "blob:")):
            asked_elsewhere.append(response.url)

    page.on("response", note)
    try:
        open_dashboard(page, superset, name)
    finally:
        page.remove_listener("response", note)
    assert errors_of(page) == []
    assert page.locator(f"{CHART} .ant-empty").count() == 0, "a chart has no data"
    assert failed == []
    assert asked_elsewhere == []


def test_a_click_on_an_endpoint_filters_the_other_charts(page, superset: Superset):
    open_dashboard(page, superset, "overview")
    number = page.locator("[data-test-chart-name='Open alerts'] .header-line")
    before = int(number.inner_text())
    page.locator(f"{CHART} td", has_text=re.compile("^ws-2$")).click()
    deadline = time.monotonic() + LONG_MS / 1000
    while (after := int(number.inner_text() or before)) == before:
        assert time.monotonic() < deadline, "nothing was filtered"
        time.sleep(0.2)
    assert 0 < after < before
    assert errors_of(page) == []


def test_the_queue_leads_to_the_page_of_each_alert(page, superset: Superset):
    open_dashboard(page, superset, "queue")
    links = page.locator(f"{CHART} td a", has_text=re.compile("^open$"))
    addresses = links.evaluate_all("(all) => all.map((one) => one.getAttribute('href'))")
    assert addresses
    assert [one for one in addresses if not re.fullmatch(r"http://127\.0\.0\.1:8080/ui/alerts/[0-9a-f]{64}", one)] == []
