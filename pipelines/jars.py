"""The JARs that Spark needs besides its own, resolved from Maven Central once and then taken from where they were put."""

import hashlib
import json
from pathlib import Path

from pyspark.sql import SparkSession

__all__ = ["EXCLUDES", "JARS", "jar_conf", "note_jars"]

JARS = ("io.delta:delta-spark_4.2_2.13:4.4.0", "org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0")
# Spark ships these; a second copy only slows the start and risks a clash
EXCLUDES = (
    "org.apache.hadoop:hadoop-client-api", "org.apache.hadoop:hadoop-client-runtime", "org.slf4j:slf4j-api",
    "org.apache.logging.log4j:log4j-api", "org.apache.logging.log4j:log4j-core",
)  # fmt: skip


def jar_conf(cache: Path | None = None) -> dict[str, str]:
    """Settings that bring the JARs: the files of an earlier start where all are still there, else their names.

    Resolving names costs a second or two at each start, and needs the network when a cache was cleaned.

    Args:
        cache: folder of the note; default ``~/.cache/logster``.
    """
    note = _note(cache)
    try:
        files = json.loads(note.read_text())
    except (OSError, ValueError):
        files = []
    if files and all(Path(file).is_file() for file in files):
        return {"spark.jars": ",".join(files)}
    return {"spark.jars.packages": ",".join(JARS), "spark.jars.excludes": ",".join(EXCLUDES)}


def note_jars(session: SparkSession, cache: Path | None = None) -> None:
    """Note where the JARs of a session that resolved them lie."""
    conf = session.sparkContext.getConf()
    files = [file.removeprefix("file://") for file in (conf.get("spark.jars") or "").split(",") if file]
    if not conf.get("spark.jars.packages") or not files or not all(Path(file).is_file() for file in files):
        return
    note = _note(cache)
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        new = note.with_suffix(".new")
        new.write_text(json.dumps(files))
        new.replace(note)
    except OSError:
        return  # a cache; without it the next start resolves again


def _note(cache: Path | None) -> Path:
    names = hashlib.sha256(" ".join(JARS + EXCLUDES).encode()).hexdigest()[:12]
    return (cache or Path.home() / ".cache" / "logster") / f"jars-{names}.json"
