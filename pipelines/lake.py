"""The lake as Spark sees it: creating, reading and idempotently writing the tables that ``pipelines.schemas`` declares.

Readers without Spark (API, DuckDB) have ``pipelines.lake_reader``.
"""

from collections.abc import Sequence

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from pipelines.schemas.tables import TABLES, Table, refuse_missing, table_named
from pipelines.settings import Settings

__all__ = ["Lake", "conform", "spark_schema"]


def spark_schema(table: Table) -> StructType:
    """The table's declared schema in Spark's types."""
    return from_arrow_schema(table.schema)


def conform(frame: DataFrame, table: Table) -> DataFrame:
    """Bring a frame to the declared columns, order and types; columns it lacks become null."""
    have = set(frame.columns)
    # as text: a cast made in Python is several calls into Java, for each of some forty columns
    return frame.selectExpr(
        *[
            f"CAST({f'`{field.name}`' if field.name in have else 'NULL'} AS {field.dataType.simpleString()}) "
            f"AS `{field.name}`"
            for field in spark_schema(table).fields
        ]
    )


class Lake:
    """Tables under one path, read and written through Spark and Delta."""

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        self.spark = spark
        self.settings = settings

    def path(self, name: str) -> str:
        """Path or URI of a table."""
        return f"{self.settings.lake_path}/{table_named(name).name}"

    def create_tables(self) -> None:
        """Create every table that is not there yet.

        Raises:
            LakeError: a table there lacks a declared column (made by another version, or not Logster's).
        """
        for table in TABLES.values():
            path = self.path(table.name)
            if DeltaTable.isDeltaTable(self.spark, path):
                refuse_missing(table, self.read(table.name).columns, path)
                continue
            builder = DeltaTable.createIfNotExists(self.spark).location(path).comment(f"logster {table.name}")
            for name, value in table.properties.items():
                builder = builder.property(name, value)
            if table.cluster_by:
                builder = builder.clusterBy(*table.cluster_by)
            builder.addColumns(spark_schema(table)).execute()

    def read(self, name: str) -> DataFrame:
        """Read a table as it is now."""
        return self.spark.read.format("delta").load(self.path(name))

    def delta(self, name: str) -> DeltaTable:
        """The table's handle for merges and deletes."""
        return DeltaTable.forPath(self.spark, self.path(name))

    def append(self, name: str, rows: DataFrame, *, app_id: str | None = None, version: int | None = None) -> None:
        """Append rows; with ``app_id`` and ``version`` a repeated call writes nothing (Delta's ``txn`` action)."""
        writer = conform(rows, table_named(name)).write.format("delta").mode("append")
        if app_id is not None and version is not None:
            writer = writer.option("txnAppId", f"{app_id}/{name}").option("txnVersion", version)
        writer.save(self.path(name))

    def merge(
        self,
        name: str,
        rows: DataFrame,
        *,
        on: Sequence[str] | None = None,
        prune: str | None = None,
        delete_when: str | None = None,
        update_when: str | None = None,
    ) -> None:
        """Replace the rows that ``rows`` names by key and add the others; the same call twice changes nothing.

        Args:
            name: table.
            rows: its new rows, at most one a key.
            on: key columns; default the table's declared key.
            prune: condition on the target (alias ``t``), so that Delta skips files, e.g. ``t.ts >= '…'``.
            delete_when: condition on the source (alias ``s``) for which the target's row is removed and none added.
            update_when: condition on both for which an existing row is replaced; default always.
        """
        table = table_named(name)
        extra = [F.col(column) for column in rows.columns if column not in table.schema.names]
        columns = {column: f"s.{column}" for column in table.schema.names}
        source = conform(rows, table) if not extra else rows
        match = " AND ".join(f"t.{key} <=> s.{key}" for key in (on or table.key))
        merge = self.delta(name).alias("t").merge(source.alias("s"), f"({prune}) AND {match}" if prune else match)
        if delete_when:
            merge = merge.whenMatchedDelete(delete_when)
        merge = merge.whenMatchedUpdate(update_when, columns)
        merge = merge.whenNotMatchedInsert(f"NOT ({delete_when})" if delete_when else None, columns)
        merge.execute()
