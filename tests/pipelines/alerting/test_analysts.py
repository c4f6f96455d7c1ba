from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from pipelines.alerting.analysts import with_analyst_marks
from pipelines.schemas.alerts import ALERT_CHANGES, FEEDBACK

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def marks(spark, steps, *, judged=False):
    """(is_closed, is_pinned) of an alert that went this way."""
    alerts = spark.createDataFrame([("a",)], "alert_id string")
    changes = [
        {"change_id": str(number), "alert_id": "a", "tenant": "acme", "from_status": "open", "to_status": step,
         "actor": "ann", "changed_at": NOON + timedelta(minutes=number)}
        for number, step in enumerate(steps)
    ]  # fmt: skip
    verdict = {"feedback_id": "1", "alert_id": "a", "tenant": "acme", "verdict": "true_positive", "actor": "ann",
               "created_at": NOON}  # fmt: skip
    frames = [
        spark.createDataFrame(pa.Table.from_pylist(rows, schema))
        for rows, schema in ((changes, ALERT_CHANGES), ([verdict] if judged else [], FEEDBACK))
    ]
    row = with_analyst_marks(alerts, *frames).collect()[0]
    return row.is_closed, row.is_pinned


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], (False, False)),
        (["open"], (False, True)),  # a note
        (["acknowledged", "investigating"], (False, True)),
        (["resolved"], (True, False)),
        (["false_positive", "investigating"], (True, False)),  # reopened: frozen all the same
    ],
)
def test_alert_is_pinned_once_touched_and_frozen_once_closed(spark, steps, expected):
    assert marks(spark, steps) == expected


def test_verdict_pins(spark):
    assert marks(spark, [], judged=True) == (False, True)
