"""Real Windows event logs and Splunk's text against independent readings: every event is there with all its fields."""

import gzip
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from evtx import PyEvtxParser
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines.ingestion import raw_rows
from pipelines.lineage import settled
from pipelines.normalise.records import parse_records
from pipelines.settings import Settings
from pipelines.sources.files import landing_folder, lines_of_files

pytestmark = pytest.mark.slow

_LOGS = ("post-Security", "security", "system")  # the library itself cannot read the fourth to its end
_TEXT = "T1003.003_windows-sec-events.out.gz"
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_NS = "{http://schemas.microsoft.com/win/2004/08/events/event}"


def _readable(text: str) -> str:
    """Text with the characters that no XML may hold, and that the library writes all the same, as question marks."""
    return _NOT_IN_XML.sub("?", text.replace("\r\n", "\n").replace("\r", "\n"))


def _fields(data: dict[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset((name, _readable(value)) for name, value in data.items())


def _told(xml: str) -> tuple[str, str, str, frozenset[tuple[str, str]]]:
    """Endpoint, provider, number and fields of an event as Python's own XML reader sees them."""
    event = ElementTree.fromstring(_readable(xml.removeprefix('<?xml version="1.0" encoding="utf-8"?>\n')))
    system = event.find(f"{_NS}System")
    assert system is not None
    fields: dict[str, str] = {}
    body = event.find(f"{_NS}EventData")
    leaves = list(body) if body is not None else [one for one in event.findall(f"{_NS}UserData//*") if len(one) == 0]
    for at, leaf in enumerate(leaves, start=1):
        tag = leaf.tag.rpartition("}")[2]
        name = leaf.get("Name") or (f"param{at}" if tag == "Data" else tag)
        if leaf.text not in (None, "", "-"):
            fields.setdefault(name, str(leaf.text))
    provider = system.find(f"{_NS}Provider")
    assert provider is not None
    return (
        str(system.findtext(f"{_NS}Computer")).lower(),
        str(provider.get("Name")),
        str(system.findtext(f"{_NS}EventID")),
        frozenset(fields.items()),
    )


@pytest.fixture(scope="module")
def parsed(spark: SparkSession, shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """A file's name -> its records in the envelope, all read in one job."""
    root = tmp_path_factory.mktemp("landing")
    settings = Settings(lake=str(root), landing=str(root), _env_file=None)
    sources = [shared_data / f"windows/evtx-samples/{name}.evtx.gz" for name in _LOGS]
    files = []
    for path in [*sources, shared_data / "windows/splunk-attack-data" / _TEXT]:
        landed = root / landing_folder(path.name, "auto", None, None) / path.name
        landed.parent.mkdir(parents=True)
        landed.symlink_to(path)
        files.append((landed.as_uri(), path.stat().st_size))
    lines = lines_of_files(spark.createDataFrame(files, "path string, length long"), settings, n_tasks=2)
    raw = raw_rows(lines, batch_id="test/0", received_at=datetime(2026, 1, 2, tzinfo=UTC))
    rows = settled(parse_records(raw).withColumn("record", F.lit("")))
    found: dict[str, list[Any]] = {}
    for row in rows.select("tenant", "source", "reason", "endpoint", "provider", "event_code", "data").collect():
        found.setdefault(row["tenant"], []).append(row)
    return found


@pytest.mark.parametrize("name", _LOGS)
def test_every_event_of_a_log_has_the_fields_that_an_xml_reader_sees(parsed, shared_data: Path, name: str) -> None:
    path = shared_data / f"windows/evtx-samples/{name}.evtx.gz"
    with gzip.open(path) as file:
        expected = Counter(
            _told(record["data"]) for record in PyEvtxParser(file, number_of_threads=1, indent=False).records()
        )
    rows = parsed[path.name]
    assert [row["reason"] for row in rows if row["reason"]] == []
    got = Counter((row["endpoint"], row["provider"], row["event_code"], _fields(row["data"])) for row in rows)
    assert got == expected, (list((expected - got).items())[:2], list((got - expected).items())[:2])


def test_every_event_of_splunks_text_has_its_process_and_user(parsed, shared_data: Path) -> None:
    path = shared_data / "windows/splunk-attack-data" / _TEXT
    text = gzip.decompress(path.read_bytes()).decode().replace("\r\n", "\n")
    labels = {
        "New Process ID": "NewProcessId",
        "New Process Name": "NewProcessName",
        "Creator Process Name": "ParentProcessName",
    }
    expected = Counter()
    for record in text.split("LogName=Security\n")[1:]:
        lines = [line.strip().split(":", 1) for line in record.split("\n") if line.startswith("\t") and ":" in line]
        told = {label: value.strip() for label, value in lines}  # "-" says nothing
        user = next(value.strip() for label, value in lines if label == "Account Name")
        expected[(None if user == "-" else user, *(told.get(label) or None for label in labels))] += 1
    rows = parsed[path.name]
    assert {(row["source"], row["reason"]) for row in rows} == {("splunk_text", None)}
    got = Counter(
        (row["data"].get("SubjectUserName"), *(row["data"].get(name) for name in labels.values())) for row in rows
    )
    assert got == expected and got.total() == 1797
