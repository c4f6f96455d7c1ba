"""The checks' questions to tables that are written here, right ones and wrong ones."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from assets.quality import age_of_newest_record, detection_backlog, shape_problems
from pipelines.schemas.tables import TABLES, table_named

pytestmark = pytest.mark.fast

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def pending(end: datetime, ingested_at: datetime) -> dict[str, object]:
    return {
        "tenant": "acme", "endpoint": "web-1", "platform": "linux", "kind": "window", "batch_id": "files/0",
        "start": end - timedelta(minutes=3), "end": end, "ingested_at": ingested_at,
    }  # fmt: skip


def test_declared_tables_have_the_declared_shape(settings, write):
    for name in TABLES:
        assert shape_problems(settings, name) == []
        write(name)
        assert shape_problems(settings, name) == []


def test_a_missing_column_and_another_type_are_named(settings):
    schema = table_named("window_scores").schema.remove_metadata()
    at = schema.get_field_index("attack_prob")
    wrong = schema.set(at, pa.field("attack_prob", pa.string())).remove(schema.get_field_index("role"))
    write_deltalake(f"{settings.lake}/window_scores", wrong.empty_table())
    assert shape_problems(settings, "window_scores") == [
        "column role is missing",
        "column attack_prob is string, declared double",
    ]


def test_a_feature_that_hides_rows_from_readers_is_named(settings):
    write_deltalake(
        f"{settings.lake}/alerts", table_named("alerts").schema.remove_metadata().empty_table(),
        configuration={"delta.enableDeletionVectors": "true"},
    )  # fmt: skip
    assert "table feature deletionVectors keeps readers outside Spark out" in shape_problems(settings, "alerts")


def test_backlog_is_what_is_due_by_its_end_or_its_idleness(settings, write):
    assert detection_backlog(settings, now=NOON).n_waiting == 0
    ahead = NOON + timedelta(days=365)
    write("pending", pending(NOON, NOON), pending(ahead, NOON), pending(ahead, NOON + timedelta(minutes=30)))
    soon = detection_backlog(settings, now=NOON + timedelta(seconds=10))
    assert (soon.n_waiting, soon.age) == (0, timedelta(0))
    late = detection_backlog(settings, now=NOON + timedelta(minutes=10))
    assert (late.n_waiting, late.age) == (2, timedelta(minutes=10) - settings.allowed_lateness)


def test_age_of_the_newest_record(settings, write):
    assert age_of_newest_record(settings, now=NOON) is None
    for number in range(2):
        write("raw", {
            "tenant": "acme", "received_at": NOON + timedelta(minutes=number), "record_id": str(number),
            "source": "auditd", "origin": f"a#{number}", "batch_id": "files/0", "record": "line",
        })  # fmt: skip
    assert age_of_newest_record(settings, now=NOON + timedelta(minutes=5)) == timedelta(minutes=4)
