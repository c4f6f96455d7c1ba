"""The table ``outbox``: every change of an alert once, in the order in which it goes out, and the schema of its document.

Rows are added by ``pipelines.sinks.outbox`` alone and never changed.
"""

from enum import StrEnum
from pathlib import Path

import pyarrow as pa

from pipelines.schemas.fields import TIMESTAMP, column

__all__ = ["DOCUMENT_SCHEMA", "OUTBOX", "SCHEMA_VERSION", "ChangeKind"]

SCHEMA_VERSION = 1
"""Version of the documents. Fields may be added within one; what is taken away or means something else makes a new one."""

DOCUMENT_SCHEMA = Path(__file__).with_name(f"alert_change.v{SCHEMA_VERSION}.json")
"""JSON Schema of the documents."""


class ChangeKind(StrEnum):
    """What happened to an alert."""

    CREATED = "created"
    UPDATED = "updated"
    WITHDRAWN = "withdrawn"
    TRANSITION = "transition"
    NOTE = "note"
    VERDICT = "verdict"


OUTBOX = pa.schema([
    column("sequence", pa.int64(), "1, 2, 3, … in the order of writing, without gaps", required=True),
    column("change_id", pa.string(), "SHA-256 of what changed: the same change has the same id, whoever finds it",
           required=True),
    column("alert_id", pa.string(), "alert that it is about", required=True),
    column("tenant", pa.string(), "the alert's tenant", required=True),
    column("kind", pa.string(), "`created`, `updated` or `withdrawn` by the pipeline; `transition`, `note` or `verdict` "
           "by a person", required=True),
    column("happened_at", TIMESTAMP, "created_at or updated_at of the alert, changed_at of the change, created_at of the "
           "verdict; of a withdrawn alert its last updated_at", required=True),
    column("written_at", TIMESTAMP, "when this row was written", required=True),
    column("schema_version", pa.int32(), "version of the document", required=True),
    column("document", pa.string(), "the change in JSON, by pipelines/schemas/alert_change.v1.json", required=True),
])  # fmt: skip
