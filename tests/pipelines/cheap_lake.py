"""A lake with windows to score that costs no telemetry: panes as rows, and their windows on the work list."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa

from pipelines.lake import Lake, conform
from pipelines.schemas.tables import table_named

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
END = NOON + timedelta(hours=1)
ENDPOINTS = ("web-1", "web-2")
N_WINDOWS = 3


def fill(lake: Lake) -> None:
    """One pane an endpoint, and its three windows on the work list."""
    panes, pending = [], []
    for endpoint in ENDPOINTS:
        whose = {"tenant": "acme", "endpoint": endpoint, "platform": "linux"}
        at = NOON + timedelta(minutes=2)
        panes.append({
            **whose, "pane_start": at, "n_events": 1, "n_edges_dropped": 0,
            "nodes": [{"id": "p", "type": "process", "label": "sh", "text": "/bin/sh"}],
            "edges": [{"src": "p", "dst": "p", "type": "ended", "ts": at, "event_id": "e", "text": "", "n_events": 1}],
        })  # fmt: skip
        for minute in range(N_WINDOWS):
            start = NOON + timedelta(minutes=minute)
            pending.append({
                **whose, "kind": "window", "start": start, "end": start + timedelta(minutes=3), "ingested_at": start,
                "batch_id": "b",
            })  # fmt: skip
    for name, found in (("panes", panes), ("pending", pending)):
        table = table_named(name)
        made = lake.spark.createDataFrame(pa.Table.from_pylist(found, table.schema))
        lake.append(name, conform(made, table))
