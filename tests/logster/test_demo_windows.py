"""The made-up Windows telemetry hangs together, and is nobody else's."""

import gzip
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from logster.demo import write_demo

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
Event = dict[str, Any]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Event]]:
    files = write_demo(tmp_path_factory.mktemp("demo"), start=START)
    return {
        file.endpoint.split(".")[0]: [json.loads(line) for line in file.path.read_text().splitlines()]
        for file in files
        if file.path.suffix == ".jsonl"
    }


def code(event: Event) -> int:
    return event["winlog"]["event_id"]


def data(event: Event) -> dict[str, str]:
    return event["winlog"].get("event_data", {})


def time(event: Event) -> datetime:
    return datetime.fromisoformat(event["@timestamp"])


def started(guid: str) -> datetime:
    """A process GUID holds the seconds of the start."""
    parts = guid.strip("{}").split("-")
    return datetime.fromtimestamp(int(parts[2] + parts[1], 16), UTC)


def actors(event: Event) -> list[tuple[str, str, str]]:
    """GUID, pid and program of each process that an event names."""
    fields = data(event)
    return [
        (fields[guid], fields[pid], fields[image])
        for guid, pid, image in (
            ("ProcessGuid", "ProcessId", "Image"),
            ("ParentProcessGuid", "ParentProcessId", "ParentImage"),
            ("SourceProcessGUID", "SourceProcessId", "SourceImage"),
            ("TargetProcessGUID", "TargetProcessId", "TargetImage"),
        )
        if guid in fields
    ]


def test_every_process_was_started_before_or_ran_since_the_start_of_the_machine(hosts):
    for events in hosts.values():
        known: dict[str, tuple[str, str]] = {}
        ended: set[str] = set()
        for event in events:
            if code(event) == 1:
                guid = data(event)["ProcessGuid"]
                assert guid not in known
                assert abs(started(guid) - time(event)) <= timedelta(seconds=1)
                known[guid] = (data(event)["ProcessId"], data(event)["Image"])
            for guid, pid, image in actors(event):
                if guid not in known:
                    assert started(guid) < START - timedelta(hours=1), (guid, image)
                    known[guid] = (pid, image)
                assert known[guid] == (pid, image)
                assert guid not in ended, event["message"]
            if code(event) == 5:
                ended.add(data(event)["ProcessGuid"])
        pids = [pid for pid, _ in known.values()]
        assert len(set(pids)) == len(pids)


def test_children_name_their_parents_command_line_and_user(hosts):
    for events in hosts.values():
        starts = {data(event)["ProcessGuid"]: data(event) for event in events if code(event) == 1}
        children = [fields for fields in starts.values() if fields["ParentProcessGuid"] in starts]
        assert len(children) > 20
        for fields in children:
            parent = starts[fields["ParentProcessGuid"]]
            assert (fields["ParentCommandLine"], fields["ParentUser"]) == (parent["CommandLine"], parent["User"])


def test_sysmon_and_security_tell_of_the_same_process_starts(hosts):
    for events in hosts.values():
        by_code: dict[int, list[tuple[str, str, str]]] = defaultdict(list)
        for event in events:
            if code(event) == 1:
                fields = data(event)
                by_code[1].append((f"{int(fields['ProcessId']):#x}", fields["CommandLine"], fields["ParentImage"]))
            elif code(event) == 4688:
                fields = data(event)
                by_code[4688].append((fields["NewProcessId"], fields["CommandLine"], fields["ParentProcessName"]))
        assert sorted(by_code[1]) == sorted(by_code[4688])


def test_records_are_numbered_and_ordered_by_time(hosts):
    for events in hosts.values():
        assert [time(event) for event in events] == sorted(time(event) for event in events)
        numbers = defaultdict(list)
        for event in events:
            numbers[event["winlog"]["channel"]].append(event["winlog"]["record_id"])
        for found in numbers.values():
            assert found == list(range(found[0], found[0] + len(found)))


def test_intrusion_reaches_the_second_endpoint_within_a_minute(hosts):
    macro = next(
        event
        for event in hosts["ws-01"]
        if code(event) == 1
        and data(event)["ParentImage"].endswith("WINWORD.EXE")
        and " -enc " in data(event)["CommandLine"]
    )
    theft = next(
        event
        for event in hosts["ws-01"]
        if code(event) == 10 and data(event)["GrantedAccess"] == "0x1010" and "UNKNOWN" in data(event)["CallTrace"]
    )
    assert data(theft)["TargetImage"].endswith("lsass.exe")
    service = next(event for event in hosts["ws-02"] if code(event) == 7045)
    logon = next(event for event in hosts["ws-02"] if code(event) == 4624 and data(event)["IpAddress"] == "10.20.4.31")
    assert data(logon)["LogonType"] == "3"
    assert time(macro) < time(theft) < time(logon) < time(service) < time(macro) + timedelta(seconds=60)

    starts = {data(event)["ProcessGuid"]: data(event) for event in hosts["ws-02"] if code(event) == 1}
    shell = next(
        fields for fields in starts.values() if " -enc " in fields["CommandLine"] and fields["User"].endswith("SYSTEM")
    )
    chain = []
    while shell:
        chain.append(shell["Image"].rsplit("\\", 1)[1])
        last, shell = shell, starts.get(shell["ParentProcessGuid"])
    installed = data(service)["ServiceName"]
    assert chain == ["powershell.exe", "cmd.exe", f"{installed}.exe"]
    assert last["ParentImage"].endswith("services.exe")


@pytest.mark.parametrize("name", ["ws-03", "fin-01"])
def test_endpoints_that_only_work_show_no_step_of_the_intrusion(hosts, name):
    assert len(hosts[name]) > 500
    for event in hosts[name]:
        fields = data(event)
        assert code(event) not in (7045, 4698, 4648)
        assert " -enc " not in fields.get("CommandLine", "")
        assert "UNKNOWN" not in fields.get("CallTrace", "")


def test_no_identity_is_taken_from_recorded_telemetry(hosts, shared_data: Path):
    """Process and logon ids, hashes, scripts, users and hosts are no capture's, so no event can be a copy."""

    def identities(event: Event) -> set[str]:
        fields = data(event)
        names = ("ProcessGuid", "SourceProcessGUID", "LogonGuid", "Hashes", "ScriptBlockText", "SubjectUserSid", "User")
        found = {fields[name] for name in names if name in fields} | {event["winlog"]["computer_name"]}
        return {
            text for text in found if not text.startswith(("NT AUTHORITY", "S-1-5-18", "S-1-0-0", "-", "{00000000"))
        }

    made = set().union(*(identities(event) for events in hosts.values() for event in events))
    captures = sorted((shared_data / "windows" / "otrf-history").glob("*_201910*.jsonl.gz"))
    assert captures
    recorded: set[str] = set()
    for capture in captures:
        with gzip.open(capture, "rt") as lines:
            for line in lines:
                recorded |= identities(json.loads(line))
    assert len(made) > 500
    assert len(recorded) > 500
    assert not made & recorded
