from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.captures import Capture, read_captures, read_labels, split_of

pytestmark = pytest.mark.fast

techniques = st.lists(st.integers(1, 30).map("T{:04}".format), min_size=1, max_size=3, unique=True)


@settings(max_examples=40, deadline=None)
@given(attacks=st.lists(techniques, min_size=8, max_size=60))
def test_no_held_out_technique_is_in_training(attacks) -> None:
    captures = [Capture(f"c{n}", "", "windows", "nxlog", True, tuple(own), "", "") for n, own in enumerate(attacks)]
    normal = Capture("laptop", "", "windows", "nxlog", False, (), "", "")
    split = split_of([*captures, normal])
    _check(split, [*captures, normal])
    assert "laptop" in split.held_out
    taught = {name for one in captures if one.tenant in split.train for name in one.techniques}
    assert taught.isdisjoint(split.held_out_groups)


@settings(max_examples=40, deadline=None)
@given(hosts=st.lists(st.tuples(st.booleans(), st.sampled_from("abcdefgh")), min_size=8, max_size=60))
def test_no_held_out_role_is_in_training(hosts) -> None:
    captures = [Capture(f"c{n}", "", "linux", "auditd", bad, (), role, "") for n, (bad, role) in enumerate(hosts)]
    split = split_of(captures)
    _check(split, captures)
    roles = {one.tenant: one.role for one in captures}
    assert {roles[one] for one in split.train}.isdisjoint(roles[one] for one in split.held_out)


def test_split_of_the_labelled_captures_leaves_enough_on_both_sides(shared_data: Path) -> None:
    for platform in ("windows", "linux"):
        captures = read_captures(shared_data, [platform])
        split = split_of(captures)
        _check(split, captures)
        assert split == split_of(captures[::-1]) or set(split.train) == set(split_of(captures[::-1]).train)
        attacked = {one.tenant for one in captures if one.is_attack}
        share = len(attacked & set(split.held_out)) / len(attacked)
        assert 0.2 < share < 0.6


def test_starts_of_attacks_lie_within_the_labelled_captures_windows(shared_data: Path) -> None:
    captures = {one.tenant: one for one in read_captures(shared_data, ["windows"])}
    attacked = [(one.tenant, each) for one in captures.values() for each in one.attacked]
    assert len(attacked) > 50 and all(captures[tenant].is_attack for tenant, _ in attacked)
    labelled = {(one.tenant, one.endpoint, one.label): one for one in read_labels(shared_data)}
    for tenant, each in attacked:
        assert each.n_starts > 0 and (tenant, each.name, "attack") in labelled
        assert all(0 < first <= last + 1_000 for first, last in each.spans)  # of one start both ends are the same


def _check(split, captures) -> None:
    assert Counter([*split.train, *split.held_out]) == Counter(one.tenant for one in captures)
