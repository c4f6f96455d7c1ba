import base64
import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from pipelines.errors import SettingsError
from pipelines.settings import Settings
from pipelines.sinks.dead_letters import DeadLetters, dead_letter_file
from pipelines.sinks.deliveries import Change, NotNow, Refused, change_of, delivered
from pipelines.sinks.ticket import Tickets
from pipelines.sinks.webhook import HttpTarget, Webhook, target_url, webhook_secret
from tests.http_receiver import Receiver, receiving
from tests.pipelines.sinks.alert_tables import NOON

pytestmark = pytest.mark.fast

SECRET = b"0123456789abcdef"
DOCUMENT = (Path(__file__).parent / "cases" / "created" / "change.json").read_bytes()
KEY = "c1" * 32
BODY = f'{{"schema_version":1,"change_id":"{KEY}","note":"é"}}'.encode()


def hand_on(receiver: Receiver, change: Change | None = None, **kwargs) -> None:
    with HttpTarget(httpx.URL(receiver.url), allow_private=True) as target:
        Webhook(target, SECRET, **kwargs)([change or change_of(BODY)])


def test_the_body_is_the_document_as_published_signed_with_its_time():
    with receiving() as receiver:
        hand_on(receiver, clock=lambda: 1_772_366_400.9)
    (got,) = receiver.got
    assert (got.body, got.headers["idempotency-key"], got.headers["content-type"]) == (BODY, KEY, "application/json")
    assert got.headers["logster-timestamp"] == "1772366400"
    expected = hmac.new(SECRET, b"1772366400." + BODY, hashlib.sha256).hexdigest()
    assert got.headers["logster-signature"] == f"v1={expected}"


def test_what_the_guide_tells_receivers_to_do_finds_ours_and_no_other():
    guide = (Path(__file__).parents[3] / "docs" / "notifications.md").read_text()
    names: dict[str, Any] = {}
    exec(re.search(r"```python\n(.*?)```", guide, re.DOTALL)[1], names)
    is_ours = names["is_ours"]
    with receiving() as receiver:
        hand_on(receiver)
        hand_on(receiver, clock=lambda: time.time() - 400)
    fresh, old = ({name.title(): value for name, value in got.headers.items()} for got in receiver.got)
    assert is_ours(SECRET, fresh, BODY)
    assert not is_ours(SECRET, old, BODY)
    assert not is_ours(SECRET, fresh, BODY + b" ")
    assert not is_ours(b"fedcba9876543210", fresh, BODY)
    assert not is_ours(SECRET, fresh | {"Logster-Timestamp": str(int(fresh["Logster-Timestamp"]) + 1)}, BODY)


def test_a_body_of_another_shape_is_what_is_signed():
    with receiving() as receiver:
        hand_on(receiver, shape=lambda document: {"uid": document["change_id"]}, clock=lambda: 7)
    (got,) = receiver.got
    assert json.loads(got.body) == {"uid": KEY}
    expected = hmac.new(SECRET, b"7." + got.body, hashlib.sha256).hexdigest()
    assert got.headers["logster-signature"] == f"v1={expected}"


def test_name_and_password_of_the_address_sign_in():
    with receiving() as receiver:
        with HttpTarget(httpx.URL(receiver.url.replace("//", "//ann:s3cret@")), allow_private=True) as target:
            Tickets(target)([change_of(DOCUMENT)])
    (got,) = receiver.got
    assert got.headers["authorization"] == f"Basic {base64.b64encode(b'ann:s3cret').decode()}"
    assert json.loads(got.body)["correlation_id"] == json.loads(DOCUMENT)["alert_id"]


@pytest.mark.parametrize("status", [301, 302, 401, 403, 404, 408, 409, 410, 425, 429, 500, 502, 503, 504])
def test_what_may_be_otherwise_later_is_tried_again(status):
    with receiving(lambda _: (status, {"Location": "http://127.0.0.1:1/", "Retry-After": "7"}, b"no")) as receiver:
        with pytest.raises(NotNow, match=f"127.0.0.1 answers {status}") as caught:
            hand_on(receiver)
    assert (caught.value.retry_after, len(receiver.got)) == (7, 1)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_what_refuses_the_change_is_not_tried_again(status):
    with receiving(lambda _: status) as receiver, pytest.raises(Refused, match=f"answers {status}"):
        hand_on(receiver)


def test_nobody_listening_is_tried_again():
    with receiving() as receiver:
        pass
    with pytest.raises(NotNow, match="cannot be reached"):
        hand_on(receiver)


def test_an_endless_answer_is_not_read_to_its_end():
    with receiving(lambda _: (200, {}, b"x" * 50_000_000)) as receiver:
        began = time.process_time()
        hand_on(receiver)
        assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), (" 0 ", 0), ("Sun, 01 Mar 2026 12:00:30 GMT", 30), ("Sun, 01 Mar 2020 12:00:00 GMT", 0), ("soon", None),
     ("-5", None), ("Mon, 99 Foo 2026", None), ("9" * 400, 999_999_999)],
)  # fmt: skip
def test_retry_after_is_read_in_seconds_and_as_a_date(text, seconds):
    from pipelines.sinks.webhook import _seconds_of

    assert _seconds_of(text, NOON) == seconds


def test_tries_go_on_until_it_is_taken_and_wait_as_long_as_asked():
    answers = iter([(503, {"Retry-After": "1"}, b""), 500, 204])
    with receiving(lambda _: next(answers)) as receiver:
        with HttpTarget(httpx.URL(receiver.url), allow_private=True) as target:
            began = time.monotonic()
            taken = delivered(
                [change_of(BODY)], Webhook(target, SECRET), give_up_after=timedelta(minutes=1), stop=threading.Event()
            )
        assert taken
        assert time.monotonic() - began >= 1
    assert [got.headers["idempotency-key"] for got in receiver.got] == [KEY] * 3


def test_tries_end_after_the_time_given():
    def never(_: Sequence[Change]) -> None:
        raise NotNow("down")

    with pytest.raises(NotNow, match="down"):
        delivered([change_of(BODY)], never, give_up_after=timedelta(milliseconds=300), stop=threading.Event())


def test_a_stop_ends_a_long_pause():
    stop = threading.Event()

    def later(_: Sequence[Change]) -> None:
        threading.Timer(0.1, stop.set).start()
        raise NotNow("down", retry_after=600)

    began = time.monotonic()
    assert not delivered([change_of(BODY)], later, give_up_after=timedelta(hours=1), stop=stop)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    "value",
    [None, b"", b"not json", b"\xff", b"[]", b"3", b"{}", b'{"schema_version":2,"change_id":"c"}', b"[" * 100_000],
)
def test_what_is_no_change_is_refused(value):
    with pytest.raises(Refused, match=r"is no change|is of schema version"):
        change_of(value)


@pytest.mark.parametrize(
    ("url", "allowed", "words"),
    [
        (None, False, "LOGSTER_WEBHOOK_URL is not set"),
        ("hooks.example/x", False, "no address of HTTP"),
        ("ftp://hooks.example/", True, "no address of HTTP"),
        ("https://[::1/", False, "is no address"),
        ("http://93.184.216.34/", False, "has no TLS"),
        ("https://127.0.0.1/secret", False, "127.0.0.1 is 127.0.0.1, which is no public address"),
        ("https://169.254.169.254/latest", False, "which is no public address"),
    ],
)
def test_a_target_that_cannot_be_used_is_said_at_the_start(url, allowed, words):
    with pytest.raises(SettingsError, match=words) as caught:
        target_url(SecretStr(url) if url else None, "LOGSTER_WEBHOOK_URL", allow_private=allowed)
    assert "secret" not in str(caught.value)


def test_the_secret_comes_from_its_file_and_a_short_one_is_refused(tmp_path):
    file = tmp_path / "secret"
    file.write_text("0123456789abcdef\n")
    assert webhook_secret(Settings(webhook_secret_file=str(file), _env_file=None)) == SECRET
    for told in ({"webhook_secret": "short"}, {}, {"webhook_secret_file": str(tmp_path / "none")}):
        with pytest.raises(SettingsError) as caught:
            webhook_secret(Settings(**told, _env_file=None))
        assert "short'" not in str(caught.value)


def test_dead_letters_are_one_line_each_beside_the_lake(settings):
    file = dead_letter_file(settings, "webhook")
    letters = DeadLetters(file)
    letters.add(BODY, origin="logster-alerts/0/1", reason="answers 400", now=NOON)
    letters.add(b"\xffnot json\n", origin="logster-alerts/0/2", reason="is no change", now=NOON)
    first, second = (json.loads(line) for line in file.read_text().splitlines())
    assert (first["document"], first["origin"], first["reason"]) == (
        json.loads(BODY), "logster-alerts/0/1", "answers 400",
    )  # fmt: skip
    assert second["value"] == "\ufffdnot json\n"
