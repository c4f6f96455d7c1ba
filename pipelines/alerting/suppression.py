"""Which alerts are suppressed: quiet for a time, by what an analyst or a file has said. Nothing of them is deleted.

A function of the rows of ``alerts`` and ``suppressions`` alone. It has no clock: whether an alert lies within a suppression's time
is told by its ``last_seen``, so that stream and backfill, and windows in whatever batches they came, give the same. It is worked
out where alerts are read or leave (API, command line, outbox), in one piece of SQL and without Spark: were it written into
``alerts``, the end of a suppression would have to be found and every row of it written again.
"""

from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.schemas.fields import TIMESTAMP

__all__ = ["MATCHED_COLUMNS", "make_views", "matches"]

MATCHED_COLUMNS = ("alert_id", "tenant", "endpoint", "severity", "last_seen", "ttp_techniques", "ttp_explanations")
"""Columns of ``alerts`` that decide."""

# of several that quiet an alert the one that ends last is named
_SUPPRESSED = """
SELECT alert_id, arg_max(suppression_id, (expires_at, suppression_id)) AS suppressed_by, max(expires_at) AS suppressed_until
FROM suppression_matches
WHERE NOT is_deleted
GROUP BY alert_id
"""


_NONE = """
SELECT NULL::VARCHAR AS alert_id, NULL::VARCHAR AS suppression_id, NULL::TIMESTAMPTZ AS expires_at,
    NULL::TIMESTAMPTZ AS last_seen, NULL::BOOLEAN AS is_deleted
WHERE FALSE
"""
_PAIRS = pa.schema([
    ("alert_id", pa.string()), ("suppression_id", pa.string()), ("expires_at", TIMESTAMP), ("last_seen", TIMESTAMP),
    ("is_deleted", pa.bool_()),
])  # fmt: skip


def make_views(connection: duckdb.DuckDBPyConnection, *, are_any: bool = True) -> None:
    """Make the views `suppression_matches` and `suppressed`.

    `suppression_matches` has alert_id, suppression_id, expires_at, last_seen (of the alert), is_deleted (the suppression was
    taken back); `suppressed` has alert_id, suppressed_by, suppressed_until, one row a suppressed alert.

    Args:
        connection: has `alerts` with `MATCHED_COLUMNS`, and `suppressions`.
        are_any: there are suppressions; without any no alert is looked at.
    """
    connection.execute(f"CREATE OR REPLACE TEMP VIEW suppression_matches AS {_matches_sql() if are_any else _NONE}")
    connection.execute(f"CREATE OR REPLACE TEMP VIEW suppressed AS {_SUPPRESSED}")


def matches(alerts: Any, suppressions: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - Arrow is untyped
    """Every pair of an alert and a suppression that quiets it, as rows of `suppression_matches`.

    Args:
        alerts: an Arrow table with `MATCHED_COLUMNS`.
        suppressions: rows of ``SUPPRESSIONS``, as an Arrow table.
    """
    if not (alerts.num_rows and suppressions.num_rows):
        return []
    with duckdb.connect() as connection:
        connection.register("alerts", alerts)
        connection.register("suppressions", suppressions)
        make_views(connection)
        found = connection.execute("FROM suppression_matches").to_arrow_table()
    pairs: list[dict[str, Any]] = found.cast(_PAIRS).to_pylist()
    return pairs


@cache
def _matches_sql() -> str:
    return Path(__file__).with_name("suppression_matches.sql").read_text(encoding="utf-8")
