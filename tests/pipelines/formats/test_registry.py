import pytest

from pipelines.formats.registry import formats_by_priority
from pipelines.schemas.telemetry import PLATFORMS

pytestmark = pytest.mark.fast


def test_formats_are_found_in_the_order_in_which_they_are_asked() -> None:
    formats = formats_by_priority()
    names = [one.name for one in formats]
    assert names == [
        "table-row",
        "winlogbeat",
        "winlogbeat6",
        "nxlog",
        "evtx_json",
        "winevent",
        "log_analytics",
        "device_tables",
        "auditbeat",
        "laurel",
        "windows_xml",
        "splunk_text",
        "sysmon_linux",
        "auditd",
        "syslog",
    ]
    assert {one.platform for one in formats} <= set(PLATFORMS)
    assert "auto" not in {one.name for one in formats}


def test_formats_of_numbered_events_are_read_in_one_pass() -> None:
    """A plan with a branch for each of them takes Spark seconds to compile in every micro-batch.

    Apart are the records of audit, rows of tables, which come in micro-batches of their own, and those of device tables,
    whose mappings need a step of their own.
    """
    assert len({one.parse for one in formats_by_priority()}) == 4
