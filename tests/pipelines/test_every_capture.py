"""Every file of the development telemetry: no record is refused that an independent reader reads, and all say the same.

The independent readers are Python's JSON and XML readers, the ``evtx`` library, and plain patterns for text. Of each
record they tell endpoint, provider, number and, of Windows events, the fields of `_FIELDS`. Runs over the smallest file of
every layout; over all files (1.5 million records, 17 minutes on half of two cores) with LOGSTER_TEST_CAPTURES=1, over those
of some layouts with LOGSTER_TEST_CAPTURES=evtx,sentinel (how their names begin).
"""

import csv
import gzip
import hashlib
import io
import json
import os
import re
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import unescape

import pytest
from evtx import PyEvtxParser
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines.ingestion import raw_rows
from pipelines.normalise.records import parse_records
from pipelines.settings import Settings
from pipelines.sources.files import landing_folder, lines_of_files

pytestmark = pytest.mark.slow

_ASKED = os.environ.get("LOGSTER_TEST_CAPTURES", "")
_LEFT_OUT = {
    "MANIFEST.tsv": "says what the files are",
    "README.md": "says what the files are",
    "labels/README.md": "says what the labels are",
    "labels/captures.jsonl": "labels, no telemetry",
    "labels/windows.tsv.gz": "labels, no telemetry",
    "linux/lab/README.md": "says what was recorded",
    "linux/lab/hosts.jsonl": "says what was recorded",
    "linux/lab/labels.jsonl": "labels, no telemetry",
    "windows/otrf-METADATA.jsonl": "says what the files are",
    **{
        f"linux/elastic-beats-auditd/{name}-expected.json.gz": "documents without time and host; "
        "normalise/test_shared_linux.py puts them back and compares them with the log beside"
        for name in (
            "auditbeat-auditlogin.log", "auditbeat-centos7.log", "auditbeat-chown.log", "auditbeat-passwd.log",
            "auditbeat-setuid.log", "auditbeat-sudo-asuser.log", "auditbeat-sudo.log", "auditbeat-useradd.log",
            "auditbeat-userlogin.log",
        )
    },
}  # fmt: skip
_FIELDS = (
    "Image", "CommandLine", "ParentImage", "NewProcessName", "ParentProcessName", "TargetFilename", "TargetObject",
    "ImageLoaded", "DestinationIp", "DestAddress", "QueryName", "ServiceName", "TaskName", "ObjectName", "SubjectUserName",
    "TargetUserName",
)  # fmt: skip
_WITHOUT_FIELDS = ("splunk WinEventLog multi-line text",)  # whose fields test_windows_logs.py compares
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_NS = "{http://schemas.microsoft.com/win/2004/08/events/event}"
_AUDIT = re.compile(r"(?:node=(\S+) )?type=(\S+) msg=audit\(\d+\.\d+:\d+\)")

Told = tuple[str, str, str, dict[str, Any]]
"""Endpoint, provider, number and fields of a record."""


def _unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def _lines(path: Path) -> list[str]:
    return [line for line in _unpacked(path).decode(errors="replace").split("\n") if line.strip("\r \t")]


def _flat(told: dict[str, Any]) -> Told:
    return told["Hostname"], told.get("SourceName") or told.get("Source") or told["Channel"], str(told["EventID"]), told


def _beat6(told: dict[str, Any]) -> Told:
    return told["computer_name"], told["source_name"], str(told["event_id"]), told.get("event_data") or {}


def _beat7(told: dict[str, Any]) -> Told:
    log = told["winlog"]
    return log["computer_name"], log["provider_name"], str(log["event_id"]), log.get("event_data") or {}


def _evtx_json(told: dict[str, Any]) -> Told:
    event = told["Event"]
    system, code = event["System"], event["System"]["EventID"]
    number = code["#text"] if isinstance(code, dict) else code
    return (
        system["Computer"], system["Provider"]["#attributes"]["Name"], str(number), event.get("EventData") or _only(event),
    )  # fmt: skip


def _only(event: dict[str, Any]) -> dict[str, Any]:
    return dict(next(iter(event["UserData"].values()))) if event.get("UserData") else {}


def _sentinel(told: dict[str, Any]) -> Told:
    if told.get("Type") == "VMConnection":
        return told["Computer"], "VMConnection", told["Direction"], {}
    data, fields = told.get("EventData") or "", told
    if data.startswith("<"):
        fields = {**told, **{one.get("Name"): one.text for one in ElementTree.fromstring(data)}}
    elif data:
        fields = {**told, **json.loads(data)}
    return (
        told["Computer"],
        told.get("EventSourceName")
        or told.get("Provider")
        or told.get("Source", "Microsoft-Windows-Security-Auditing"),
        str(told["EventID"]),
        fields,
    )


def _defender(told: dict[str, Any]) -> Told:
    application = "cloud-" + told["Application"].lower().replace(" ", "-")
    return told["DeviceName"] or application, "Microsoft-Defender", told["ActionType"], {}


def _syslog_xml(told: dict[str, Any]) -> Told:
    xml = told["SyslogMessage"]

    def found(pattern: str) -> str:
        return re.findall(pattern, xml)[0]

    # Sysmon for Linux writes some entities with a space for their end
    fields = {
        name: unescape(re.sub("&([lg]t) ", r"&\1;", value), {"&quot;": '"'})
        for name, value in re.findall(r'<Data Name="(\w+)">([^<]*)', xml)
    }
    return found("<Computer>(.*?)<"), "Linux-Sysmon", found("<EventID>(.*?)<"), fields


def _json_lines(one: Callable[[dict[str, Any]], Told]) -> Callable[[Path], Iterator[Told]]:
    return lambda path: (one(json.loads(line, strict=False)) for line in _lines(path))


def _laid_out(path: Path) -> Iterator[Told]:
    text, at, decoder = _unpacked(path).decode("utf-8-sig"), 0, json.JSONDecoder()
    while at < len(text.rstrip()):
        told, at = decoder.raw_decode(text, at)
        yield _evtx_json(told)
        while text[at : at + 1].isspace():
            at += 1


def _csv(path: Path) -> Iterator[Told]:
    for told in csv.DictReader(io.StringIO(_unpacked(path).decode(), newline="")):
        yield told["Computer"], "Microsoft-Windows-Security-Auditing", told["EventID"], told


def _auoms(path: Path) -> Iterator[Told]:
    for line in _lines(path):
        yield json.loads(line)["Computer"], "auditd", "SYSCALL", {}


def _audit(path: Path) -> Iterator[Told]:
    for line in _lines(path):
        if found := _AUDIT.match(line):
            yield found[1] or "here", "auditd", found[2], {}


def _splunk_text(path: Path) -> Iterator[Told]:
    for event in re.split(r"^(?=\d\d/\d\d/\d{4} \d\d:\d\d:\d\d [AP]M$)", _unpacked(path).decode(), flags=re.M)[1:]:
        told = dict(re.findall(r"^(\w+)=(.*)$", event.partition("\nMessage=")[0], flags=re.M))
        provider = told["SourceName"].replace(
            "Microsoft Windows security auditing.", "Microsoft-Windows-Security-Auditing"
        )
        yield told["ComputerName"], provider, told["EventCode"], {}


def _of_xml(xml: str) -> Told:
    readable = _NOT_IN_XML.sub("?", xml.replace("\r\n", "\n").replace("\r", "\n"))
    event = ElementTree.fromstring(readable.removeprefix('<?xml version="1.0" encoding="utf-8"?>\n'))
    system = event.find(f"{_NS}System")
    assert system is not None
    provider, body = system.find(f"{_NS}Provider"), event.find(f"{_NS}EventData")
    assert provider is not None
    fields: dict[str, Any] = {}
    for leaf in body if body is not None else event.findall(f"{_NS}UserData//*"):
        fields.setdefault(leaf.get("Name") or leaf.tag.rpartition("}")[2], leaf.text)
    return (
        str(system.findtext(f"{_NS}Computer")), str(provider.get("Name")), str(system.findtext(f"{_NS}EventID")), fields,
    )  # fmt: skip


def _of_log(log: bytes) -> Iterator[Told]:
    records = PyEvtxParser(io.BytesIO(log), number_of_threads=1, indent=False).records()
    while True:
        try:
            record = next(records)
        except StopIteration:
            return
        except RuntimeError:  # a record that the library cannot read either
            continue
        yield _of_xml(record["data"])


def _evtx(path: Path) -> Iterator[Told]:
    return _of_log(_unpacked(path))


def _archive(path: Path) -> Iterator[Told]:
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file:
                yield from _of_log(file.read())


_READERS: dict[str, Callable[[Path], Iterator[Told]]] = {
    "winlogbeat6 json": _json_lines(_beat6),
    "winlogbeat7 json": _json_lines(_beat7),
    "nxlog-flattened json": _json_lines(_flat),
    "winevent-flattened json": _json_lines(_flat),
    "evtx": _evtx,
    "evtx (tar.gz of 4 channels)": _archive,
    "evtx-json (converted from EVTX, 1 event a line, time order)": _json_lines(_evtx_json),
    "evtx-json (pretty-printed)": _laid_out,
    "sentinel-la json": _json_lines(_sentinel),
    "mde json": _json_lines(_defender),
    "sentinel-syslog(auoms auditd)": _auoms,
    "sentinel-syslog(sysmon-for-linux xml)": _json_lines(_syslog_xml),
    "4688 csv": _csv,
    "splunk WinEventLog multi-line text": _splunk_text,
    "auditd raw text": _audit,
}


def _digest(fields: dict[str, Any]) -> int:
    """Of what a record says in the fields compared; half of it, so that a sum of many fits 64 bits."""
    said = [_text(fields.get(name)) for name in _FIELDS]
    return int(hashlib.md5("\x1f".join(said).encode(errors="replace")).hexdigest()[:8], 16)


def _text(value: Any) -> str:
    told = json.dumps(value) if isinstance(value, bool | dict | list) else "" if value is None else str(value)
    return "" if told in ("", "-") else told


@pytest.fixture(scope="module")
def files(shared_data: Path) -> list[tuple[str, Path]]:
    """Layout and path of each file that is read."""
    with (shared_data / "MANIFEST.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    found = [(row["format"], shared_data / row["path"]) for row in rows if row["path"] not in _LEFT_OUT]
    found += [("auditd raw text", path) for path in sorted((shared_data / "linux/lab").glob("*.audit.log.gz"))]
    if _ASKED == "1":
        return found
    if _ASKED:
        return [one for one in found if one[0].startswith(tuple(_ASKED.split(",")))]
    smallest: dict[str, Path] = {}
    for layout, path in sorted(found, key=lambda one: one[1].stat().st_size):
        smallest.setdefault(layout, path)
    return list(smallest.items())


@pytest.fixture(scope="module")
def read(spark: SparkSession, files, tmp_path_factory) -> dict[str, dict[str, Any]]:
    """Through Spark, all in one frame: a file's number -> what its records say, and how many were refused for what."""
    root = tmp_path_factory.mktemp("landing")
    settings = Settings(lake=str(root), landing=str(root), _env_file=None)
    landed = []
    for number, (_, path) in enumerate(files):
        link = root / landing_folder(str(number), "auto", "here", None) / path.name
        link.parent.mkdir(parents=True)
        link.symlink_to(path)
        landed.append((link.as_uri(), path.stat().st_size))
    lines = lines_of_files(spark.createDataFrame(landed, "path string, length long"), settings, n_tasks=16)
    raw = raw_rows(lines, batch_id="test/0", received_at=datetime(2026, 1, 2, tzinfo=UTC))
    said = [F.coalesce(F.replace(F.col("data")[name], F.lit("\r\n"), F.lit("\n")), F.lit("")) for name in _FIELDS]
    digest = F.conv(F.substring(F.md5(F.concat_ws("\x1f", *said)), 1, 8), 16, 10).cast("bigint")
    rows = (
        parse_records(raw)
        .groupBy("tenant", "reason", "endpoint", "provider", "event_code")
        .agg(F.count(F.lit(1)).alias("n"), F.sum(digest).alias("digest"), F.min("record").alias("record"))
        .collect()
    )
    found: dict[str, dict[str, Any]] = {str(number): {"told": {}, "refused": []} for number in range(len(files))}
    for row in rows:
        if row["reason"] is None:
            found[row["tenant"]]["told"][row["endpoint"], row["provider"], row["event_code"]] = (
                row["n"],
                row["digest"],
            )
        else:
            found[row["tenant"]]["refused"].append((row["reason"], row["n"], row["record"][:200]))
    return found


def _unreadable(layout: str, path: Path) -> dict[str, int]:
    """Reasons for what no reader reads, and how many records have them."""
    if layout == "auditd raw text":  # lines that the source itself broke (``type=UNKNOWN[1329] msg=g``)
        n_broken = sum(1 for line in _lines(path) if not _AUDIT.match(line))
        return {"no format recognises the record": n_broken} if n_broken else {}
    # the library stops at these
    return {"chunk of a Windows event log without its header": 8} if path.name == "sysmon.evtx.gz" else {}


def test_each_file_of_the_telemetry_is_read_or_left_out_by_name(shared_data: Path) -> None:
    with (shared_data / "MANIFEST.tsv").open(newline="") as file:
        layouts = {row["path"]: row["format"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}
    there = {str(path.relative_to(shared_data)) for path in shared_data.rglob("*") if path.is_file()}
    unknown = [
        name
        for name in there - _LEFT_OUT.keys()
        if layouts.get(name) not in _READERS and not re.fullmatch(r"linux/lab/[\w.-]+\.audit\.log\.gz", name)
    ]
    assert not unknown
    assert not _LEFT_OUT.keys() - there


def test_no_record_is_refused_that_an_independent_reader_reads(files, read) -> None:
    wrong = {}
    for number, (layout, path) in enumerate(files):
        refused = read[str(number)]["refused"]
        if {reason: n for reason, n, _ in refused} != _unreadable(layout, path):
            wrong[path.name] = refused
    assert not wrong


def test_every_record_says_what_an_independent_reader_reads(files, read) -> None:
    wrong = {}
    for number, (layout, path) in enumerate(files):
        counts: Counter[tuple[str, str, str]] = Counter()
        digests: Counter[tuple[str, str, str]] = Counter()
        for endpoint, provider, code, fields in _READERS[layout](path):
            key = (endpoint.lower(), provider, code)
            counts[key] += 1
            digests[key] += _digest(fields)
        expected: dict[tuple[str, str, str], Any] = {key: (n, digests[key]) for key, n in counts.items()}
        got = read[str(number)]["told"]
        if layout in _WITHOUT_FIELDS:
            expected, got = dict(counts), {key: n for key, (n, _) in got.items()}
        if got != expected:
            different = [key for key in expected.keys() | got.keys() if expected.get(key) != got.get(key)]
            wrong[path.name] = [(key, expected.get(key), got.get(key)) for key in different[:4]]
    assert not wrong
