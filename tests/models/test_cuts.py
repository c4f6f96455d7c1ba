from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.cuts import parts_by_size

pytestmark = pytest.mark.fast


@given(sizes=st.lists(st.integers(0, 30), max_size=40), limit=st.integers(1, 40), most=st.none() | st.integers(1, 5))
def test_parts_hold_every_item_once_in_order_and_no_more_than_they_may(sizes, limit, most) -> None:
    parts = list(parts_by_size(sizes, limit, most))
    assert [place for part in parts for place in part] == list(range(len(sizes)))
    for part in parts:
        assert len(part) == 1 or sum(sizes[place] for place in part) <= limit
        assert most is None or len(part) <= most
    # no part could have taken the first item of the next
    for part, following in pairwise(parts):
        is_full = most is not None and len(part) == most
        assert is_full or sum(sizes[place] for place in [*part, following[0]]) > limit
