"""The texts that nodes and edges of fixed events have, which `TOKENS_VERSION` covers too: ``cases/texts.json``.

After a change that is meant, raise `TOKENS_VERSION`, rewrite the file and review the difference:

    LOGSTER_TEST_REWRITE=1 .venv/bin/python -m pytest -m "" tests/models/test_texts_version.py
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from models.tokens import TOKENS_VERSION
from pipelines.lake import conform
from pipelines.schemas.graphs import NODE_TYPES
from pipelines.schemas.tables import table_named
from pipelines.windows.edges import with_edges
from tests.models.versioned import check_versioned

pytestmark = pytest.mark.slow

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACTOR = {"process_key": "p1", "process_path": "C:\\Tools\\a.exe", "command_line": "a.exe /x", "user": "CORP\\ada"}
EVENTS: tuple[dict[str, Any], ...] = (
    {"category": "process", "action": "process_created", **ACTOR, "parent_key": "p0", "parent_path": "C:\\b.exe",
     "parent_command_line": "b.exe -k"},
    {"category": "process", "action": "process_accessed", **ACTOR, "target_key": "p2", "target_path": "C:\\lsass.exe",
     "privilege": "0x1410"},
    {"category": "file", "action": "file_written", **ACTOR, "file_path": "C:\\x\\y.dll"},
    {"category": "module", "action": "module_loaded", **ACTOR, "file_path": "C:\\z.dll", "is_signed": False},
    {"category": "script", "action": "script_run", "user": "CORP\\ada", "script_text": "Get-Item x"},
    {"category": "network", "action": "connected", **ACTOR, "dst_ip": "10.0.0.9", "dst_port": 445, "protocol": "TCP"},
    {"category": "network", "action": "dns_query", **ACTOR, "dst_domain": "Example.com"},
    {"category": "registry", "action": "registry_written", **ACTOR, "registry_key": "HKLM\\a\\b", "registry_value": "1"},
    {"category": "auth", "action": "logon", "outcome": "failure", "logon_type": "3", "src_ip": "10.0.0.7",
     "user": "CORP\\bob"},
    {"category": "syscall", "action": "process_traced", "process_pid": 7, "syscall": "ptrace", "target_pid": 8},
    {"category": "other", "action": "other"},
)  # fmt: skip


def test_texts_of_nodes_and_edges_change_only_with_the_tokens_version(spark: SparkSession) -> None:
    table = table_named("events")
    same = {
        "tenant": "t", "endpoint": "e", "platform": "windows", "ts": NOON, "ingested_at": NOON, "source": "s",
        "provider": "P", "event_code": "1", "record_id": "r", "record_ids": ["r"], "parser_version": "1",
    }  # fmt: skip
    rows = [{**same, "event_id": f"{number:02}", **event} for number, event in enumerate(EVENTS)]
    events = conform(spark.createDataFrame(pa.Table.from_pylist(rows, table.schema)), table)
    edges = with_edges(events).select("event_id", F.inline("edges")).orderBy("event_id", "type", "src.id", "dst.id")
    found = [
        [edge.type, edge.text, *([end.type, end.label, end.text] for end in (edge.src, edge.dst))]
        for edge in edges.collect()
    ]
    assert {end[0] for edge in found for end in edge[2:]} == set(NODE_TYPES)
    check_versioned(
        Path(__file__).parent / "cases" / "texts.json", TOKENS_VERSION, found,
        way_out="texts of nodes or edges have changed: raise TOKENS_VERSION, and train the shipped weights anew",
    )  # fmt: skip
