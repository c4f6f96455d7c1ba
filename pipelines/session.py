"""The Spark session: one place for Java, JARs, Delta and the settings that make small commits fast."""

import atexit
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pyspark import SparkContext
from pyspark.sql import SparkSession

from pipelines.errors import SessionError
from pipelines.jars import jar_conf, note_jars
from pipelines.java import find_java_home
from pipelines.java_process import launch_java
from pipelines.settings import Settings

__all__ = ["compaction_conf", "start_session"]

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
    # a micro-batch's plans are some 600 pieces of generated code; by default 100 are kept, and each is compiled anew
    "spark.sql.codegen.cache.maxEntries": "2000",
    # what is known of columns, carried from plan to plan through settled frames, makes a union of them fail ("key not
    # found" in UnionBase.rewriteConstraints, Spark 4.2), and planning slow; all that it adds here is tests for null
    "spark.sql.constraintPropagation.enabled": "false",
    # a key that stands twice in a record must not fail the batch: the last counts
    "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "2000",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.streaming.stopTimeout": "60s",
    # frames that were settled go when Java collects them; half an hour of micro-batches would fill the disk
    "spark.cleaner.periodicGC.interval": "3min",
    # where in Python a column was made costs a walk up the stack for each of thousands of expressions
    "spark.sql.dataFrameQueryContext.enabled": "false",
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.ui.enabled": "false",
}

# the pass over a batch's records is one generated method of more than 8,000 bytes, which Java by default never compiles;
# and where compiled code has no room left, Java stops compiling for good: a stream makes new code as long as it runs
_JAVA_OPTIONS = "-XX:-DontCompileHugeMethods -XX:ReservedCodeCacheSize=512m"


def start_session(
    settings: Settings, *, app_name: str = "logster", overrides: Mapping[str, str] | None = None
) -> SparkSession:
    """Start the session, or join the one that runs.

    Raises:
        SessionError: no Java, no JARs, or no answer from the remote.
    """
    # workers must be this interpreter: the machine's python3 has no pyarrow
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    conf = {"spark.app.name": app_name, **_SESSION_CONF, **compaction_conf(settings.file_bytes)}
    builder = SparkSession.builder
    if settings.spark_remote:
        builder = builder.remote(settings.spark_remote)
    else:
        os.environ["JAVA_HOME"] = str(find_java_home(settings.java_home))
        conf |= {
            "spark.master": settings.spark_master or "local[*]",
            "spark.driver.memory": settings.spark_driver_memory,
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.extraJavaOptions": _JAVA_OPTIONS,
            "spark.executor.extraJavaOptions": _JAVA_OPTIONS,
            # no table is ever put there, but Spark makes the folder, by default where it was started
            "spark.sql.warehouse.dir": str(Path(tempfile.gettempdir()) / f"logster-warehouse-{os.getuid()}"),
            **jar_conf(),
        }
    conf |= overrides or {}
    for key, value in conf.items():
        builder = builder.config(key, value)
    java_log = _java_log(settings)
    try:
        if java_log:
            _start_java(conf, java_log)
        session = builder.getOrCreate()
        if not settings.spark_remote:
            session.sparkContext.setLogLevel("ERROR")
            note_jars(session)
    except Exception as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SessionError(
            f"Spark did not start: {first_line}; `logster doctor` checks Java, JARs and the network{_where_java_wrote(java_log)}"
        ) from error
    if java_log:  # not before: who reads the error wants to read the file
        atexit.register(java_log.unlink, missing_ok=True)
    return session


def compaction_conf(file_bytes: int) -> dict[str, str]:
    """Spark's settings with which Delta's OPTIMIZE makes files of such a size (bytes).

    A clustered table is rewritten in parts ("cubes"), and one that is large enough is left alone from then on. By default
    that begins at 100 GB, and all of a smaller table would be written again each time.
    """
    prefix = "spark.databricks.delta.optimize"
    cubes = f"{prefix}.clustering.mergeStrategy.minCubeSize"
    return {
        f"{prefix}.maxFileSize": str(file_bytes),
        f"{prefix}.minFileSize": str(file_bytes // 2),
        f"{cubes}.threshold": str(file_bytes),
        f"{cubes}.targetCubeSize": str(4 * file_bytes),
    }


def _java_log(settings: Settings) -> Path | None:
    """A new file for what Java writes; None where this process starts no Java."""
    if settings.spark_remote or SparkContext._gateway is not None:
        return None
    number, name = tempfile.mkstemp(prefix="logster-java-", suffix=".log")
    os.close(number)
    return Path(name)


def _start_java(conf: Mapping[str, str], log: Path) -> None:
    """Start Java with its errors going to a file: forty lines of notes would tear a terminal's display."""
    with log.open("wb") as errors:
        # in a session of its own: a terminal's Ctrl-C would reach Python's workers in the middle of a batch
        gateway = launch_java(conf, stderr=errors, start_new_session=True)
    SparkContext._ensure_initialized(gateway=gateway)


def _where_java_wrote(log: Path | None) -> str:
    """As the tail of a message; empty, and no file is left, where Java wrote nothing."""
    if log is None:
        return ""
    if log.stat().st_size == 0:
        log.unlink()
        return ""
    return f" (Java wrote to {log})"
