"""The machine's own Chromium, driven by Playwright, and the Node that Playwright brings; without them tests are skipped."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_NO_PLAYWRIGHT = "needs playwright, of the development group"


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser without a window."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium: `apt-get install chromium`")
    playwright = pytest.importorskip("playwright.sync_api", reason=_NO_PLAYWRIGHT)
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def node() -> str:
    """Path of a Node that runs JavaScript modules without a browser."""
    driver = pytest.importorskip("playwright._impl._driver", reason=_NO_PLAYWRIGHT)
    return str(driver.compute_driver_executable()[0])
