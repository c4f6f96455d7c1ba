"""The collector's answers over a real socket, and what lies in the landing zone when they are given."""

import gzip
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from api.collector.app import create_collector
from pipelines.errors import SettingsError
from pipelines.settings import Settings
from tests.api.collector.conftest import OTHER_TOKEN, TOKEN

AUDIT = 'type=CWD msg=audit(1700000000.000:{}): cwd="/"'
CHANNEL = "9f1f7a4e-0ab6-4d87-8f2b-0d6c0d7a0b11"
EVENT, RAW = "/services/collector/event", "/services/collector/raw"
ACME = "tenant=acme/format=auto"


def envelope(number=1, **more):
    return json.dumps({"event": AUDIT.format(number), **more})


def told(response):
    return response.status_code, response.json()


def test_stacked_envelopes_land_under_their_tokens_tenant(collector, landed):
    client = collector()
    body = envelope(1, host="web-1") + envelope(2) + "\n" + json.dumps({"event": {"message": "m"}, "host": "db-1"})
    assert told(client.post(EVENT, content=body)) == (200, {"text": "Success", "code": 0})
    other = client.post("/services/collector", content=envelope(3), headers={"Authorization": f"Bearer {OTHER_TOKEN}"})
    assert other.status_code == 200
    assert landed() == {
        ACME: [f"node=web-1 {AUDIT.format(1)}", AUDIT.format(2)],
        f"{ACME}/endpoint=db-1": ['{"message": "m"}'],
        "tenant=globex/format=auto": [AUDIT.format(3)],
    }


def test_half_valid_batch_is_taken_up_to_the_number_that_is_told(collector, landed):
    answer = collector().post(EVENT, content=envelope(1) + envelope(2) + '{"host":"x"}' + envelope(4))
    assert told(answer) == (400, {"text": "Event field is required", "code": 12, "invalid-event-number": 2})
    assert landed() == {ACME: [AUDIT.format(1), AUDIT.format(2)]}


@pytest.mark.parametrize("path", [RAW, "/records"])
def test_lines_land_as_they_are(collector, landed, path):
    lines = [AUDIT.format(1), '{"winlog": 1, "@timestamp": 2}', "anything"]
    answer = collector().post(path, content="\n".join(lines), params={"host": "web-1"})
    assert told(answer) == (200, {"text": "Success", "code": 0})
    assert landed() == {ACME: [f"node=web-1 {lines[0]}", *lines[1:]]}


@pytest.mark.parametrize(
    ("authorization", "status", "code"),
    [
        (None, 401, 2),
        ("Splunk", 401, 3),
        ("Digest x", 401, 3),
        ("Basic ?", 401, 3),
        (f"Splunk {TOKEN}x", 403, 4),
        (f"Splunk {TOKEN[:-1]}", 403, 4),
        (f"splunk  {TOKEN}", 200, 0),
    ],
)
def test_tokens(collector, landed, authorization, status, code):
    client = collector()
    del client.headers["Authorization"]
    headers = {"Authorization": authorization} if authorization else {}
    answer = client.post(EVENT, content=envelope(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert bool(landed()) == (status == 200)


def test_token_as_the_password_of_basic(collector):
    client = collector()
    del client.headers["Authorization"]
    assert client.post(EVENT, content=envelope(), auth=("x", TOKEN)).status_code == 200


def test_acknowledgements_go_by_channel_and_are_never_given_twice(collector):
    client, ids = collector(), []
    for _ in range(2):
        first = client.post(EVENT, content=envelope(), headers={"X-Splunk-Request-Channel": CHANNEL})
        ids += [first.json()["ackId"], client.post(RAW, content="x", params={"channel": CHANNEL}).json()["ackId"]]
        answer = client.post("/services/collector/ack", json={"acks": ids}, params={"channel": CHANNEL})
        assert told(answer) == (200, {"acks": {str(one): True for one in ids}})
        client = collector()  # another, over the same landing zone
    assert len(set(ids)) == 4
    missing = client.post("/services/collector/ack", json={"acks": ids})
    assert told(missing) == (400, {"text": "Data channel is missing", "code": 10})
    assert client.post(EVENT, content=envelope(), params={"channel": "mine"}).json()["code"] == 11
    wrong = client.post("/services/collector/ack", content="[1]", params={"channel": CHANNEL})
    assert told(wrong) == (400, {"text": "Invalid data format", "code": 6})


def test_gzip_is_unpacked_also_of_several_members(collector, landed):
    packed = gzip.compress(envelope(1).encode()) + gzip.compress(envelope(2).encode())
    answer = collector().post(EVENT, content=packed, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 200
    assert landed() == {ACME: [AUDIT.format(1), AUDIT.format(2)]}


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"x" * 20_001, "", 413),
        (gzip.compress(b"x" * 20_001), "gzip", 413),
        (gzip.compress(b"\0" * 60_000_000, 1), "gzip", 413),
        (gzip.compress(b"x")[:-3], "gzip", 400),
        (b"no gzip", "gzip", 400),
        (b"", "gzip", 400),
        (b"x", "br", 415),
        (b"x" * 20_000, "", 200),
    ],
    ids=["large", "large gzip", "bomb", "cut off", "no gzip", "empty gzip", "other", "just right"],
)
def test_what_is_too_large_or_damaged_is_refused_whole(collector, landed, body, encoding, status):
    client = collector(collector_max_body_bytes=20_000)
    headers = {"Content-Encoding": encoding} if encoding else {}
    assert client.post(RAW, content=body, headers=headers).status_code == status
    assert client.post(RAW, content=iter([body]), headers=headers).status_code == status  # says no length
    assert bool(landed()) == (status == 200)
    assert client.post(RAW, content="still there").status_code == 200


def wait_until_held(client, n_bytes):
    """Until the collector has read so much of bodies that have not ended."""
    deadline = time.monotonic() + 10
    while f"logster_collector_held_bytes {n_bytes:.1f}" not in client.get("/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_more_requests_at_once_than_a_token_may_have_are_429(collector):
    client, go_on = collector(collector_max_requests=1), threading.Event()
    body = envelope(1).encode()

    def slowly():
        yield body
        go_on.wait(20)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, EVENT, content=slowly())
        wait_until_held(client, len(body))
        same = client.post(EVENT, content=envelope(2))
        other = client.post(EVENT, content=envelope(2), headers={"Authorization": f"Splunk {OTHER_TOKEN}"})
        go_on.set()
        assert first.result().status_code == 200
    assert (same.status_code, same.headers["retry-after"], other.status_code) == (429, "1", 200)
    assert client.post(EVENT, content=envelope(3)).status_code == 200


def test_senders_wait_while_the_pipeline_is_behind(collector, settings: Settings):
    client = collector(collector_max_backlog_bytes=1024)
    assert client.post(RAW, content="x" * 2000).status_code == 200
    busy = client.post(RAW, content="x")
    assert told(busy) == (503, {"text": "Server is busy", "code": 9})
    assert busy.headers["retry-after"] == "1"
    health = client.get("/services/collector/health", headers={"Authorization": ""})
    assert told(health) == (503, {"text": "HEC is unhealthy, queues are full", "code": 18})
    assert collector(collector_max_backlog_bytes=1024).post(RAW, content="x").status_code == 503  # started anew

    (file,) = Path(settings.landing_path).rglob("collector-*")
    taken_up = Path(settings.checkpoint_path, "files", "sources", "0")
    taken_up.mkdir(parents=True)
    entry = {"path": file.as_uri(), "timestamp": file.stat().st_mtime_ns // 1_000_000, "batchId": 0}
    (taken_up / "0").write_text("v1\n" + json.dumps(entry, separators=(",", ":")))
    again = collector(collector_max_backlog_bytes=1024)
    assert again.post(RAW, content="x").status_code == 200
    assert told(again.get("/services/collector/health")) == (200, {"text": "HEC is healthy", "code": 17})


def test_landing_zone_that_fails_is_503_and_nothing_is_left_of_the_request(collector, settings, landed):
    client = collector()
    Path(settings.landing_path, "tenant=acme").write_text("a file where a folder must be")
    assert told(client.post(RAW, content="x")) == (503, {"text": "Server is busy", "code": 9})
    Path(settings.landing_path, "tenant=acme").unlink()
    assert client.post(RAW, content="y").status_code == 200
    assert landed() == {ACME: ["y"]}
    assert not list(Path(settings.landing_path).rglob(".*"))


def test_requests_at_the_same_time_share_files(collector, landed, settings):
    client = collector(collector_commit_interval=0.5)
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda number: client.post(RAW, content=f"line {number}"), range(200)))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(landed()[ACME]) == sorted(f"line {number}" for number in range(200))
    assert len(list(Path(settings.landing_path).rglob("collector-*"))) <= 20


def test_bodies_that_memory_has_no_room_for_are_503(collector):
    client, go_on = collector(collector_max_body_bytes=1024, collector_max_requests=100), threading.Event()

    def slowly():
        yield b"x" * 1000
        go_on.wait(20)

    with ThreadPoolExecutor(8) as pool:
        first = [pool.submit(client.post, RAW, content=slowly()) for _ in range(8)]
        wait_until_held(client, 8000)
        busy = client.post(RAW, content=b"x" * 500)
        go_on.set()
        assert [one.result().status_code for one in first] == [200] * 8
    assert told(busy) == (503, {"text": "Server is busy", "code": 9})
    assert client.post(RAW, content=b"x" * 1024).status_code == 200


def test_figures(collector):
    client = collector()
    client.post(RAW, content="a\nb")
    text = client.get("/metrics").text
    assert 'logster_collector_records_total{tenant="acme"} 2.0' in text
    assert 'logster_collector_records_total{tenant="globex"} 0.0' in text
    assert "logster_collector_backlog_bytes 4.0" in text
    assert 'logster_http_requests_total{method="POST",route="/services/collector/raw",status="200"} 1.0' in text


def test_what_is_not_there_has_an_answer_too(collector):
    assert told(collector().get("/services/x")) == (404, {"text": "Not Found", "code": 404})


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, "the collector has no tokens: set LOGSTER_COLLECTOR_TOKENS or LOGSTER_COLLECTOR_TOKENS_FILE"),
        ({"collector_tokens": " \n# none\n"}, "holds no token"),
        ({"collector_tokens": "secret"}, "must be lines `token=tenant`, or a JSON object"),
        ({"collector_tokens": "secret=acme"}, "token 1 needs 16 or more"),
        ({"collector_tokens": f"{TOKEN}=a/b"}, "tenant 'a/b' of token 1"),
        ({"collector_tokens": f"{TOKEN}=a\n{TOKEN}=b"}, "token 2 stands there twice"),
        ({"collector_tokens": f'{{"{TOKEN}": "a"'}, "is no JSON object"),
        ({"collector_tokens": f'{{"{TOKEN}": 1}}'}, "is no JSON object"),
        ({"collector_tokens_file": "/nowhere"}, "LOGSTER_COLLECTOR_TOKENS_FILE (/nowhere) cannot be read: No such file"),
        ({"collector_tokens": f"{TOKEN}=a", "landing": "s3://bucket"}, "needs a local landing zone, not s3://bucket"),
        ({"collector_tokens": f"{TOKEN}=a", "landing": "/dev/null/x"}, "/dev/null/x cannot be written"),
    ],
)  # fmt: skip
def test_wrong_settings_stop_it_and_tell_no_token(settings, changed, told):
    with pytest.raises(SettingsError) as stopped:
        create_collector(Settings(lake=settings.lake, _env_file=None, **changed))
    assert told in str(stopped.value)
    assert "secret" not in str(stopped.value) and TOKEN not in str(stopped.value)


def test_tokens_of_a_file(collector, landed, tmp_path):
    file = tmp_path / "tokens"
    file.write_text(f"# of the forwarders\n{TOKEN} = initech\n")
    answer = collector(collector_tokens=None, collector_tokens_file=str(file)).post(RAW, content="x")
    assert isinstance(answer, httpx.Response) and answer.status_code == 200
    assert landed() == {"tenant=initech/format=auto": ["x"]}
