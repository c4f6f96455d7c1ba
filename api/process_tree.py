"""From the processes of an alert to a tree of those worth showing. Pure; the processes are read by ``api.evidence``."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from api.evidence_schemas import ProcessNode

__all__ = ["chosen", "parents_of", "tree_of"]


def tree_of(processes: Sequence[Mapping[str, Any]], *, max_nodes: int) -> list[ProcessNode]:
    """Build the tree of the processes that matter most.

    Args:
        processes: rows of ``processes.sql``, in any order; parents may be missing or go round in circles.
        max_nodes: nodes at most.

    Returns:
        Nodes from the roots down: a parent comes before its children, children by time. A process whose parent is not
        among them is a root.
    """
    rows = {row["id"]: row for row in processes}
    parents = parents_of(rows)
    kept = set(chosen(rows, parents, max_nodes))
    children = defaultdict(list)
    for one in kept:
        above = parents[one]
        children[above if above in kept else None].append(one)
    nodes: list[ProcessNode] = []
    waiting = [(root, 0) for root in reversed(_by_time(rows, children[None]))]
    while waiting:
        one, depth = waiting.pop()
        row = dict(rows[one])
        row["parent_id"] = parents[one] if parents[one] in kept else None
        nodes.append(ProcessNode(**row, depth=depth))
        waiting += [(child, depth + 1) for child in reversed(_by_time(rows, children[one]))]
    return nodes


def parents_of(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str | None]:
    """Each process's parent, where there is one; a circle (a pid used again) is opened where it was entered."""
    parents = {one: row["parent_id"] if row["parent_id"] in rows else None for one, row in rows.items()}
    done: set[str] = set()
    for start in _by_time(rows, rows):
        way: list[str] = []
        on_way: set[str] = set()
        at: str | None = start
        while at is not None and at not in done:
            if at in on_way:
                parents[at] = None
                break
            way.append(at)
            on_way.add(at)
            at = parents[at]
        done.update(way)
    return parents


def chosen(rows: Mapping[str, Mapping[str, Any]], parents: Mapping[str, str | None], max_nodes: int) -> list[str]:
    """Choose processes: those of contributing events, then what they come from, what came of them, then the others."""
    children = defaultdict(list)
    for one, above in parents.items():
        children[above].append(one)
    seeds = _by_time(rows, [one for one, row in rows.items() if row["is_contributing"]])
    order = dict.fromkeys(seeds)
    for at in (parents[one] for one in seeds):
        while at is not None and at not in order:
            order[at] = None
            at = parents[at]
    queue = deque(seeds)
    seen = set(seeds)
    while queue:
        for child in _by_time(rows, children[queue.popleft()]):
            if child not in seen:
                seen.add(child)
                order.setdefault(child)
                queue.append(child)
    order.update(dict.fromkeys(_by_time(rows, rows)))
    return list(order)[:max_nodes]


def _by_time(rows: Mapping[str, Mapping[str, Any]], ids: Iterable[str]) -> list[str]:
    return sorted(ids, key=lambda one: (rows[one]["first_seen"], one))
