from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.alerting.lifecycle import UNCHANGED, AlertState, WantedChange, is_same_request, next_change
from pipelines.errors import TransitionError
from pipelines.schemas.alerts import ALERT_CHANGES, AlertStatus

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

# the lifecycle once more, as a person would draw it
ARROWS = """
open -> acknowledged investigating resolved false_positive
acknowledged -> open investigating resolved false_positive
investigating -> open resolved false_positive
resolved -> investigating false_positive
false_positive -> investigating resolved
"""
WAYS = {line.split(" -> ")[0]: line.split(" -> ")[1].split() for line in ARROWS.strip().splitlines()}

pytestmark = pytest.mark.fast


def step(history, wanted, *, now=NOON):
    return next_change(history, wanted, alert_id="a", tenant="acme", change_id=str(len(history)), now=now)


wanted_changes = st.builds(
    WantedChange,
    actor=st.sampled_from(["ann", "bob"]),
    status=st.none() | st.sampled_from(AlertStatus),
    assignee=st.sampled_from([UNCHANGED, None, "ann", "bob"]),
    note=st.none() | st.sampled_from(["seen", "false alarm"]),
)


@given(st.lists(st.tuples(wanted_changes, st.integers(-5, 5)), max_size=30))
def test_any_sequence_of_changes_gives_the_state_of_a_plain_model(asked):
    history, status, assignee = [], "open", None
    for wanted, minutes in asked:
        if wanted.status is not None and wanted.status not in WAYS[status]:
            with pytest.raises(TransitionError, match=f"an alert that is '{status}' cannot become '{wanted.status}'"):
                step(history, wanted)
            continue
        made = step(history, wanted, now=NOON + timedelta(minutes=minutes))
        assert made.from_status == status
        status = status if wanted.status is None else str(wanted.status)
        assignee = assignee if wanted.assignee is UNCHANGED else wanted.assignee
        history.append(made)
    assert (history[-1].state if history else AlertState()) == AlertState(AlertStatus(status), assignee)
    # whoever reads the table in order of time sees the same last change, whatever the clocks did
    times = [change.changed_at for change in history]
    assert times == sorted(set(times))


@given(st.lists(wanted_changes, min_size=1, max_size=12), wanted_changes)
def test_request_is_known_again_and_another_is_not(asked, other):
    history = []
    for wanted in asked:
        try:
            history.append(step(history, wanted))
        except TransitionError:
            continue
        assert all(is_same_request(history, len(history) - 1, wanted) for _ in range(2))
    for place, made in enumerate(history):
        if (other.actor, other.note) != (made.actor, made.note):
            assert not is_same_request(history, place, other)


def test_refusal_names_the_ways_out():
    resolved = [step([], WantedChange("ann", AlertStatus.RESOLVED))]
    with pytest.raises(TransitionError, match="from 'resolved' it may go to: false_positive, investigating"):
        step(resolved, WantedChange("ann", AlertStatus.ACKNOWLEDGED))


def test_row_has_the_columns_of_its_table():
    assert list(vars(step([], WantedChange("ann")))) == ALERT_CHANGES.names
