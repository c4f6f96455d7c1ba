"""Rows of Defender's advanced-hunting tables and of VM insights, exported as JSON: read by the shipped mappings.

``Device…Events`` as Microsoft Sentinel has them (``TimeGenerated``, ``Type``), as Defender's portal exports them
(``Timestamp``, no name of a table) and as its streaming API sends them (``{"category": "AdvancedHunting-…",
"properties": {…}}``); and ``VMConnection``. A row becomes what the same row of a Delta table would
(`pipelines.sources.delta`), which ``pipelines.formats.table_row`` reads.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.arrays import computed_once, unpacked
from pipelines.formats.envelope import JSON_OPTIONS, NumberedFormat, Pieces, looks_like_json, parse_numbered
from pipelines.formats.table_row import row_pieces
from pipelines.sources.mapping import shipped_mappings

__all__ = ["DEVICE_TABLES", "FORMAT"]

DEVICE_TABLES = "device_tables"
_MAP = "map<string,string>"
_MAPPINGS = {
    "DeviceProcessEvents": "sentinel-process",
    "DeviceFileEvents": "sentinel-file",
    "DeviceNetworkEvents": "sentinel-network",
    "DeviceRegistryEvents": "sentinel-registry",
    "DeviceImageLoadEvents": "sentinel-image",
    "DeviceLogonEvents": "sentinel-logon",
    "VMConnection": "vm-connection",
}
_OTHER = "sentinel-other"
# an export of a query does not name its table
_BY_ACTION = (
    ("^ProcessCreated$", "DeviceProcessEvents"),
    ("^File(?:Created|Modified|Deleted|Renamed)$", "DeviceFileEvents"),
    ("Connection", "DeviceNetworkEvents"),
    ("^Registry", "DeviceRegistryEvents"),
    ("^ImageLoaded$", "DeviceImageLoadEvents"),
    ("^Logon", "DeviceLogonEvents"),
)
_STREAMED = "AdvancedHunting-"
_TIMES = ("TimeGenerated", "Timestamp", "TimeGenerated [UTC]")
# what the mappings' expressions read
_COLUMNS = (
    "TimeGenerated", "DeviceName", "ActionType", "FolderPath", "FileName", "SHA1", "SHA256", "AccountDomain",
    "AccountName", "ProcessId", "ProcessCommandLine", "LogonType", "RegistryKey", "RegistryValueName",
    "RegistryValueData", "RemoteIP", "RemotePort", "RemoteUrl", "LocalIP", "LocalPort", "Protocol", "Application",
    "InitiatingProcessAccountDomain", "InitiatingProcessAccountName", "InitiatingProcessId",
    "InitiatingProcessFileName", "InitiatingProcessFolderPath", "InitiatingProcessCommandLine",
    "InitiatingProcessParentId", "InitiatingProcessParentFileName", "Computer", "Direction", "SourceIp",
    "DestinationIp", "DestinationPort", "ProcessName",
)  # fmt: skip
_SHIPPERS = ("Type", "TenantId", "SourceSystem", "MG", "_ResourceId", "_category", "Timestamp", "TimeGenerated [UTC]")


def _recognises(record: Column) -> Column:
    of_defender = F.contains(record, F.lit('"ActionType"')) & F.contains(record, F.lit('"DeviceName"'))
    of_insights = F.contains(record, F.lit('"VMConnection"')) & F.contains(record, F.lit('"TimeGenerated"'))
    return looks_like_json(record) & (of_defender | of_insights)


def _parse(rows: DataFrame, names: tuple[str, ...]) -> DataFrame:
    # a mapping's expressions name columns, so the row has to be columns for a step
    own = rows.columns
    opened = rows.select("*", _row().alias("_row")).select("*", *_columns_of_row())
    mapped = opened.select(*own, F.when(F.col("_row").isNotNull(), _mapped()).alias("_mapped"))
    return parse_numbered(mapped, names).drop("_mapped")


def _row() -> Column:
    """The row as a map, and of what the streaming API puts around it the name of its table."""
    json = F.from_json(F.when(F.col("source_problem").isNull(), F.col("record")), _MAP, JSON_OPTIONS)

    def opened(json: Column) -> Column:
        inner = F.from_json(json["properties"], _MAP, JSON_OPTIONS)
        named = F.map_concat(
            F.create_map(F.lit("_category"), F.replace(json["category"], F.lit(_STREAMED), F.lit(""))),
            F.map_filter(unpacked(inner), lambda key, _: key != "_category"),
        )
        return F.when(F.startswith(json["category"], F.lit(_STREAMED)), named).otherwise(unpacked(json))

    return computed_once(json, opened)


@cache
def _columns_of_row() -> tuple[Column, ...]:
    row = F.col("_row")
    told = {name: F.nullif(row[name], F.lit("")) for name in (*_COLUMNS, *_TIMES)}
    told["TimeGenerated"] = F.coalesce(*[told[name] for name in _TIMES])
    action = row["ActionType"]
    by_action = reduce(
        lambda so_far, one: so_far.when(F.rlike(action, F.lit(one[0])), one[1]), _BY_ACTION, F.when(F.lit(False), "")
    )
    table = F.coalesce(row["_category"], F.when(row["Type"].isin(*_MAPPINGS), row["Type"]), by_action)
    return (*[told[name].alias(name) for name in _COLUMNS], table.alias("_table"))


@cache
def _mapped() -> Column:
    """The row in Logster's words and the rest of it, as `pipelines.formats.table_row` has them."""
    shipped = shipped_mappings()
    other = _by_mapping(shipped[_OTHER])
    return reduce(
        lambda rest, one: F.when(F.col("_table") == one[0], _by_mapping(shipped[one[1]])).otherwise(rest),
        _MAPPINGS.items(),
        other,
    )


def _by_mapping(columns: Mapping[str, str]) -> Column:
    pairs = [part for name, told in columns.items() for part in (F.lit(name), F.expr(told).cast("string"))]
    read = set(_read_by(columns))
    rest = F.map_filter("_row", lambda key, _: ~key.isin(*read, *_SHIPPERS))
    return F.struct(F.create_map(*pairs).alias("logster_row"), rest.alias("fields"))


def _read_by(columns: Mapping[str, str]) -> Iterator[str]:
    """The columns that a mapping's expressions name."""
    words = {word for expression in columns.values() for word in re.findall(r"\w+", expression)}
    return (name for name in _COLUMNS if name in words)


def _read(record: Column) -> Column:
    return F.col("_mapped")  # of `_parse`


def _pieces(record: Column, mapped: Column) -> Pieces:
    found = row_pieces(record, mapped)
    return replace(found, problem=F.when(mapped.isNull(), "not a JSON object of this format").otherwise(found.problem))


FORMAT = NumberedFormat(
    name=DEVICE_TABLES,
    platform="windows",
    priority=42,
    recognises=_recognises,
    read=_read,
    pieces=_pieces,
    has_numbers=False,
    parse=_parse,
)
