"""What a record format is, and how the formats in this package are found.

Adding a format is adding one module to ``pipelines.formats`` that holds a module-level ``FORMAT``. What a record
means is not told here: a format only brings a line into the common envelope, ``pipelines.normalise`` maps that.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from pyspark.sql import Column, DataFrame

import pipelines.formats

__all__ = ["ENVELOPE", "Format", "Parse", "formats_by_priority"]

Parse = Callable[[DataFrame, tuple[str, ...]], DataFrame]
"""From rows of ``raw``, and the names of the formats of this parser that are among them, to rows with the envelope."""

# columns that every format's `parse` adds, with their Spark types
ENVELOPE: dict[str, str] = {
    "reason": "string",  # why the record cannot be read; null where it can, and only then the others count
    "group_key": "string",  # equal for the records that make up one event together; null: the record is one by itself
    "endpoint": "string",
    "platform": "string",
    "ts": "timestamp",
    "provider": "string",
    "channel": "string",
    "event_code": "string",
    "data": "map<string,string>",  # what the provider told of the event
    "message": "string",  # the rendered text, where the record has one
    "header": "map<string,string>",  # what else the record says of itself: number, level, the logger's account, ...
}


@dataclass(frozen=True)
class Format:
    """One kind of record, told by its content.

    Attributes:
        name: value of ``source``.
        platform: what its records come from, ``windows`` or ``linux``; does not count where each record says its own.
        priority: the lower is asked first; the first that recognises a record takes it.
        recognises: from the record's text to a boolean that is never null; must hold for damaged records of the
            format too where they can still be told, so that these are quarantined under its name. Runs on every
            record: cheap tests for fixed text, no parsing.
        parse: adds the columns of `ENVELOPE` to rows that have those of ``raw``; one row out for each row in. What it
            says of rows with a ``source_problem`` does not count. Formats that share one ``parse`` function are read
            in one pass (it sees all their rows and ``source``, and is told which of the formats are among them): see
            `pipelines.formats.envelope.NumberedFormat`.
    """

    name: str
    platform: str
    priority: int
    recognises: Callable[[Column], Column]
    parse: Parse


@lru_cache(maxsize=1)
def formats_by_priority() -> tuple[Format, ...]:
    """All formats of this package, in the order in which they are asked.

    Raises:
        ValueError: two formats have one name.
    """
    found: list[Format] = []
    for module in pkgutil.iter_modules(pipelines.formats.__path__):
        declared = getattr(importlib.import_module(f"pipelines.formats.{module.name}"), "FORMAT", None)
        if isinstance(declared, Format):
            found.append(declared)
    if len({one.name for one in found}) != len(found):
        raise ValueError(f"two formats of one name among {sorted(one.name for one in found)}")
    return tuple(sorted(found, key=lambda one: (one.priority, one.name)))
