"""How a Delta table's columns become fields of ``events``: a file of SQL expressions, and the mappings that are shipped.

A file names a table and either maps it itself or takes a shipped mapping and changes some of its fields. What can be told
without the table is refused here, the rest where the table is opened (`pipelines.sources.delta`).
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pipelines.errors import SettingsError
from pipelines.schemas.telemetry import EVENTS
from pipelines.sources.names import TENANT_NAME

__all__ = ["FIELDS", "ON_CHANGE", "REQUIRED", "TableMapping", "load_mapping", "nearest", "shipped_mappings"]

_SHIPPED = Path(__file__).with_name("mappings")
_MADE = {
    "event_id", "ingested_at", "source", "process_key", "parent_key", "target_key", "record_id", "record_ids",
    "parser_version", "fields",
}  # fmt: skip
FIELDS = tuple(name for name in EVENTS.names if name not in _MADE)
"""What a mapping may fill: the columns of ``events`` that Logster does not make itself."""
REQUIRED = ("endpoint", "platform", "ts", "provider", "event_code", "category", "action")
ON_CHANGE = ("stop", "skip", "feed")
"""What may become of a commit that deletes or updates rows."""

_KEYS = {"table": str, "mapping": str, "tenant": str, "begin": int, "on_change": str, "columns": dict}
_WORDS = {str: "text", int: "a whole number", dict: "a table"}
_SHOWN = 12
_SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


@dataclass(frozen=True)
class TableMapping:
    """One table that is read as a stream.

    Attributes:
        file: where this is written.
        table: path, URI, or name in Spark's catalog.
        begin: version of the table whose commit is the first that a new checkpoint reads; None for all its rows.
        on_change: what becomes of a commit that deletes or updates rows: ``stop``, ``skip`` it, or ``feed``, which reads what
            rows were updated to from the table's change feed.
        tenant: whose all rows are; None where ``columns`` tells.
        columns: field of `FIELDS` -> SQL expression over the table's columns.
    """

    file: Path
    table: str
    begin: int | None
    on_change: str
    tenant: str | None
    columns: Mapping[str, str]

    @property
    def name(self) -> str:
        """Names the source: the file's name without its ending."""
        return self.file.stem


def shipped_mappings() -> dict[str, dict[str, str]]:
    """The columns of the mappings that come with Logster, by name."""
    return {file.stem: _read(file)["columns"] for file in sorted(_SHIPPED.glob("*.toml"))}


def load_mapping(file: Path) -> TableMapping:
    """Read a mapping file.

    Raises:
        SettingsError: it cannot be read, lacks something, or has a name that means nothing; names the nearest that does.
    """
    if not _SOURCE_NAME.fullmatch(file.stem):
        raise SettingsError(
            f"{file}: its name names the source: letters, digits, '_' and '-', 63 at most, before the ending"
        )
    told = _read(file)
    for key, value in told.items():
        if key not in _KEYS:
            raise SettingsError(f"{file}: there is no key '{key}'{nearest(key, _KEYS)}")
        if not isinstance(value, _KEYS[key]):
            raise SettingsError(f"{file}: {key} must be {_WORDS[_KEYS[key]]}, not {value!r}")
    if not told.get("table"):
        raise SettingsError(f"{file}: has no table: a path, a URI, or a name in Spark's catalog")
    if (on_change := told.get("on_change", "stop")) not in ON_CHANGE:
        raise SettingsError(f"{file}: on_change is '{on_change}': {', '.join(ON_CHANGE[:-1])} or {ON_CHANGE[-1]}")
    columns = _columns(file, told)
    tenant = told.get("tenant")
    if tenant is not None and "tenant" in columns:
        raise SettingsError(f"{file}: says tenant twice, by itself and in [columns]; keep one")
    if tenant is not None and not re.fullmatch(TENANT_NAME, tenant):
        raise SettingsError(f"{file}: tenant '{tenant}' cannot be used: letters, digits, '.', '_' and '-', 127 at most")
    return TableMapping(
        file=file,
        table=told["table"],
        begin=told.get("begin"),
        on_change=on_change,
        tenant=tenant,
        columns=columns,
    )


def nearest(name: str, known: Mapping[str, object] | list[str] | tuple[str, ...]) -> str:
    """As the tail of a message: the known name that is most like one that is not, or the first ones where none is."""
    names = list(known)
    by_lower = {one.lower(): one for one in names}
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    if found:
        return f"; did you mean '{by_lower[found[0]]}'?"
    return f"; there are {', '.join(names[:_SHOWN])}" + (" …" if len(names) > _SHOWN else "")


def _columns(file: Path, told: Mapping[str, Any]) -> dict[str, str]:
    columns: dict[str, str] = {}
    if (taken := told.get("mapping")) is not None:
        shipped = shipped_mappings()
        if taken not in shipped:
            raise SettingsError(f"{file}: no mapping '{taken}' is shipped{nearest(taken, shipped)}")
        columns |= shipped[taken]
    for field, expression in told.get("columns", {}).items():
        if field not in FIELDS:
            raise SettingsError(
                f"{file}: [columns] fills '{field}', which is no field of events{nearest(field, FIELDS)}"
            )
        if not isinstance(expression, str) or not expression.strip():
            raise SettingsError(f"{file}: {field} must be an SQL expression in quotes, not {expression!r}")
        columns[field] = expression
    if missing := [field for field in REQUIRED if field not in columns]:
        raise SettingsError(
            f"{file}: [columns] lacks {', '.join(missing)}; each event has {', '.join(REQUIRED)}, "
            "as an expression or a literal ('windows' in single quotes)"
        )
    return columns


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file} (LOGSTER_DELTA_SOURCES): cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: is no TOML: {error}") from None
