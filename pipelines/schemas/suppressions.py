"""The table ``suppressions``: what is to be quiet for a time. API and command line alone write it; rows are only added."""

from datetime import timedelta

import pyarrow as pa

from pipelines.schemas.fields import TIMESTAMP, column

__all__ = ["LONGEST_SUPPRESSION", "SUPPRESSIONS"]

LONGEST_SUPPRESSION = timedelta(days=90)
"""Longest time between `starts_at` and `expires_at`: what is quiet for good is forgotten."""

SUPPRESSIONS = pa.schema([
    column("suppression_id", pa.string(), "UUID; made of the tenant and the client's key where it gave one", required=True),
    column("tenant", pa.string(), "whose alerts it quiets; never another's", required=True),
    column("endpoint", pa.string(), "alerts of this endpoint, lower case; null: of any"),
    column("technique", pa.string(), "alerts that name this ATT&CK technique, or sub-techniques of it, and no other; null: any"),
    column("rule_id", pa.string(), "alerts in which this Sigma rule matched and no other; null: any"),
    column("max_severity", pa.string(), "gravest severity that it quiets; graver alerts are heard", required=True),
    column("reason", pa.string(), "why", required=True),
    column("starts_at", TIMESTAMP, "alerts last seen after this", required=True),
    column("expires_at", TIMESTAMP, "and not after this, by the events' own time", required=True),
    column("actor", pa.string(), "who made it", required=True),
    column("created_at", TIMESTAMP, "when it was made", required=True),
    column("deleted_by", pa.string(), "who took it back; null in the row that made it"),
    column("deleted_at", TIMESTAMP, "when it was taken back: a second row of the same id; from then on it quiets nothing"),
])  # fmt: skip
