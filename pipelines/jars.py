"""The JARs that Spark needs besides its own, resolved from Maven Central once and then taken from where they were put."""

import hashlib
import json
from pathlib import Path

from pyspark.sql import SparkSession

from pipelines.java_process import bare_java

__all__ = ["EXCLUDES", "JARS", "fetch_jars", "jar_conf", "note_jars"]

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
    files = _noted(_note(cache))
    if files:
        return {"spark.jars": ",".join(str(file) for file in files)}
    return {"spark.jars.packages": ",".join(JARS), "spark.jars.excludes": ",".join(EXCLUDES)}


def fetch_jars(*packages: str, java_home: str | None = None, cache: Path | None = None) -> list[Path]:
    """Bring other packages and what they need, through Spark's resolver as well; from where they are, the second time.

    Scala's own library is not among them: Spark has it.

    Args:
        packages: ``group:artefact:version`` each.
        java_home: Java to use; default as for Spark.
        cache: folder of the note; default ``~/.cache/logster``.
    """
    note = _note(cache, packages)
    files = _noted(note)
    if not files:
        with bare_java(java_home, {"spark.jars.packages": ",".join(packages)}) as jvm:
            found = jvm.java.lang.System.getProperty("spark.jars") or ""
        files = [Path(file.removeprefix("file://")) for file in found.split(",") if file]
        _write_note(note, files)
    return files


def note_jars(session: SparkSession, cache: Path | None = None) -> None:
    """Note where the JARs of a session that resolved them lie."""
    conf = session.sparkContext.getConf()
    files = [Path(file.removeprefix("file://")) for file in (conf.get("spark.jars") or "").split(",") if file]
    if conf.get("spark.jars.packages") and files and all(file.is_file() for file in files):
        _write_note(_note(cache), files)


def _noted(note: Path) -> list[Path]:
    """The files of a note; none where there is no note, or one of them is gone."""
    try:
        files = [Path(file) for file in json.loads(note.read_text())]
    except (OSError, ValueError):
        return []
    return files if all(file.is_file() for file in files) else []


def _write_note(note: Path, files: list[Path]) -> None:
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        new = note.with_suffix(".new")
        new.write_text(json.dumps([str(file) for file in files]))
        new.replace(note)
    except OSError:
        return  # a cache; without it the next start resolves again


def _note(cache: Path | None, packages: tuple[str, ...] = JARS + EXCLUDES) -> Path:
    names = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    return (cache or Path.home() / ".cache" / "logster") / f"jars-{names}.json"
