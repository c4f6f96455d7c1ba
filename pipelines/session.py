"""The Spark session: one place for Java, JARs, Delta and the settings that make small commits fast."""

import os
import sys
from collections.abc import Mapping

from pyspark.sql import SparkSession

from pipelines.errors import SessionError
from pipelines.java import find_java_home
from pipelines.settings import Settings

__all__ = ["JARS", "start_session"]

JARS = ("io.delta:delta-spark_4.2_2.13:4.4.0", "org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0")
# Spark ships these; a second copy only slows the start and risks a clash
_EXCLUDES = (
    "org.apache.hadoop:hadoop-client-api", "org.apache.hadoop:hadoop-client-runtime", "org.slf4j:slf4j-api",
    "org.apache.logging.log4j:log4j-api", "org.apache.logging.log4j:log4j-core",
)  # fmt: skip

_SESSION_CONF = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    # one machine: the defaults (200 and 50) make every small commit take seconds
    "spark.sql.shuffle.partitions": "4",
    "spark.databricks.delta.snapshotPartitions": "2",
    # past 128 groups Spark would fall back to sorting; panes and windows have thousands of small ones
    "spark.sql.objectHashAggregate.sortBased.fallbackThreshold": "20000",
    # what readers outside Spark cannot read must not creep in (docs/decisions/0001)
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
    "spark.databricks.delta.properties.defaults.columnMapping.mode": "none",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "2000",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.streaming.stopTimeout": "60s",
    "spark.ui.showConsoleProgress": "false",
    "spark.ui.enabled": "false",
}


def start_session(
    settings: Settings, *, app_name: str = "logster", overrides: Mapping[str, str] | None = None
) -> SparkSession:
    """Start the session, or join the one that runs.

    Raises:
        SessionError: no Java, no JARs, or no answer from the remote.
    """
    # workers must be this interpreter: the machine's python3 has no pyarrow
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    builder = SparkSession.builder.appName(app_name)
    if settings.spark_remote:
        builder = builder.remote(settings.spark_remote)
    else:
        os.environ["JAVA_HOME"] = str(find_java_home(settings.java_home))
        builder = (
            builder.master(settings.spark_master or "local[*]")
            .config("spark.driver.memory", settings.spark_driver_memory)
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.jars.packages", ",".join(JARS))
            .config("spark.jars.excludes", ",".join(_EXCLUDES))
        )
    for key, value in {**_SESSION_CONF, **(overrides or {})}.items():
        builder = builder.config(key, value)
    try:
        session = builder.getOrCreate()
        if not settings.spark_remote:
            session.sparkContext.setLogLevel("ERROR")
    except Exception as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SessionError(
            f"Spark did not start: {first_line}; `logster doctor` checks Java, JARs and the network"
        ) from error
    return session
