"""Records of tens of thousands of pairs or words, keys among them twice, or of a megabyte in which nothing ends.

They are read as plain Python reads them. Where the cost of a record grew with its square, these would take hours.
"""

import json
import random
import re
import shlex
from typing import Any

import pytest

pytestmark = pytest.mark.slow

_N = 50_000
_RNG = random.Random(20261125)
_AUDIT = "node=h type={} msg=audit(1700000000.000:{}): "


def _doubled_pairs() -> list[tuple[str, str]]:
    """Each key twice, with other values, in any order."""
    pairs = [(f"k{number // 2}", f"v{number}") for number in range(_N)]
    _RNG.shuffle(pairs)
    return pairs


def _winlogbeat(pairs: list[tuple[str, str]]) -> str:
    data = ",".join(f'"{key}":"{value}"' for key, value in pairs)
    log = f'{{"event_id":"9999","provider_name":"X","computer_name":"h","event_data":{{{data}}}}}'
    return f'{{"@timestamp":"2024-03-05T08:15:30Z","winlog":{log}}}'


def _sysmon(pairs: list[tuple[str, str]]) -> str:
    data = "".join(f'<Data Name="{key}">{value}</Data>' for key, value in pairs)
    return (
        '<14>Mar  5 08:15:30 h sysmon: <Event><System><Provider Name="Linux-Sysmon"/><EventID>9999</EventID>'
        f'<TimeCreated SystemTime="2024-03-05T08:15:30Z"/><Computer>h</Computer></System><EventData>{data}</EventData></Event>'
    )


def _windows_xml(told: str, name: str = "Microsoft-Windows-Test") -> str:
    return (
        f"<Event><System><Provider Name='{name}'/><EventID>9999</EventID><TimeCreated SystemTime='2024-03-05T08:15:30Z'/>"
        f"<Computer>h</Computer></System><EventData>{told}</EventData></Event>"
    )


def _splunk_text(message: str) -> str:
    return (
        "03/05/2024 08:15:30 AM\nLogName=Security\nEventCode=4688\nComputerName=h\n"
        f"SourceName=Microsoft Windows security auditing.\nMessage={message}"
    )


def _powershell(code: str, message: str) -> str:
    log = {"event_id": code, "provider_name": "PowerShell", "computer_name": "h", "event_data": {"param9": "x"}}
    return json.dumps({"@timestamp": "2024-03-05T08:15:30Z", "message": message, "winlog": log})


_OPEN = {
    "audit-word": _AUDIT.format("SYSCALL", 3) + "y" * (20 * _N),
    "audit-braces": _AUDIT.format("SYSCALL", 4) + "a={b " * (4 * _N),
    "audit-quotes": _AUDIT.format("SYSCALL", 5) + 'a="b ' * (4 * _N),
    "sysmon-elements": _sysmon([]).replace(
        "<Computer>", "<Level" * (3 * _N) + "<Execution " * (2 * _N) + "><Computer>"
    ),
    "sysmon-data": _sysmon([]).replace("</EventData>", '<Data Name="a">' * _N + "</EventData>"),
    "xml-elements": _windows_xml("").replace(
        "<Computer>", "<Level" * (3 * _N) + "<Execution " * (2 * _N) + "><Computer>"
    ),
    "xml-data": _windows_xml("<Data Name='a'>" * (2 * _N)),
    "xml-names": _windows_xml("<Data " + "Name='" * (4 * _N) + ">"),
    "xml-numbers": _windows_xml("<Data>" + "&#" * (6 * _N) + "</Data>"),
    "xml-entities": _windows_xml("<Data>" + "&amp" * (4 * _N) + "</Data>"),
    "xml-cdata": _windows_xml("<Data>" + "<![CDATA[&]]>" * _N + "</Data>"),
    "xml-comments": _windows_xml("<!--a-->" * (2 * _N)),
    "text-lines": _splunk_text("A.\n" + "\n" * (10 * _N)),
    "text-words": _splunk_text("A.\n" + "Aa " * (10 * _N)),
    "text-sections": _splunk_text("A.\n" + "Subject:\n" * _N),
    "text-labels": _splunk_text("A.\n\nSubject:\n" + "\tAccount Name:\tx\n" * _N),
    "text-commands": _splunk_text("A.\n" + "\n\tProcess Command Line:\t" * _N),
    "host-lines": _powershell("400", "HostApplication=" + "\n" * (10 * _N)),
    "host-names": _powershell("400", "HostApplication=" * (2 * _N)),
    "user-lines": _powershell("400", "\n" * (10 * _N) + "UserId=" + " " * (10 * _N) + "x"),
    "command-lines": _powershell("800", "Pipeline execution details for command line: " + "\n" * (10 * _N)),
}
"""Records in which what a pattern looks for never ends, by what it is."""
_WORDS = [_RNG.choice(("-v", f"/srv/{number}", "it's two", "", 'a"b', f"x{number}")) for number in range(_N)]
_LONG = "".join(_RNG.choice("abcdefgh ") for _ in range(3 * _N))


def _execve_records() -> list[str]:
    """The words in records that overlap, the last word, a long one, in as many pieces as there are words."""
    head = _AUDIT.format("EXECVE", 2)
    told = [f"a{number}={word.encode().hex().upper() or chr(34) * 2}" for number, word in enumerate(_WORDS)]
    pieces = [f"a{_N}[{number}]={_LONG[3 * number : 3 * number + 3].encode().hex().upper()}" for number in range(_N)]
    half = _N // 2
    return [head + " ".join(part) for part in (told[: half + 100], told[half - 100 :], pieces[half:], pieces[:half])]


@pytest.fixture(scope="module")
def told() -> dict[str, list[str]]:
    """Records by what they try."""
    pairs = _doubled_pairs()
    return {
        "audit": [_AUDIT.format("DAEMON_CONFIG", 1) + " ".join(f"{key}={value}" for key, value in pairs)],
        "execve": _execve_records(),
        "winlogbeat": [_winlogbeat([*pairs[:10], (pairs[10][0], "-"), *pairs[10:]])],
        "sysmon": [_sysmon(pairs)],
        "xml": [_windows_xml("".join(f"<Data Name='{key}'>{value}</Data>" for key, value in pairs))],
        **{name: [record] for name, record in _OPEN.items()},
    }  # fmt: skip


@pytest.fixture(scope="module")
def events(normalise, make_line, told) -> dict[str, dict[str, Any]]:
    lines = [
        make_line(record, tenant=name, origin=str(number))
        for name, records in told.items()
        for number, record in enumerate(records)
    ]
    found = normalise(lines)
    assert not found.quarantine
    assert len(found.events) == len(told)
    return {event["tenant"]: event for event in found.events}


def _k_fields(event: dict[str, Any]) -> dict[str, str]:
    return {key: value for key, value in event["fields"].items() if re.fullmatch(r"k\d+", key)}


def test_the_last_of_equal_keys_of_an_audit_record_counts(events, told):
    pairs = (pair.split("=") for pair in told["audit"][0].partition("): ")[2].split(" "))
    assert _k_fields(events["audit"]) == {key: value for key, value in pairs}


def test_the_last_of_equal_keys_of_a_json_record_counts(events, told):
    data = json.loads(told["winlogbeat"][0])["winlog"]["event_data"]
    assert _k_fields(events["winlogbeat"]) == {key: value for key, value in data.items() if value != "-"}


@pytest.mark.parametrize("name", ["sysmon", "xml"])
def test_the_first_of_equal_names_of_an_xml_record_counts(events, told, name):
    pairs = re.findall(r"""<Data Name=["'](\w+)["']>(\w+)</Data>""", told[name][0])
    assert _k_fields(events[name]) == dict(reversed(pairs))


def test_a_command_line_has_every_word_once_in_its_place(events):
    command = events["execve"]["fields"]["_command"]
    assert shlex.split(command) == [*_WORDS, _LONG]


def test_a_megabyte_in_which_nothing_ends_is_an_event_like_any_other(events):
    assert events.keys() >= _OPEN.keys()
    assert {events[name]["endpoint"] for name in _OPEN} == {"h"}
