"""The page of which fields are filled is what the formats' tests expect, for every format that there is."""

import pytest

from pipelines.formats.registry import formats_by_priority
from tests.conformance import PAGE, SHIPPERS, conformance_page

pytestmark = pytest.mark.fast


def test_page_is_what_the_tests_of_the_formats_expect() -> None:
    assert PAGE.read_text() == conformance_page(), "python -m tests.conformance writes it"


def test_every_format_has_its_shipper_and_its_events_on_the_page() -> None:
    names = {one.name for one in formats_by_priority()}
    assert names == SHIPPERS.keys()
    assert [name for name in names if f"\n## `{name}`: " not in PAGE.read_text()] == []
