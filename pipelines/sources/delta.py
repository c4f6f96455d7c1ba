"""Delta tables that somebody else writes as streams, and their rows as the lines that `pipelines.ingestion` takes.

A row becomes a record of the format ``table-row``: what the mapping's expressions say, and all columns that it does not
take as they are. An expression that fails on a row is a ``source_problem`` of that row, never an exception; one that cannot
be used on the table at all is refused before the stream begins.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from delta.tables import DeltaTable
from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DateType,
    IntegralType,
    MapType,
    NullType,
    StringType,
    StructType,
    TimestampNTZType,
    TimestampType,
    VariantType,
)

from pipelines.errors import SettingsError, SourceError
from pipelines.formats.table_row import BOOLEANS, NUMBERS, TABLE_ROW
from pipelines.java_errors import first_line
from pipelines.settings import Settings
from pipelines.sources.files import DEFAULT_TENANT, SOURCE_LINES
from pipelines.sources.mapping import TableMapping, nearest
from pipelines.sources.names import TENANT_NAME

__all__ = ["FILE_COLUMN", "check_table", "lines_of_table", "stream_table"]

FILE_COLUMN = "_logster_file"
"""The data file of a row, beside the columns of its table."""

_FEED = ("_change_type", "_commit_version", "_commit_timestamp")  # what a change feed has beside the table's columns
_FEED_PROPERTY = "delta.enableChangeDataFeed"
_BYTES_PER_TRIGGER = "256m"  # a batch may be one file larger
_KEPT_OF_LONG_ROW = 1 << 16  # characters, as of a file's long line
_NUL, _REPLACED = "\u0000", "\ufffd"
_NESTED = (StructType, ArrayType, MapType, VariantType)
_NOT_TEXT = (*_NESTED, BinaryType)


def check_table(spark: SparkSession, mapping: TableMapping) -> str:
    """Make sure that a mapping fits its table as it is now, and give the table's id.

    Raises:
        SourceError: the table cannot be read.
        SettingsError: an expression cannot be used; names the file, the field, and the nearest column where one is amiss.
            Or the table has no change feed, and one is asked for.
    """
    try:
        delta = (
            DeltaTable.forPath(spark, _place(mapping))
            if _is_path(mapping)
            else DeltaTable.forName(spark, mapping.table)
        )
        rows, (table_id, properties) = delta.toDF(), delta.detail().select("id", "properties").collect()[0]
    except Exception as error:
        raise SourceError(f"{mapping.file}: table {mapping.table} cannot be read: {first_line(error)}") from error
    if mapping.on_change == "feed" and properties.get(_FEED_PROPERTY) != "true":
        raise SettingsError(
            f"{mapping.file}: table {mapping.table} has no change feed for on_change = 'feed': "
            f"ALTER TABLE … SET TBLPROPERTIES ({_FEED_PROPERTY} = true) begins one, and `begin` must not lie before it"
        )
    with _quiet():
        for field, expression in mapping.columns.items():
            _check_expression(rows, mapping, field, expression)
    return str(table_id)


def stream_table(spark: SparkSession, settings: Settings, mapping: TableMapping) -> DataFrame:
    """Stream the rows that are appended to a table, file by file, with the name of their file beside them.

    Of a change feed they are the rows that were added and what rows were updated to, with the table's version for a file.
    """
    reader = (
        spark.readStream.format("delta")
        .option("maxFilesPerTrigger", settings.max_files_per_trigger)
        .option("maxBytesPerTrigger", _BYTES_PER_TRIGGER)
    )
    if mapping.on_change == "skip":
        reader = reader.option("skipChangeCommits", "true")
    if mapping.on_change == "feed":
        reader = reader.option("readChangeFeed", "true")
    if mapping.begin is not None:
        reader = reader.option("startingVersion", mapping.begin)
    rows = reader.load(_place(mapping)) if _is_path(mapping) else reader.table(mapping.table)
    if mapping.on_change == "feed":
        now = rows.where(F.col("_change_type").isin("insert", "update_postimage"))
        version = F.concat(F.lit("version-"), F.col("_commit_version").cast("string"))
        return now.withColumn(FILE_COLUMN, version).drop(*_FEED)
    return rows.withColumn(FILE_COLUMN, F.input_file_name())


def lines_of_table(rows: DataFrame, settings: Settings, mapping: TableMapping) -> DataFrame:
    """Turn a micro-batch of `stream_table` into lines, one a row.

    Returns:
        tenant, source, origin (``<source>/<file>#<row's number in the batch>``), endpoint_hint, clock_offset_seconds, record,
        source_problem.
    """
    # an expression that two fields share would be computed before either, where a failure is not caught; the session is
    # the stream's own
    rows.sparkSession.conf.set("spark.sql.subexpressionElimination.enabled", "false")
    names = list(mapping.columns)
    told = F.map_from_arrays(
        F.array(*map(F.lit, names)),
        F.transform("_values", lambda value: F.when(F.length(value) > 1, F.substring(value, 2, 1 << 30))),
    )
    failed = F.filter(
        F.transform("_values", lambda value, at: F.when(value.isNull(), F.get(F.array(*map(F.lit, names)), at))),
        lambda name: name.isNotNull(),
    )
    return (
        rows.select(
            F.concat_ws(
                "#",
                F.concat(F.lit(f"{mapping.name}/"), F.substring_index(FILE_COLUMN, "/", -1)),
                F.monotonically_increasing_id().cast("string"),
            ).alias("origin"),
            F.array(*[_caught(F.expr(expression)) for expression in mapping.columns.values()]).alias("_values"),
            _rest(rows, mapping).alias("_rest"),
        )
        .select("origin", "_rest", told.alias("_told"), failed.alias("_failed"))
        .select(
            "origin",
            "_failed",
            (F.lit(mapping.tenant or DEFAULT_TENANT) if "tenant" not in names else F.col("_told")["tenant"]).alias(
                "_tenant"
            ),
            F.to_json(
                F.struct(
                    F.map_filter("_told", lambda name, value: value.isNotNull() & (name != "tenant")).alias(
                        "logster_row"
                    ),
                    F.map_filter("_rest", lambda _, value: value.isNotNull()).alias("fields"),
                )
            ).alias("_record"),
        )
        .withColumn("_is_tenant", F.coalesce(F.col("_tenant").rlike(rf"\A{TENANT_NAME}\z"), F.lit(False)))
        .withColumn("_length", F.octet_length("_record"))
        .select(
            F.when(F.col("_is_tenant"), F.col("_tenant")).otherwise(DEFAULT_TENANT).alias("tenant"),
            F.lit(TABLE_ROW).alias("source"),
            "origin",
            F.lit(None).cast("string").alias("endpoint_hint"),
            F.lit(None).cast("bigint").alias("clock_offset_seconds"),
            F.when(F.col("_length") > settings.max_record_bytes, F.substring("_record", 1, _KEPT_OF_LONG_ROW))
            .otherwise(F.col("_record"))
            .alias("record"),
            _problem(settings, mapping).alias("source_problem"),
        )
        .select(*SOURCE_LINES.names)
    )


def _problem(settings: Settings, mapping: TableMapping) -> Column:
    longest, length = settings.max_record_bytes, F.col("_length")
    too_long = F.concat(
        F.lit("row of "),
        length.cast("string"),
        F.lit(f" bytes is longer than {longest} (LOGSTER_MAX_RECORD_BYTES); kept its start"),
    )
    failed = F.concat(
        F.lit("the expression of "), F.array_join("_failed", ", "), F.lit(f" fails on the row ({mapping.file.name})")
    )
    return (
        F.when(length > longest, too_long)
        .when(F.size("_failed") > 0, failed)
        .when(~F.col("_is_tenant"), f"names no tenant that can be used ({mapping.file.name})")
    )


def _caught(value: Column) -> Column:
    """A value as ``=text``, none as an empty text, and null where computing it fails.

    ``try_to_binary`` catches whatever its argument throws, a cast as well as ``raise_error``; Spark has no plain ``try``.
    """
    text = F.translate(F.make_valid_utf8(value.cast("string")), _NUL, _REPLACED)
    told = F.coalesce(F.concat(F.lit("="), text), F.lit(""))
    return F.try_to_binary(told, F.lit("utf-8")).cast("string")


def _rest(rows: DataFrame, mapping: TableMapping) -> Column:
    """Columns that no field takes as they are, as text: of nested ones JSON, of bytes Base64."""
    whole = {expression.strip().strip("`").lower() for expression in mapping.columns.values()}
    pairs: list[Column] = []
    for field in rows.schema.fields:
        if field.name != FILE_COLUMN and field.name.lower() not in whole and not isinstance(field.dataType, NullType):
            pairs += [F.lit(field.name), _as_text(F.col(f"`{field.name.replace('`', '``')}`"), field.dataType)]
    return F.create_map(*pairs).cast("map<string,string>")


def _as_text(column: Column, kind: DataType) -> Column:
    if isinstance(kind, _NESTED):
        return F.to_json(column)
    if isinstance(kind, BinaryType):
        return F.base64(column)
    return F.translate(F.make_valid_utf8(column.cast("string")), _NUL, _REPLACED)


def _check_expression(rows: DataFrame, mapping: TableMapping, field: str, expression: str) -> None:
    place = f"{mapping.file}: {field} = {expression!r}"
    try:
        found = rows.select("*", F.expr(expression).alias("_logster_value"))
        kind = found.schema[-1].dataType
    except ParseException as error:
        raise SettingsError(f"{place} is no SQL expression: {first_line(error)}") from error
    except AnalysisException as error:
        raise SettingsError(f"{place}: {_amiss(rows, error)}") from error
    if wanted := _wrong_type(field, kind):
        raise SettingsError(f"{place} is of type {kind.simpleString()[:80]}; {field} takes {wanted}")
    if hasattr(rows, "_jdf"):  # Spark Connect has its plans elsewhere
        plan = found._jdf.queryExecution().analyzed()
        if not plan.deterministic():
            raise SettingsError(
                f"{place} may give another value when the row is read again; use the row's columns only"
            )
        if not plan.children().apply(0).fastEquals(rows._jdf.queryExecution().analyzed()):
            raise SettingsError(f"{place} looks at other rows, or makes several of one; use the row's columns only")


def _amiss(rows: DataFrame, error: AnalysisException) -> str:
    """What an expression lacks in the table, with the nearest that is there."""
    condition, told = error.getCondition() or "", error.getMessageParameters() or {}
    if condition.startswith("UNRESOLVED_COLUMN"):
        name = told.get("objectName", "").replace("`", "")
        return f"the table has no column '{name}'{nearest(name, _paths(rows.schema))}"
    if condition == "FIELD_NOT_FOUND":
        name = told.get("fieldName", "").replace("`", "")
        return f"the column has no member '{name}'{nearest(name, told.get('fields', '').replace('`', '').split(', '))}"
    return first_line(error)


def _paths(schema: StructType, above: str = "") -> list[str]:
    paths = []
    for field in schema.fields:
        paths.append(f"{above}{field.name}")
        if isinstance(field.dataType, StructType):
            paths += _paths(field.dataType, f"{above}{field.name}.")
    return paths


def _wrong_type(field: str, kind: DataType) -> str | None:
    """What a field takes where a type is none of it; null literals are taken by all."""
    wanted: Mapping[str, tuple[tuple[type[DataType], ...], str]] = {
        "ts": (
            (StringType, TimestampType, TimestampNTZType),
            "a timestamp, or text that is one (timestamp_millis(…), …)",
        ),
        **dict.fromkeys(NUMBERS, ((StringType, IntegralType), "an integer, or text that is one (CAST(… AS BIGINT))")),
        **dict.fromkeys(BOOLEANS, ((StringType, BooleanType), "a truth value, or text that is one")),
    }
    if isinstance(kind, NullType):
        return None
    if field in wanted:
        types, words = wanted[field]
        return None if isinstance(kind, types) else words
    is_odd = isinstance(kind, (*_NOT_TEXT, DateType, TimestampType, TimestampNTZType))
    return "text, a number or a truth value" if is_odd else None


def _is_path(mapping: TableMapping) -> bool:
    return "/" in mapping.table


def _place(mapping: TableMapping) -> str:
    return mapping.table if "://" in mapping.table else str(Path(mapping.table).absolute())


@contextmanager
def _quiet() -> Iterator[None]:
    """Without PySpark's own report of each expression that cannot be used: a trace of Java's on one line."""
    logger = logging.getLogger("SQLQueryContextLogger")
    was, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = was
