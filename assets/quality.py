"""What is wrong with the lake's tables, read without Spark: their shape against the declared one, and how old they are."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from assets.summaries import query_lake
from pipelines.lake_reader import delta_table
from pipelines.schemas.tables import table_named
from pipelines.settings import Settings

__all__ = ["Backlog", "age_of_newest_record", "detection_backlog", "shape_problems"]

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# with more than these, delta-rs or DuckDB refuses a table or, with column mapping, reads nulls and says nothing
_READABLE_FEATURES = frozenset({"timestampNtz"})


@dataclass(frozen=True)
class Backlog:
    """Closed minutes and windows that wait to be built and scored.

    Attributes:
        n_waiting: how many.
        age: for how long the oldest has waited; zero where none does.
    """

    n_waiting: int
    age: timedelta


def shape_problems(settings: Settings, name: str) -> list[str]:
    """What a table's columns and features have against the declared schema; empty where all is well.

    A table that has not been written yet is well.
    """
    table = delta_table(settings, name)
    if table is None:
        return []
    there = {field.name: field for field in pa.schema(table.schema().to_arrow())}
    problems = []
    for field in table_named(name).schema:
        if field.name not in there:
            problems.append(f"column {field.name} is missing")
        elif _plain(there[field.name].type) != _plain(field.type):
            problems.append(f"column {field.name} is {there[field.name].type}, declared {field.type}")
    features = set(table.protocol().reader_features or ()) - _READABLE_FEATURES
    problems += [f"table feature {feature} keeps readers outside Spark out" for feature in sorted(features)]
    return problems


def detection_backlog(settings: Settings, *, now: datetime) -> Backlog:
    """What is due and has not been detected yet.

    Args:
        settings: says where the lake is, and when a window is due.
        now: wall clock (UTC).
    """
    values = {
        "lateness": settings.allowed_lateness // _MICROSECOND,
        "idle": settings.idle_timeout // _MICROSECOND,
        "now": (now - _EPOCH) // _MICROSECOND,
    }
    row = query_lake(settings, "backlog", values, tables=["pending"])[0]
    oldest = row["oldest_due"]
    age = timedelta(0) if oldest is None else now - (_EPOCH + oldest * _MICROSECOND)
    return Backlog(row["waiting"], age)


def age_of_newest_record(settings: Settings, *, now: datetime) -> timedelta | None:
    """Time since the last record was received; None where none ever was."""
    received_at = query_lake(settings, "newest_receipt", {}, tables=["raw"])[0]["received_at"]
    return None if received_at is None else now - (_EPOCH + received_at * _MICROSECOND)


def _plain(kind: pa.DataType) -> pa.DataType:
    """A type without what engines differ in: names and nullability of list items, nullability of struct fields."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _plain(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_plain(kind.key_type), _plain(kind.item_type))
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    return kind
