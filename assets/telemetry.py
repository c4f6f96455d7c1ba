"""What comes in, as external assets: the stream alone writes these tables, Dagster shows them.

The stream reports each of its micro-batches (`assets.reporting`), and so does the micro-batch job (`assets.jobs`).
"""

import dagster as dg

from pipelines.schemas.tables import table_named

__all__ = ["TELEMETRY", "events", "quarantine", "raw"]


def _external(name: str, description: str, deps: list[str]) -> dg.AssetSpec:
    schema = table_named(name).schema
    columns = [
        dg.TableColumn(field.name, str(field.type), (field.metadata or {}).get(b"doc", b"").decode(),
                       dg.TableColumnConstraints(nullable=field.nullable))
        for field in schema
    ]  # fmt: skip
    return dg.AssetSpec(
        name, deps=deps, description=description, group_name="telemetry", kinds={"delta", "spark"},
        metadata={"dagster/column_schema": dg.TableSchema(columns)},
    )  # fmt: skip


raw = _external("raw", "One line as received; appended by the stream.", [])
events = _external("events", "One normalised event; `raw` rows that could be read.", ["raw"])
quarantine = _external("quarantine", "One line that could not be read, with the reason.", ["raw"])

TELEMETRY = [raw, events, quarantine]
