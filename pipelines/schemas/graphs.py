"""Tables of windows: ``panes``, ``window_graphs``, ``window_scores``, and the work list ``pending``."""

import pyarrow as pa

from pipelines.schemas.fields import TIMESTAMP, column

__all__ = [
    "EDGE_TYPES", "NODE_TYPES", "PANES", "PENDING", "SCORE_ROLES", "VERDICTS", "WINDOW_GRAPHS", "WINDOW_SCORES",
]  # fmt: skip

NODE_TYPES = ("process", "file", "script", "network", "syscall", "registry", "user")
EDGE_TYPES = (
    "spawned", "wrote", "executed", "connected_to", "performed",
    "read", "loaded", "deleted", "accessed", "injected", "ended", "resolved", "listened", "logged_on",
)  # fmt: skip
VERDICTS = ("benign", "attack")
SCORE_ROLES = ("champion", "challenger", "rescore")

_NODES = pa.list_(pa.field("element", pa.struct([
    pa.field("id", pa.string()),
    pa.field("type", pa.string()),
    pa.field("label", pa.string()),
    pa.field("text", pa.string()),
])))  # fmt: skip

_EDGES = pa.list_(pa.field("element", pa.struct([
    pa.field("src", pa.string()),
    pa.field("dst", pa.string()),
    pa.field("type", pa.string()),
    pa.field("ts", TIMESTAMP),
    pa.field("event_id", pa.string()),
    pa.field("text", pa.string()),
    pa.field("n_events", pa.int32()),
])))  # fmt: skip

_ENDPOINT = [
    column("tenant", pa.string(), "customer or business unit", required=True),
    column("endpoint", pa.string(), "machine, lower case", required=True),
    column("platform", pa.string(), "`windows` or `linux`", required=True),
]

PENDING = pa.schema(
    [
        *_ENDPOINT,
        column("kind", pa.string(), "`pane` or `window`", required=True),
        column("start", TIMESTAMP, "start of the pane or window that new events fell into", required=True),
        column("end", TIMESTAMP, "its end, not in it", required=True),
        column("ingested_at", TIMESTAMP, "when the newest of them was read", required=True),
        column("batch_id", pa.string(), "micro-batch that brought them", required=True),
    ]
)

PANES = pa.schema(
    [
        *_ENDPOINT,
        column(
            "pane_start", TIMESTAMP, "start of the half-open minute [pane_start, pane_start + slide)", required=True
        ),
        column("nodes", _NODES, "nodes that the minute's edges touch", required=True),
        column(
            "edges", _EDGES, "the minute's edges; `n_events` says how many equal ones each stands for", required=True
        ),
        column("n_events", pa.int64(), "events in the minute, dropped ones included", required=True),
        column("n_edges_dropped", pa.int64(), "edges that the cap left out", required=True),
    ]
)

WINDOW_GRAPHS = pa.schema(
    [
        *_ENDPOINT,
        column("window_start", TIMESTAMP, "start of the half-open window", required=True),
        column("window_end", TIMESTAMP, "its end, not in it", required=True),
        column("nodes", _NODES, "id, type, label, text that features are made of", required=True),
        column("edges", _EDGES, "src, dst, type, ts, event_id, text, n_events; ordered by ts", required=True),
        column("n_events", pa.int64(), "events in the window, dropped ones included", required=True),
        column("n_edges_dropped", pa.int64(), "edges that the cap left out", required=True),
    ]
)

_CONTRIBUTIONS = pa.list_(pa.field("element", pa.struct([
    pa.field("event_id", pa.string()),
    pa.field("weight", pa.float64()),
    pa.field("summary", pa.string()),
])))  # fmt: skip

WINDOW_SCORES = pa.schema([
    *_ENDPOINT,
    column("window_start", TIMESTAMP, "start of the half-open window", required=True),
    column("window_end", TIMESTAMP, "its end, not in it", required=True),
    column("model_name", pa.string(), "registered model", required=True),
    column("model_version", pa.string(), "its version", required=True),
    column("role", pa.string(), "`champion` raises alerts, one row a window at most; `challenger` and `rescore` raise nothing",
           required=True),
    column("attack_prob", pa.float64(), "probability that the window holds an attack, 0 to 1", required=True),
    column("verdict", pa.string(), "`benign` or `attack` (attack_prob at or over the model's threshold)", required=True),
    column("contributing_events", _CONTRIBUTIONS, "events that raised the score most, highest weight first",
           required=True),
    column("n_nodes", pa.int64(), "nodes scored", required=True),
    column("n_edges", pa.int64(), "edges scored", required=True),
    column("scored_at", TIMESTAMP, "when it was scored", required=True),
])  # fmt: skip
