"""The page of one alert as an analyst meets it: in Chromium, over an API process of its own and a small lake."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from api.access.keys import create_key, revoke_key
from pipelines.schemas.access import Role
from pipelines.settings import Settings
from tests.chromium import chromium
from tests.logster_process import environment

pytestmark = pytest.mark.e2e

ID, OTHER_ID = f"{1:064x}", f"{2:064x}"
HOSTILE = "sh -c '<img src=x onerror=alert(1)><script>alert(2)</script>'\x1b[2J\u202etxt.exe"
WRITTEN_OUT = "sh -c '<img src=x onerror=alert(1)><script>alert(2)</script>'\\u001b[2J\\u202etxt.exe"
LONG_MS = 30_000  # a busy machine


class Api:
    """An API process over the test's lake."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self.log = folder / "api.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "logster.serve"], cwd=folder, stdout=output, stderr=output,
                env=environment(settings, LOGSTER_API_PORT=str(port)),
            )  # fmt: skip
        self._http = httpx.Client(base_url=self.address, trust_env=False, timeout=30)

    def wait(self) -> None:
        deadline = time.monotonic() + 120
        while True:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            try:
                self._http.get("/health")
            except httpx.HTTPError:
                time.sleep(0.1)
            else:
                return

    def alert(self, alert_id: str = ID) -> Any:
        answer = self._http.get(f"/alerts/{alert_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def patch(self, **body: Any) -> None:
        answer = self._http.patch(f"/alerts/{ID}", json=body)
        assert answer.status_code == 200, answer.text

    def stop(self) -> None:
        self._http.close()
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture
def running(settings: Settings, tmp_path: Path) -> Iterator[Api]:
    started = Api(settings, tmp_path)
    try:
        started.wait()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Any, running: Api) -> Iterator[Any]:
    """A fresh tab; whatever the page's policy stops, a script trips over, or asks of another host fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    found = context.new_page()
    found.set_default_timeout(LONG_MS)
    trouble: list[str] = []

    def note(message: Any) -> None:
        # that a request was refused or broken off is what some tests are about, and Chromium's own words
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource:"):
            trouble.append(message.text)

    found.on("console", note)
    found.on("pageerror", lambda error: trouble.append(str(error)))
    found.on("request", lambda asked: asked.url.startswith((running.address, "data:")) or trouble.append(asked.url))
    found.on("dialog", lambda dialog: (trouble.append(dialog.message), dialog.dismiss()))
    yield found
    context.close()
    assert trouble == []


@pytest.fixture
def open_page(page: Any, running: Api) -> Callable[..., None]:
    def open_it(alert_id: str = ID) -> None:
        page.goto(f"{running.address}/ui/alerts/{alert_id}")

    return open_it


@pytest.fixture
def alert(write, make_alert, make_score, make_event) -> None:
    """An alert with all that belongs to it, and one of a related endpoint."""
    named = [
        {"event_id": "e3", "weight": 0.9, "summary": "bash started curl"},
        {"event_id": "e5", "weight": 0.3, "summary": HOSTILE},
    ]
    sentence = (
        "Shell to network: bash process created `curl evil.example`, 2026-03-01 12:00:03 UTC (high, T1059.004 Unix Shell; "
        "rule 11-aa, event e3 and 4 more)."
    )
    write(
        "alerts",
        make_alert(
            1, 3, severity="CRITICAL", attack_prob=0.9999, related_endpoints=["db-1", "gone-1"], contributing_events=named,
            ttp_techniques=["T1059.004"], ttp_tactics=["execution"], ttp_explanations=[sentence],
        ),
        make_alert(2, 3, endpoint="db-1", related_endpoints=["web-1"]),
        make_alert(3, 2, endpoint="db-1"),
    )  # fmt: skip
    scores = {minute: 0.3 + minute / 100 for minute in range(-20, 20)} | {0: 0.97}
    write("window_scores", *[make_score(minute, attack_prob=prob) for minute, prob in scores.items()])
    write(
        "events",
        *[
            make_event(
                f"e{n}", n, process_key=f"p{n}", parent_key=f"p{n // 2}" if n else None, process_pid=100 + n,
                process_name=f"prog{n}", process_path=f"/bin/prog{n}", user="www-data",
                command_line=HOSTILE if n == 5 else f"prog{n} --flag",
                fields=[("note", HOSTILE)] if n == 5 else None,
            )
            for n in range(120)
        ],
    )  # fmt: skip


def wait_for_message(page: Any, text: str) -> None:
    page.locator("#message", has_text=text).wait_for()


def overflows(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def test_page_shows_what_the_api_knows(alert, page, open_page):
    open_page()
    page.locator("#timeline svg").wait_for()
    assert page.title() == "CRITICAL web-1 · Logster"
    facts = dict(
        zip(page.locator("#facts dt").all_inner_texts(), page.locator("#facts dd").all_inner_texts(), strict=True)
    )
    assert facts["probability"] == "99.9 %"
    assert facts["assignee"] == "nobody"
    assert facts["model"] == "logster-linux version 1"
    assert facts["first seen (UTC)"] == "2026-03-01 12:00:00"
    assert page.locator("#timeline svg .own").count() == 1
    assert page.locator("#timeline svg .other").count() == 39
    assert page.locator("#timeline svg .threshold").count() == 1
    assert page.locator("#timeline svg .span").count() == 1
    assert page.locator("#contributing .weight").all_inner_texts() == ["0.900", "0.300"]
    technique = page.locator("#techniques a")
    assert (technique.inner_text(), technique.get_attribute("href")) == (
        "T1059.004", "https://attack.mitre.org/techniques/T1059/004/"
    )  # fmt: skip
    assert "rule 11-aa, and 4 more events" in page.locator("#techniques").inner_text()
    page.locator("#tree li").first.wait_for()
    assert page.locator("#tree li").count() == 120
    assert page.locator("#tree .process.contributing .badge").count() == 2
    page.locator("#events tr.event").first.wait_for()
    assert page.locator("#events tr.event").count() == 50
    link = page.locator("#related a")
    link.wait_for()
    assert (link.inner_text(), link.get_attribute("href")) == (
        "db-1",
        f"./{OTHER_ID}",
    )  # not the alert that lists nobody
    assert "gone-1" in page.locator("#related").inner_text()
    link.click()
    page.locator("#endpoint", has_text="db-1").wait_for()


def test_hostile_text_stays_text(alert, page, open_page, running):
    running.patch(note="<img src=x onerror=alert(3)>\nsecond line", assignee="<b>ann</b>")
    open_page()
    page.locator("#tree li").first.wait_for()
    page.locator("#events tr.event").first.wait_for()
    page.get_by_role("button", name="Unfold all").click()
    page.locator("tr.event", has_text="prog5").first.get_by_role("button", name="All fields").click()
    for place in ("#contributing", "#tree", "#events"):
        assert WRITTEN_OUT in page.locator(place).inner_text()
    assert "<img src=x onerror=alert(3)>\nsecond line" in page.locator("#history .note").inner_text()
    assert page.locator("main img, main script, main b").count() == 0
    shown = page.locator("body").inner_text()
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", shown)


@pytest.mark.parametrize("width", [1280, 400])
def test_tree_of_two_hundred_processes_can_be_read(write, make_alert, make_event, page, open_page, width):
    named = [{"event_id": name, "weight": 0.5, "summary": "x"} for name in ("e199", "e30")]
    write("alerts", make_alert(1, 9, first_seen=datetime(2026, 3, 1, 12, tzinfo=UTC), contributing_events=named))
    # a chain of forty, then forks; command lines as long as they come
    write(
        "events",
        *[
            make_event(
                f"e{n}", n, process_key=f"p{n}", parent_key=f"p{n - 1 if n < 40 else n // 3}" if n else None, process_pid=n,
                process_name=f"prog{n}", command_line=f"/usr/lib/prog{n} " + "--option=value-without-a-space" * (n % 40),
            )
            for n in range(200)
        ],
    )  # fmt: skip
    page.set_viewport_size({"width": width, "height": 900})
    open_page()
    page.locator("#tree li").first.wait_for()
    assert page.locator("#tree li").count() == 200
    assert "200 processes, 2 of them with contributing events" in page.locator("#tree").inner_text()
    marked = page.locator("#tree .process.contributing")
    assert [marked.nth(n).is_visible() for n in range(2)] == [True, True]
    folded = page.locator("#tree li:visible").count()
    assert folded < 100
    page.get_by_role("button", name="Unfold all").click()
    assert page.locator("#tree li:visible").count() == 200
    assert not overflows(page)
    narrowest = page.evaluate(
        "Math.min(...Array.from(document.querySelectorAll('#tree .process'), (one) => one.clientWidth))"
    )
    assert narrowest > 200
    page.get_by_role("button", name="Fold all", exact=True).click()
    assert page.locator("#tree li:visible").count() == 1
    page.get_by_role("button", name="Only what leads to").click()
    assert page.locator("#tree li:visible").count() == folded


def test_alert_is_worked_on_by_keyboard_alone(alert, page, open_page, running):
    open_page()
    page.locator("#ways button").first.wait_for()
    assert page.locator("#ways button").evaluate_all("(all) => all.map((one) => one.dataset.status)") == [
        "acknowledged", "investigating", "resolved", "false_positive"
    ]  # fmt: skip
    page.keyboard.press("a")
    wait_for_message(page, "Acknowledged.")
    assert running.alert()["status"] == "acknowledged"
    assert "acknowledged" not in page.locator("#ways button").evaluate_all(
        "(all) => all.map((one) => one.dataset.status)"
    )
    page.fill("#actor", "ann")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.keyboard.type("a rang the owner")  # letters in a box are letters
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    wait_for_message(page, "Under investigation.")
    last = running.alert()["history"][-1]
    assert (last["to_status"], last["note"], last["actor"]) == ("investigating", "a rang the owner", "ann")
    assert page.input_value("#note") == ""
    page.keyboard.press("m")
    wait_for_message(page, "Assigned to ann.")
    page.keyboard.press("v")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    wait_for_message(page, "Your verdict is kept: false positive.")
    assert [one["verdict"] for one in running.alert()["feedback"]] == ["false_positive"]
    page.keyboard.press("f")
    wait_for_message(page, "Closed as a false positive.")
    page.keyboard.press("a")
    wait_for_message(page, "cannot become acknowledged; it may become: investigating, resolved")
    alert = running.alert()
    assert (alert["status"], alert["assignee"], len(alert["history"])) == ("false_positive", "ann", 4)
    assert "verdict: false positive" in page.locator("#history").inner_text()
    page.keyboard.press("?")
    page.locator("#help-title").wait_for()
    page.keyboard.press("r")  # under the help nothing is done
    page.keyboard.press("Escape")
    page.locator("#help-title").wait_for(state="hidden")
    assert running.alert()["status"] == "false_positive"


def test_change_on_a_stale_alert_is_refused_shown_anew_and_the_note_kept(alert, page, open_page, running):
    open_page()
    page.locator("#ways button").first.wait_for()
    running.patch(status="acknowledged", actor="bob", note="mine")
    page.fill("#note", "looks bad")
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    wait_for_message(page, "changed the alert since you read it")
    assert page.locator("#status").inner_text() == "acknowledged"
    assert "bob" in page.locator("#history").inner_text()
    assert page.input_value("#note") == "looks bad"
    assert running.alert()["status"] == "acknowledged"
    page.reload()  # what was written outlives the page
    page.locator("#ways button").first.wait_for()
    assert page.input_value("#note") == "looks bad"
    page.keyboard.press("i")
    wait_for_message(page, "Under investigation.")
    assert [one["note"] for one in running.alert()["history"]] == ["mine", "looks bad"]


def test_alert_that_the_pipeline_changed_is_shown_anew_with_what_lies_behind_it(
    alert, page, open_page, write, make_event, settings
):
    open_page()
    page.locator("#tree li").first.wait_for()
    page.locator("#timeline svg").wait_for()
    write("events", make_event("e500", 200, process_key="p500", process_name="late"))
    table = DeltaTable(f"{settings.lake}/alerts").to_pyarrow_table()
    rows = table.to_pylist()
    mine = next(row for row in rows if row["alert_id"] == ID)
    mine |= {name: mine[name] + timedelta(minutes=5) for name in ("last_seen", "updated_at")}
    write_deltalake(f"{settings.lake}/alerts", pa.Table.from_pylist(rows, table.schema), mode="overwrite")
    page.keyboard.press("a")
    wait_for_message(page, "Somebody else, or the pipeline, changed the alert")
    assert "2026-03-01 12:08:00" in page.locator("#facts").inner_text()
    page.locator("#tree strong", has_text="late").wait_for()
    page.keyboard.press("a")
    wait_for_message(page, "Acknowledged.")


def test_change_whose_answer_was_lost_is_made_once(alert, page, open_page, running):
    open_page()
    page.locator("#ways button").first.wait_for()

    def lose(route: Any) -> None:
        if route.request.method == "PATCH":
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/alerts/*", lose)
    page.keyboard.press("a")
    wait_for_message(page, "It is not known whether that was done")
    page.unroute("**/alerts/*")
    assert running.alert()["status"] == "acknowledged"
    page.keyboard.press("a")
    wait_for_message(page, "Acknowledged.")
    assert len(running.alert()["history"]) == 1


def test_raw_events_are_turned_page_by_page_and_walked_by_keys(alert, page, open_page):
    open_page()
    rows = page.locator("#events tr.event")
    rows.first.wait_for()
    assert rows.evaluate_all("(all) => all.slice(0, 3).map((one) => one.dataset.event)") == ["e3", "e5", "e0"]
    page.get_by_role("button", name="Next page").click()
    page.get_by_text("page 2", exact=True).wait_for()
    page.get_by_role("button", name="Next page").click()
    page.get_by_text("page 3", exact=True).wait_for()
    assert rows.count() == 20
    assert page.get_by_role("button", name="Next page").count() == 0
    # from a contributing event to its raw form, back on the first page
    page.locator("#contributing li").nth(1).get_by_role("button", name="raw event").click()
    page.locator("#events tr.event:focus").wait_for()
    assert page.evaluate("document.activeElement.dataset.event") == "e5"
    names = page.locator("#events tr.fields:visible dt").all_inner_texts()
    assert {"event_id", "command_line", "fields.note", "weight"} <= set(names)
    assert "script_text" not in names  # what the event does not have
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.dataset.event") == "e0"
    page.keyboard.press("Enter")
    assert page.locator("#events tr.fields:visible").count() == 2
    for _ in range(4):
        page.keyboard.press("k")
    assert page.evaluate("document.activeElement.closest('#contributing') !== null")


@pytest.fixture
def key_of(settings: Settings) -> Callable[..., str]:
    def make(tenant: str, role: Role, name: str) -> str:
        return create_key(settings, name=name, tenant=tenant, role=role, now=datetime.now(UTC))[1]

    return make


def test_with_keys_the_page_asks_for_one_and_shows_what_it_opens(alert, key_of, page, open_page, browser, running):
    reader, analyst, stranger = (
        key_of(*who)
        for who in (("acme", Role.READER, "wall"), ("acme", Role.ANALYST, "ann"), ("globex", Role.ANALYST, "eve"))
    )
    time.sleep(1.1)  # the API looks for new keys every second

    def sign_in(key: str) -> None:
        page.locator("#key").wait_for()
        page.fill("#key", key)
        page.keyboard.press("Enter")

    open_page()
    sign_in("lgs_000000000000_" + "0" * 64)
    wait_for_message(page, "The key was refused: the key is none of ours")
    assert page.locator("main").is_hidden()
    sign_in(stranger)
    wait_for_message(page, "Unknown alert")
    assert page.locator("main").is_hidden()
    page.get_by_role("button", name="Sign out").click()
    sign_in(reader)
    page.locator("#no-work", has_text="Your key's role is 'reader'").wait_for()
    assert page.locator("#work").is_hidden()
    assert "wall (reader, acme)" in page.locator("#caller").inner_text()
    page.keyboard.press("a")
    wait_for_message(page, "it may look, not change")
    page.get_by_role("button", name="Sign out").click()
    sign_in(analyst)
    page.locator("#ways button").first.wait_for()
    assert page.locator("#actor-field").is_hidden()  # the key says who it is
    page.keyboard.press("m")
    wait_for_message(page, "Assigned to ann.")
    assert "ann" in page.locator("#history").inner_text()
    page.reload()
    page.locator("#ways button").first.wait_for()  # the key lives as long as the tab
    assert page.evaluate("localStorage.length") == 0
    assert analyst not in page.content()
    page.evaluate("sessionStorage.setItem('logster-note:x', 'not sent')")
    page.get_by_role("button", name="Sign out").click()
    page.locator("#key").wait_for()
    assert page.evaluate("sessionStorage.length") == 0  # no key, and no note that would go out in another's name


def test_key_that_is_revoked_while_one_writes_asks_for_another_and_keeps_the_note(
    alert, key_of, page, open_page, running, settings
):
    first, second = (key_of("acme", Role.ANALYST, "ann") for _ in range(2))
    time.sleep(1.1)
    open_page()
    page.locator("#key").wait_for()
    page.fill("#key", first)
    page.keyboard.press("Enter")
    page.locator("#ways button").first.wait_for()
    revoke_key(settings, first.split("_")[1], now=datetime.now(UTC))
    time.sleep(1.1)
    page.fill("#note", "looks bad")
    page.get_by_role("button", name="Add note").click()
    wait_for_message(page, "is revoked")
    page.fill("#key", second)
    page.keyboard.press("Enter")
    page.locator("#sign-in").wait_for(state="hidden")
    assert page.input_value("#note") == "looks bad"
    page.get_by_role("button", name="Add note").click()
    wait_for_message(page, "The note is kept.")


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_its_width_and_its_text_stands_out(alert, page, open_page, width, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    open_page()
    page.locator("#events tr.event").first.wait_for()
    page.locator("#tree li").first.wait_for()
    page.locator("#timeline svg").wait_for()
    assert not overflows(page)
    assert page.evaluate(_WEAK_CONTRASTS) == []


# WCAG 2.1, 1.4.3: each text's colour against the nearest ground under it
_WEAK_CONTRASTS = """() => {
    const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (colour) => channels(colour).slice(0, 3).map((one) => one / 255)
        .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
        .reduce((sum, one, place) => sum + one * [0.2126, 0.7152, 0.0722][place], 0);
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (channels(colour)[3] !== 0) return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const weak = new Set();
    for (const element of document.querySelectorAll("body *")) {
        const hasText = Array.from(element.childNodes).some((one) => one.nodeType === 3 && one.data.trim());
        if (!hasText || !element.checkVisibility() || element.closest("svg")) continue;
        const [a, b] = [light(getComputedStyle(element).color), light(ground(element))].sort((x, y) => y - x);
        if ((a + 0.05) / (b + 0.05) < 4.5) weak.add(`${element.tagName}.${element.className}`);
    }
    return Array.from(weak);
}"""
