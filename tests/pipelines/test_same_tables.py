"""The same telemetry gives the same tables, however it is cut into micro-batches, ordered, or sent twice.

Many cuts are tried in one run: each is a tenant of its own, and tenants never mix.
"""

import os
import random
import re
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from models.champions import champion_scorer
from pipelines.detection import detect_due
from pipelines.ingestion import ingest_batch
from pipelines.lake import Lake
from pipelines.ledger import read_ledger
from pipelines.settings import Settings
from pipelines.sources.files import SOURCE_LINES
from tests.pipelines.tables import RESULTS, comparable, rows
from tests.pipelines.telemetry import START, audit_lines, cut, windows_lines

pytestmark = pytest.mark.slow

WHOLE = "whole"
N_BATCHES = 2
N_CUTS = 5
EXAMPLES = int(os.environ.get("LOGSTER_TEST_EXAMPLES", "1"))


def batch_of(spark: SparkSession, number: int, batches: dict[str, list[list[str]]]) -> Any:
    found = [
        {"tenant": tenant, "source": "auto", "origin": f"{number}#{place}", "record": record}
        for tenant, parts in batches.items()
        for place, record in enumerate(parts[number])
    ]
    return spark.createDataFrame(pa.Table.from_pylist(found, schema=SOURCE_LINES))


def contributions(row: dict[str, Any]) -> dict[str, Any]:
    """Contributing events without the lightest: of equal ones at the list's end, ids decide which are in it."""
    listed = row.get("contributing_events") or []
    lightest = min((one["weight"] for one in listed), default=0.0)
    weights = [one["weight"] for one in listed]
    return {"weights": weights, "contributing_events": [one for one in listed if one["weight"] > lightest + 1e-9]}


_NAMED_EVENT = re.compile(r"\bevent [0-9a-f]{32}\b")  # in a sentence on a rule that matched


def by_tenant(settings: Settings) -> dict[str, dict[str, list[str]]]:
    """Each tenant's tables; ids, which hold the tenant's name, are put as what they stand for."""
    records = {row["record_id"]: row["record"] for row in rows(settings, "raw")}
    names = dict(records)
    for row in rows(settings, "events"):
        names[row["event_id"]] = " + ".join(sorted(records[one] for one in row["record_ids"]))

    def told(value: Any) -> Any:
        if isinstance(value, str):
            return names.get(value) or _NAMED_EVENT.sub("event", value)
        if isinstance(value, dict):
            return {name: told(each) for name, each in value.items()}
        if isinstance(value, list):
            # lists are in order of time or weight; among equals the id decides, which here stands for something else
            return sorted((told(each) for each in value), key=str)
        return value

    tables: dict[str, dict[str, list[str]]] = {}
    for name in RESULTS:
        found: dict[str, list[dict[str, Any]]] = {}
        for row in rows(settings, name):
            found.setdefault(row["tenant"], []).append(told(row | contributions(row)))
        for tenant, own in found.items():
            hidden = ["tenant", "record_id", "alert_id"]
            tables.setdefault(tenant, {})[name] = comparable(own, without=hidden)
    return tables


@given(seed=st.integers(0, 2**32))
@examples(
    max_examples=EXAMPLES, derandomize=True, deadline=None, phases=[Phase.generate], database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
def test_any_cut_order_and_repetition_gives_the_same_tables(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    lines = windows_lines() + audit_lines()
    nothing: list[list[str]] = [[] for _ in range(N_BATCHES - 1)]
    batches = {WHOLE: [lines, *nothing]} | {f"cut-{n}": cut(lines, seed + n, N_BATCHES) for n in range(N_CUTS)}
    folder: Path = tmp_path_factory.mktemp("cuts")
    lake = Lake(spark, Settings(lake=str(folder / "lake"), _env_file=None))
    lake.create_tables()
    score = champion_scorer(lake.settings)
    # windows close in between, so that what comes later opens them again
    rng = random.Random(seed)
    for number in range(N_BATCHES):
        frame = batch_of(spark, number, batches)
        counts = ingest_batch(lake, frame, stream_id="s", number=number, received_at=START)
        assert counts.n_records == sum(len(parts[number]) for parts in batches.values())
        if number == 0:  # the process was killed and does the batch again
            again = ingest_batch(lake, frame, stream_id="s", number=number, received_at=START + timedelta(hours=1))
            assert again == counts
        is_last = number == N_BATCHES - 1
        now = START + timedelta(minutes=rng.uniform(2, 6))
        detect_due(lake, score, now=now, close_all=is_last)

    assert read_ledger(lake).balances
    tables = by_tenant(lake.settings)
    whole = tables.pop(WHOLE)
    assert Counter({name: len(whole[name]) > 0 for name in RESULTS}) == Counter(dict.fromkeys(RESULTS, True))
    assert tables.keys() == {f"cut-{n}" for n in range(N_CUTS)}
    for tenant, own in tables.items():
        for name in RESULTS:
            assert own[name] == whole[name], f"{name} of {tenant} (seed {seed})"
