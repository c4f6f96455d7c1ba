"""Shorthands for declaring a table's columns in Arrow, with what each column means beside it."""

import pyarrow as pa

__all__ = ["TIMESTAMP", "column", "strings"]

TIMESTAMP = pa.timestamp("us", tz="UTC")


def column(name: str, kind: pa.DataType, doc: str, *, required: bool = False) -> pa.Field:
    """Declare one column; ``required`` ones are never null."""
    return pa.field(name, kind, nullable=not required, metadata={"doc": doc})


def strings() -> pa.DataType:
    """A list of strings, named as Delta and Spark name it."""
    return pa.list_(pa.field("element", pa.string()))
