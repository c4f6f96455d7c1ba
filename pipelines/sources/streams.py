"""The sources that a stream reads side by side, each behind the same three functions; which of them are on is a setting."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from pipelines.errors import SettingsError
from pipelines.settings import Settings
from pipelines.sources.delta import check_table, lines_of_table, stream_table
from pipelines.sources.files import lines_of_files, stream_files
from pipelines.sources.kafka import lines_of_kafka, stream_kafka
from pipelines.sources.kafka_client import ask_brokers
from pipelines.sources.mapping import TableMapping, load_mapping

__all__ = ["FILES", "KAFKA", "StreamSource", "sources_of"]


@dataclass(frozen=True)
class StreamSource:
    """One source.

    Attributes:
        name: names its checkpoint's folder, its identity and it in messages.
        ready: makes sure that it can be read, before anything is started, and gives the id of what its offsets belong to
            (a Kafka cluster, a table); None where nothing tells.
        stream: opens the stream of what arrives.
        lines: turns a micro-batch of it into lines (`pipelines.sources.files.SOURCE_LINES`).
        may_be_away: whether what it reads from may be gone for a while and come back.
    """

    name: str
    ready: Callable[[SparkSession, Settings], str | None]
    stream: Callable[[SparkSession, Settings], DataFrame]
    lines: Callable[[DataFrame, Settings], DataFrame]
    may_be_away: bool = False


def sources_of(settings: Settings) -> tuple[StreamSource, ...]:
    """The sources that are switched on: always the landing zone, Kafka where brokers are set, a table a mapping file.

    Raises:
        SettingsError: a mapping file cannot be used.
    """
    kafka = (KAFKA,) if settings.kafka_servers else ()
    mappings = [load_mapping(file) for file in settings.delta_mapping_files]
    if len({mapping.name for mapping in mappings}) < len(mappings):
        raise SettingsError("LOGSTER_DELTA_SOURCES: two files have one name, which names their source; rename one")
    return (FILES, *kafka, *map(_of_table, mappings))


def _landing_zone_is_there(spark: SparkSession, settings: Settings) -> None:
    if "://" not in settings.landing_path:
        Path(settings.landing_path).mkdir(parents=True, exist_ok=True)


def _lines_of_files(files: DataFrame, settings: Settings) -> DataFrame:
    return lines_of_files(files, settings, n_tasks=files.sparkSession.sparkContext.defaultParallelism)


def _brokers_answer(spark: SparkSession, settings: Settings) -> str | None:
    jvm = getattr(spark, "_jvm", None)  # Spark Connect has none here; its server speaks to the brokers
    return ask_brokers(jvm, settings).cluster_id if jvm is not None else None


def _of_table(mapping: TableMapping) -> StreamSource:
    return StreamSource(
        f"delta-{mapping.name}",
        lambda spark, _: check_table(spark, mapping),
        partial(stream_table, mapping=mapping),
        partial(lines_of_table, mapping=mapping),
    )


FILES = StreamSource("files", _landing_zone_is_there, stream_files, _lines_of_files)
KAFKA = StreamSource("kafka", _brokers_answer, stream_kafka, lines_of_kafka, may_be_away=True)
