"""Kafka topics as a stream, and their records as the lines that `pipelines.ingestion` takes.

One Kafka record is one row, as Vector, Filebeat and Logstash have it; with framing ``lines`` each line of its value is.
A value that cannot be read is one row with a ``source_problem``, never an exception. How brokers are reached and asked is
``pipelines.sources.kafka_client``.
"""

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.formats.several_records import holds_several_records
from pipelines.settings import Settings
from pipelines.sources.files import DEFAULT_TENANT, SOURCE_LINES
from pipelines.sources.kafka_client import client_properties, subscription, tenant_pattern
from pipelines.sources.names import ENDPOINT_NAME, TENANT_NAME

__all__ = ["lines_of_kafka", "stream_kafka"]

_KEPT_OF_LONG_VALUE = 1 << 16  # bytes, as of a file's long line
_LONGEST_NAME = 1024  # bytes of a key or header that are looked at: a pattern of the operator's runs over them
_POLL_TIMEOUT_MS = 30_000  # a batch that waits for a broker holds up files and detection
_NOT_BLANK = r"\S"
_NUL, _REPLACED, _MARK = "\u0000", "\ufffd", "\ufeff"


def stream_kafka(spark: SparkSession, settings: Settings) -> DataFrame:
    """Stream the records of the topics, in the order of each partition, from where the checkpoint stands.

    Raises:
        SettingsError: a setting of the source cannot be used.
    """
    return (
        spark.readStream.format("kafka")
        .options(**{f"kafka.{name}": value for name, value in client_properties(settings).items()})
        .options(**subscription(settings))
        .option("includeHeaders", "true")
        .option("startingOffsets", settings.kafka_starting_offsets)
        .option("maxOffsetsPerTrigger", settings.kafka_max_records_per_trigger)
        .option("failOnDataLoss", "true" if settings.kafka_on_data_loss == "stop" else "false")
        .option("kafkaConsumer.pollTimeoutMs", _POLL_TIMEOUT_MS)
        .option(
            "groupIdPrefix", "logster"
        )  # offsets are in the checkpoint; the group is only for brokers' access lists
        .load()
    )


def lines_of_kafka(records: DataFrame, settings: Settings) -> DataFrame:
    """Turn Kafka records into lines, one a record, or with framing ``lines`` one a line of its value.

    Args:
        records: key, value, topic, partition, offset, headers, as Spark's Kafka source gives them.
        settings: say how values are framed, and where tenant and endpoint stand.

    Returns:
        tenant, source (format asked for), origin, endpoint_hint, clock_offset_seconds, record, source_problem.
    """
    origin = F.concat_ws("/", "topic", F.col("partition").cast("string"), F.col("offset").cast("string"))
    too_long = F.octet_length("value") > settings.max_record_bytes
    kept = F.when(too_long, F.substring("value", 1, _KEPT_OF_LONG_VALUE)).otherwise(F.col("value"))
    read = (
        records.select(
            origin.alias("origin"),
            _tenant_bytes(settings).alias("_tenant"),
            _endpoint_bytes(settings).alias("endpoint_hint"),
            _header("format").alias("source"),
            F.octet_length("value").alias("_length"),
            kept.cast("string").alias("_text"),
        )
        # a step at a time: what is used twice is not computed twice
        .withColumn("_tenant", _tenant(settings))
        .withColumn("endpoint_hint", _name_in("endpoint_hint"))
        .withColumn("source", F.coalesce(_name_in("source"), F.lit(settings.kafka_format)))
        .withColumn("_record", _cleaned(F.make_valid_utf8("_text")))
        .withColumn("source_problem", _problem(settings))
        .withColumn("tenant", F.when(_is_name("_tenant", TENANT_NAME), F.col("_tenant")).otherwise(DEFAULT_TENANT))
        .withColumn("record", F.translate(F.coalesce("_record", F.lit("")), _NUL, _REPLACED))
        .withColumn("endpoint_hint", F.when(_is_name("endpoint_hint", ENDPOINT_NAME), F.col("endpoint_hint")))
        .withColumn("clock_offset_seconds", F.lit(None).cast("bigint"))
    )
    lines = _split(read) if settings.kafka_framing == "lines" else read
    return lines.select(*SOURCE_LINES.names)


def _cleaned(text: Column) -> Column:
    """Without a byte order mark, and without the line's end that some producers send along."""
    unmarked = F.when(F.startswith(text, F.lit(_MARK)), F.substring(text, 2, 1 << 30)).otherwise(text)
    return F.btrim(unmarked, F.lit("\r\n"))


def _problem(settings: Settings) -> Column:
    """Why the value cannot be taken as a record; null where it can."""
    record, length, longest = F.col("_record"), F.col("_length"), settings.max_record_bytes
    too_long = F.concat(
        F.lit("value of "), length, F.lit(f" bytes is longer than {longest} (LOGSTER_MAX_RECORD_BYTES); kept its start")
    )
    problem = (
        F.when(length.isNull(), "value is null (a tombstone)")
        .when(length > longest, too_long)
        .when(~F.is_valid_utf8("_text"), "value is not valid UTF-8")
        .when(F.contains(record, F.lit(_NUL)), "value holds NUL bytes")
        .when(~record.rlike(_NOT_BLANK), "value is empty")
        .when(~_is_name("_tenant", TENANT_NAME), "names no tenant that can be used (LOGSTER_KAFKA_TENANT_FROM)")
        .when(
            F.col("endpoint_hint").isNotNull() & ~_is_name("endpoint_hint", ENDPOINT_NAME),
            "names an endpoint that cannot be used (LOGSTER_KAFKA_ENDPOINT_FROM)",
        )
    )
    if settings.kafka_framing == "lines":
        return problem
    return problem.when(
        holds_several_records(record), "value holds several records (LOGSTER_KAFKA_FRAMING=lines reads each line)"
    )


def _split(read: DataFrame) -> DataFrame:
    """One row for each line that is not blank; what has a problem stays one row."""
    is_sound = F.col("source_problem").isNull()
    parts = F.when(is_sound, F.split("record", "\n")).otherwise(F.array("record"))
    others = [name for name in SOURCE_LINES.names if name not in ("record", "origin")]
    return (
        read.select(*others, "origin", F.posexplode(parts).alias("_number", "_line"))
        .withColumn("record", F.rtrim("_line", F.lit("\r")))
        .where(~is_sound | F.col("record").rlike(_NOT_BLANK))
        .withColumn("origin", F.concat_ws("#", "origin", F.col("_number").cast("string")))
    )


def _tenant_bytes(settings: Settings) -> Column:
    return {
        "setting": F.lit(settings.kafka_tenant).cast("binary"),
        "topic": F.col("topic").cast("binary"),
        "header": _header("tenant"),
        "key": F.col("key"),
    }[settings.kafka_tenant_from]


def _tenant(settings: Settings) -> Column:
    pattern, found = tenant_pattern(settings), _name_in("_tenant")
    return F.regexp_extract(found, pattern.java, pattern.group) if pattern else found


def _endpoint_bytes(settings: Settings) -> Column:
    return _header("endpoint") if settings.kafka_endpoint_from == "header" else F.col("key")


def _header(name: str) -> Column:
    """Bytes of a record's last header of that name; null where it has none."""
    named = F.filter("headers", lambda header: header["key"] == name)
    return F.try_element_at(named, F.lit(-1))["value"]


def _name_in(column: str) -> Column:
    """A key's or header's text; null where it is empty, and what no name can be where it is too long or no text."""
    text, length = F.col(column).cast("string"), F.octet_length(column)
    is_text = (length <= _LONGEST_NAME) & F.is_valid_utf8(text)
    return F.when(length > 0, F.when(is_text, text).otherwise("?"))


def _is_name(column: str, pattern: str) -> Column:
    # never null
    return F.coalesce(F.col(column).rlike(rf"\A{pattern}\z"), F.lit(False))
