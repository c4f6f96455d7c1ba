"""The landing zone as a stream: which files lie there, whose they are, and their lines as a frame.

A file's tenant, format, endpoint and clock correction are the ``name=value`` folders above it (`landing_folder`).
Files must appear whole: `logster ingest` and a rename from elsewhere do that; names that begin with ``.`` or ``_``
are not looked at.
"""

from collections.abc import Iterator
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa
from pyarrow import fs
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from pipelines.settings import Settings
from pipelines.sources.file_reader import read_records
from pipelines.sources.line_reader import LINES, FileLimits

__all__ = [
    "AUTO_FORMAT",
    "DEFAULT_TENANT",
    "SOURCE_LINES",
    "landing_folder",
    "lines_of_files",
    "list_files",
    "stream_files",
]

DEFAULT_TENANT = "default"
AUTO_FORMAT = "auto"
_FILE_COLUMNS = ("path", "length")
_BINARY_FILE = "path STRING, modificationTime TIMESTAMP, length LONG, content BINARY"


SOURCE_LINES = pa.schema(
    [
        pa.field("tenant", pa.string()),
        pa.field("source", pa.string()),
        pa.field("origin", pa.string()),
        pa.field("endpoint_hint", pa.string()),
        pa.field("clock_offset_seconds", pa.int64()),
        pa.field("record", pa.string()),
        pa.field("source_problem", pa.string()),
    ]
)
"""What every source gives, one row a line; `pipelines.ingestion` takes it from here."""


def landing_folder(tenant: str, record_format: str, endpoint: str | None, clock_offset_seconds: int | None) -> str:
    """Folder below the landing zone that says whose a file is."""
    parts = [f"tenant={quote(tenant, safe='')}", f"format={quote(record_format, safe='')}"]
    if endpoint:
        parts.append(f"endpoint={quote(endpoint, safe='')}")
    if clock_offset_seconds:
        parts.append(f"clock={clock_offset_seconds}")
    return "/".join(parts)


def stream_files(spark: SparkSession, settings: Settings) -> DataFrame:
    """Stream the paths of files as they land, oldest first; their content is not read here."""
    return (
        spark.readStream.schema(_BINARY_FILE)
        .format("binaryFile")
        .option("recursiveFileLookup", "true")
        .option("maxFilesPerTrigger", settings.max_files_per_trigger)
        .load(settings.landing_path)
        .select(*_FILE_COLUMNS)
    )


def list_files(spark: SparkSession, settings: Settings) -> DataFrame:
    """List the landing zone as it is now, as one batch."""
    return (
        spark.read.format("binaryFile")
        .option("recursiveFileLookup", "true")
        .load(settings.landing_path)
        .select(*_FILE_COLUMNS)
    )


def lines_of_files(files: DataFrame, settings: Settings, *, n_tasks: int) -> DataFrame:
    """Read files as lines, in Arrow batches, whole files spread over ``n_tasks`` tasks.

    Returns:
        tenant, source (format asked for), origin, endpoint_hint, clock_offset_seconds, record, source_problem.
    """
    limits = FileLimits(settings.max_record_bytes, settings.max_file_bytes, settings.max_compression_ratio)
    root = settings.landing_path

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for path in batch.column("path").to_pylist():
                yield from _read_file(path, root, limits)

    # by size, so that one large file does not wait behind others; the hash of the path keeps it repeatable
    spread = files.repartitionByRange(n_tasks, F.col("length").desc(), F.xxhash64("path")) if n_tasks > 1 else files
    return spread.select("path").mapInArrow(read, from_arrow_schema(SOURCE_LINES))


def _read_file(uri: str, root: str, limits: FileLimits) -> Iterator[pa.RecordBatch]:
    path = unquote(urlsplit(uri).path) if uri.startswith("file:") else uri
    told = dict(part.split("=", 1) for part in path.split("/")[:-1] if "=" in part)
    clock = told.get("clock", "")
    constant = {
        "tenant": unquote(told.get("tenant", DEFAULT_TENANT)),
        "source": unquote(told.get("format", AUTO_FORMAT)),
        "endpoint_hint": unquote(told["endpoint"]) if "endpoint" in told else None,
        "clock_offset_seconds": int(clock) if clock.lstrip("-").isdigit() else None,
    }
    name = path.split(root.rstrip("/").split("://")[-1] + "/", 1)[-1] if root else path
    try:
        if uri.startswith("file:"):
            stream = fs.LocalFileSystem().open_input_stream(path, compression=None)
        else:
            filesystem, inner = fs.FileSystem.from_uri(uri)
            stream = filesystem.open_input_stream(inner, compression=None)
    except OSError as error:
        gone = pa.RecordBatch.from_pylist(
            [{"offset": 0, "record": "", "source_problem": f"file cannot be opened: {error}"}], schema=LINES
        )
        yield _told(gone, name, constant)
        return
    with stream:
        for lines in read_records(stream, limits=limits):
            yield _told(lines, name, constant)


def _told(lines: pa.RecordBatch, name: str, constant: dict[str, str | int | None]) -> pa.RecordBatch:
    """Put what the folders say beside each line."""
    origins = pa.array([f"{name}#{offset}" for offset in lines.column("offset").to_pylist()], pa.string())
    own = {"origin": origins, "record": lines.column("record"), "source_problem": lines.column("source_problem")}
    return pa.RecordBatch.from_arrays(
        [
            own[field.name] if field.name in own else pa.repeat(pa.scalar(constant[field.name], field.type), len(lines))
            for field in SOURCE_LINES
        ],
        schema=SOURCE_LINES,
    )
