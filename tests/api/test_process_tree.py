from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.process_tree import tree_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.fast


def process(name, parent=None, second=0, **columns):
    return {
        "id": name, "parent_id": parent, "pid": None, "name": None, "path": None, "command_line": None, "user": None,
        "is_contributing": False, "first_seen": NOON + timedelta(seconds=second), "n_events": 1, **columns,
    }  # fmt: skip


@st.composite
def processes(draw):
    """Any links at all: missing parents, circles, processes that are their own parent."""
    n_processes = draw(st.integers(0, 30))
    names = [f"p{number}" for number in range(n_processes)]
    return [
        process(
            name,
            draw(st.sampled_from([None, "unseen", *names])),
            draw(st.integers(0, 5)),
            is_contributing=draw(st.booleans()),
        )
        for name in names
    ]


@given(processes(), st.integers(1, 40), st.randoms(use_true_random=False))
def test_tree_is_whole_bounded_and_without_circles_whatever_the_links(rows, max_nodes, rng):
    nodes = tree_of(rows, max_nodes=max_nodes)
    assert len(nodes) == len({node.id for node in nodes}) == min(len(rows), max_nodes)
    depths = {None: -1}
    linked = {row["id"]: row["parent_id"] for row in rows}
    for node in nodes:
        assert node.parent_id in depths, "a parent comes before its children"
        assert node.depth == depths[node.parent_id] + 1
        assert node.parent_id in (None, linked[node.id])
        depths[node.id] = node.depth
    n_contributing = sum(row["is_contributing"] for row in rows)
    assert sum(node.is_contributing for node in nodes) == min(n_contributing, max_nodes)
    assert tree_of(rng.sample(rows, len(rows)), max_nodes=max_nodes) == nodes


def test_what_matters_most_is_kept():
    rows = [
        process("noise", second=0), process("root", second=1), process("parent", "root", 2),
        process("seed", "parent", 3, is_contributing=True), process("child", "seed", 4), process("grandchild", "child", 5),
    ]  # fmt: skip
    kept = [{node.id for node in tree_of(rows, max_nodes=n)} for n in range(1, 7)]
    added = [(kept[n] - (kept[n - 1] if n else set())).pop() for n in range(6)]
    assert added == ["seed", "parent", "root", "child", "grandchild", "noise"]


def test_deep_chain_does_not_overflow():
    rows = [process(f"p{n}", f"p{n - 1}" if n else None, is_contributing=n == 4999) for n in range(5000)]
    nodes = tree_of(rows, max_nodes=500)
    assert [node.depth for node in nodes] == list(range(500))
    assert nodes[-1].is_contributing
