import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines.ingestion import raw_rows
from pipelines.lineage import settled
from pipelines.normalise.records import events_of, normalise_records, quarantine_of
from pipelines.sources.file_reader import read_records
from pipelines.sources.files import SOURCE_LINES
from pipelines.sources.line_reader import FileLimits

_JSON = {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"}
RECEIVED_AT = datetime(2026, 4, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Line:
    """One line as a source would give it; ``tenant`` keeps cases apart, ``origin`` says which line it was."""

    record: str
    tenant: str = "default"
    origin: str = "0"
    source: str = "auto"
    endpoint_hint: str | None = None
    clock_offset_seconds: int | None = None
    source_problem: str | None = None


@dataclass(frozen=True)
class Normalised:
    """What lines became; each row as a dictionary without nulls, ``ts`` as text."""

    events: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]
    origins: dict[str, list[tuple[str, str]]]
    """record_id -> (tenant, origin) of the lines that are this record."""


def _row(text: str) -> dict[str, Any]:
    return {name: value for name, value in json.loads(text).items() if value not in (None, {}, [])}


@pytest.fixture(scope="session")
def make_line() -> type[Line]:
    return Line


@pytest.fixture(scope="session")
def case_records() -> Callable[[Path], list[str]]:
    """The records of a case: the lines of ``input.log``, or what the file's reader cuts ``input.txt`` into."""

    def records(path: Path) -> list[str]:
        if path.suffix == ".log":
            return path.read_text().removesuffix("\n").split("\n")  # splitlines() would cut at auditd's 0x1d
        with path.open("rb") as file:
            batches = read_records(file, limits=FileLimits())
            return [record for batch in batches for record in batch.column("record").to_pylist()]

    return records


@pytest.fixture(scope="session")
def normalise(spark: SparkSession) -> Callable[..., Normalised]:
    """Run lines through recognition, parsers and normaliser, all in one job (events, quarantine and ids together).

    ``formats`` are those that the plan has; all by default.
    """

    def run(lines: Sequence[Line], formats: frozenset[str] | None = None) -> Normalised:
        table = pa.Table.from_pylist([vars(line) for line in lines], schema=SOURCE_LINES)
        raw = raw_rows(spark.createDataFrame(table), batch_id="test/0", received_at=RECEIVED_AT)
        parsed = settled(normalise_records(raw, formats))
        kinds = {
            "event": events_of(parsed, formats),
            "quarantine": quarantine_of(parsed).select("tenant", "origin", "source", "record_id", "reason"),
            "raw": raw.select("tenant", "origin", "record_id"),
        }
        job = None
        for kind, frame in kinds.items():
            part = frame.select(F.lit(kind).alias("kind"), F.to_json(F.struct("*"), _JSON).alias("row"))
            job = part if job is None else job.unionByName(part)
        rows = [(row["kind"], _row(row["row"])) for row in job.collect()]
        origins: dict[str, list[tuple[str, str]]] = {}
        for kind, row in rows:
            if kind == "raw":
                origins.setdefault(row["record_id"], []).append((row["tenant"], row["origin"]))
        return Normalised(
            events=sorted((row for kind, row in rows if kind == "event"), key=lambda row: (row["ts"], row["event_id"])),
            quarantine=[row for kind, row in rows if kind == "quarantine"],
            origins=origins,
        )

    return run
