"""Rows of a Delta table that a mapping has brought into Logster's own vocabulary (`pipelines.sources.delta`).

``{"logster_row": {field of events: text}, "fields": {column: text}}``. A value that its field cannot take is a reason, not
an exception. What the fields mean is told by the mapping, not here.
"""

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.arrays import unpacked
from pipelines.formats.envelope import JSON_OPTIONS, NumberedFormat, Pieces, parse_numbered
from pipelines.schemas.telemetry import EVENT_CATEGORIES, PLATFORMS

__all__ = ["BOOLEANS", "FORMAT", "NUMBERS", "TABLE_ROW", "row_pieces"]

TABLE_ROW = "table-row"
NUMBERS = {
    "process_pid": "bigint", "parent_pid": "bigint", "target_pid": "bigint", "dst_port": "int", "src_port": "int",
}  # fmt: skip
BOOLEANS = ("is_signed",)
_BEGIN = '{"logster_row":'
_SCHEMA = "logster_row map<string,string>, fields map<string,string>"


def _recognises(record: Column) -> Column:
    return F.startswith(record, F.lit(_BEGIN))


def _read(record: Column) -> Column:
    return F.from_json(record, _SCHEMA, JSON_OPTIONS)


def row_pieces(record: Column, json: Column) -> Pieces:
    """The pieces of a row that a mapping has made.

    Args:
        record: the row's record.
        json: struct<logster_row: map<string,string>, fields: map<string,string>>.
    """
    told = json["logster_row"]
    return Pieces(
        problem=_problem(told),
        time=told["ts"],
        code=told["event_code"],
        endpoint=told["endpoint"],
        provider=told["provider"],
        channel=told["channel"],
        message=F.lit(None),
        fields=told,
        header=unpacked(json["fields"]),
        platform=told["platform"],
    )


def _problem(told: Column) -> Column:
    platform, category = told["platform"], told["category"]
    problem = (
        F.when(told.isNull(), "not a row that a mapping has made")
        .when(platform.isNull(), "no platform")
        .when(
            ~platform.isin(*PLATFORMS),
            F.concat(F.lit("platform is "), platform, F.lit(f", none of {_list(PLATFORMS)}")),
        )
        .when(
            ~category.isin(*EVENT_CATEGORIES),
            F.concat(F.lit("category is "), category, F.lit(f", none of {_list(EVENT_CATEGORIES)}")),
        )
        .when(F.coalesce(F.trim(told["endpoint"]), F.lit("")) == "", "no endpoint")
    )
    kinds = {**dict.fromkeys(BOOLEANS, "boolean"), **NUMBERS}
    return reduce(lambda so_far, one: so_far.when(*_wrong(told, *one)), kinds.items(), problem)


def _wrong(told: Column, field: str, kind: str) -> tuple[Column, Column]:
    text = told[field]
    return text.isNotNull() & text.try_cast(kind).isNull(), F.concat(
        F.lit(f"{field} is no {'truth value' if kind == 'boolean' else 'number'}: "), F.substring(text, 1, 40)
    )


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _parse(rows: DataFrame, names: tuple[str, ...]) -> DataFrame:
    # a pass of its own: what its rows mean is mapped otherwise than what numbered events mean
    return parse_numbered(rows, names)


FORMAT = NumberedFormat(
    name=TABLE_ROW,
    platform="windows",
    priority=10,
    recognises=_recognises,
    read=_read,
    pieces=row_pieces,
    has_numbers=False,
    parse=_parse,
)
