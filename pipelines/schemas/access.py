"""Who may use the API: roles, and the table of its keys.

That table is none of ``pipelines.schemas.tables``: it lies beside the lake's tables, is no view for SQL users or dashboards, and
only ``api.access.keys`` reads and writes it.
"""

from enum import StrEnum

import pyarrow as pa

from pipelines.schemas.fields import TIMESTAMP, column

__all__ = ["API_KEYS", "Role"]


class Role(StrEnum):
    """What a caller may do; each may do what those before it may."""

    READER = "reader"
    ANALYST = "analyst"
    ADMIN = "admin"

    def covers(self, needed: "Role") -> bool:
        """Say whether it may do what another role may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


API_KEYS = pa.schema([
    column("key_id", pa.string(), "12 hex digits; part of the key, no secret", required=True),
    column("name", pa.string(), "who changes what is changed with it", required=True),
    column("tenant", pa.string(), "whose data it opens; null: every tenant's"),
    column("role", pa.string(), "`reader`, `analyst` or `admin`", required=True),
    column("sha256", pa.string(), "of the whole key, 64 hex digits", required=True),
    column("created_at", TIMESTAMP, "when it was made", required=True),
    column("expires_at", TIMESTAMP, "from then on it opens nothing; null: never"),
    column("revoked_at", TIMESTAMP, "when it was revoked; null in the row that made it"),
])  # fmt: skip
