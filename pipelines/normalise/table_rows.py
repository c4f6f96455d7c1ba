"""Rows of mapped Delta tables to the columns of ``events``: the mapping has named them, here they get their types.

What other formats' values are made equal in is made equal here as well, so that one process or address is one node
whoever told of it: guids in lower case, IPv4 in IPv6 as IPv4, names from paths.
"""

from functools import cache

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.formats.table_row import BOOLEANS, NUMBERS
from pipelines.normalise.clocks import clock_fields

__all__ = ["table_row_events"]

_AS_TOLD = (
    "user", "process_path", "command_line", "parent_path", "parent_command_line", "target_path", "file_path", "file_hash",
    "script_text", "dst_domain", "registry_key", "registry_value", "syscall", "logon_type", "privilege",
)  # fmt: skip
_LONGEST_PORT = 65_535


def table_row_events(parsed: DataFrame) -> DataFrame:
    """Map parsed rows of tables, one row out for each row in.

    Args:
        parsed: rows of ``raw`` with the envelope; of those with a ``reason`` only these columns count.

    Returns:
        The columns given, those of ``events`` that one record alone can fill, and part_number (always null).
    """
    return parsed.select("*", *_columns())


@cache
def _columns() -> tuple[Column, ...]:
    data, nothing = F.col("data"), F.expr("CAST(map() AS MAP<STRING, STRING>)")
    clock = clock_fields(F.col("ts"), F.col("received_at"))
    made = {
        "category": F.coalesce(data["category"], F.lit("other")),
        "action": F.coalesce(data["action"], F.concat(F.lit("event_"), "event_code")),
        "outcome": F.when(data["outcome"].isin("success", "failure"), data["outcome"]),
        "protocol": F.lower(data["protocol"]),
        "part_number": F.lit(None).cast("int"),
        "fields": F.map_concat(F.coalesce("header", nothing), F.coalesce(clock, nothing)),
    }
    made |= {name: data[name] for name in _AS_TOLD}
    made |= {name: data[name].try_cast(kind) for name, kind in NUMBERS.items()}
    made |= {name: F.when(made[name].between(0, _LONGEST_PORT), made[name]) for name in ("dst_port", "src_port")}
    made |= {name: data[name].try_cast("boolean") for name in BOOLEANS}
    made |= {f"{role}_guid": F.lower(data[f"{role}_guid"]) for role in ("process", "parent", "target")}
    made |= {f"{role}_name": _name(role) for role in ("process", "parent", "target")}
    made |= {name: F.regexp_replace(data[name], "^::ffff:(?=[0-9.]+$)", "") for name in ("dst_ip", "src_ip")}
    return tuple(column.alias(name) for name, column in made.items())


def _name(role: str) -> Column:
    data = F.col("data")
    of_path = F.substring_index(F.substring_index(data[f"{role}_path"], "\\", -1), "/", -1)
    return F.coalesce(data[f"{role}_name"], of_path)
