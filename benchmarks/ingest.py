"""`make bench-ingest`: what a stream of files into ``raw``, ``events`` and ``quarantine`` carries, by size of the input.

Structured Streaming over a landing zone, exactly once, with everything that `ingest_batch` writes; no windows. What the
figures mean, and how they came out, is in ``benchmarks/README.md``.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from pyspark import SparkContext
from pyspark.sql import DataFrame, SparkSession
from rich.table import Table

from benchmarks.telemetry import Telemetry, write_auditd, write_windows
from benchmarks.usage import Usage, measured
from logster.display import OUTPUT
from logster.runtime import end_java
from pipelines.ingestion import ingest_batch
from pipelines.lake import Lake
from pipelines.lake_reader import file_sizes
from pipelines.ledger import read_ledger
from pipelines.maintenance import compact
from pipelines.session import start_session
from pipelines.settings import Settings
from pipelines.sources.files import lines_of_files, stream_files

__all__ = ["Ingested", "ingest_stream", "main"]

_MEGABYTE = 1_000_000
_ENDPOINT_MEGABYTES = 5  # of Windows telemetry in a file
_PEERS = {"duckdb": "benchmarks.peer", "polars": "benchmarks.polars_peer"}  # loaded when the threads are known
_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Ingested:
    """One stream over one landing zone, into a fresh lake.

    Attributes:
        usage: time that it took.
        n_events: rows of ``events``.
        n_batches: micro-batches that had lines.
        n_files: data files of ``raw`` and ``events``.
        stored: size of these (bytes).
        peak_memory: most that Java has held so far (bytes); None where the system does not tell.
        compaction: time of putting the small ones of these together afterwards (`pipelines.maintenance.compact`).
        file_sizes: of each of the two tables the sizes (bytes) that its files have then.
    """

    usage: Usage
    n_events: int
    n_batches: int
    n_files: int
    stored: int
    peak_memory: int | None
    compaction: Usage
    file_sizes: dict[str, list[int]]


def main(
    megabytes: Annotated[str, typer.Option(help="sizes of the input (MB), each on its own")] = "500,1000,2000",
    kinds: Annotated[str, typer.Option(help="kinds of telemetry")] = "windows,auditd",
    warm_up: Annotated[float, typer.Option(help="MB of each kind that are read first and not counted")] = 400,
    cores: Annotated[int, typer.Option(help="threads of Spark and of the peer")] = _CORES,
    files: Annotated[int, typer.Option(help="files a micro-batch, of 5 MB (Windows) or 3 MB (auditd) each")] = 40,
    out: Annotated[Path | None, typer.Option(help="write all figures there, as JSON")] = None,
) -> None:
    """Measure ingestion alone, at growing sizes, against two peers in the same run."""
    # before Polars is loaded: it cannot be told later
    os.environ["POLARS_MAX_THREADS"] = str(cores)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    console = OUTPUT
    report: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": cores,
        "load_before": list(os.getloadavg()),
        "runs": [],
    }
    with tempfile.TemporaryDirectory(prefix="logster-bench-") as name:
        folder = Path(name)
        spark = start_session(Settings(lake=name, spark_master=f"local[{cores}]", _env_file=None))
        try:
            for kind in kinds.split(","):
                if warm_up:
                    with console.status(f"{kind}: warming up"), tempfile.TemporaryDirectory(dir=folder) as place:
                        _run(spark, kind, warm_up, Path(place), cores, files)
                for size in (float(text) for text in megabytes.split(",")):
                    began = time.perf_counter()
                    with (
                        console.status(f"{kind}, {size:g} MB"),
                        tempfile.TemporaryDirectory(dir=folder) as place,
                    ):
                        report["runs"].append(_run(spark, kind, size, Path(place), cores, files))
                    if out is not None:  # hours may go into it: what was measured stays, whatever comes after
                        out.write_text(json.dumps(report, indent=2) + "\n")
                    console.print(_table(report["runs"][-1:], cores))
                    console.print(f"in {time.perf_counter() - began:.0f} s, telemetry's making included")
        finally:
            spark.stop()
            end_java()
    report["load_after"] = list(os.getloadavg())
    console.print(_table(report["runs"], cores))
    if out is not None:
        out.write_text(json.dumps(report, indent=2) + "\n")


def ingest_stream(spark: SparkSession, telemetry: Telemetry, folder: Path, *, files: int = 40) -> Ingested:
    """Stream what lies in a landing zone until all of it is in the lake.

    Args:
        spark: the session.
        telemetry: files, already in a landing zone.
        folder: an empty one for lake and checkpoint.
        files: of a micro-batch at most.

    Raises:
        RuntimeError: the ledger does not balance, or something went to quarantine, so that less was done than is said.
    """
    settings = Settings(
        lake=str(folder / "lake"), landing=str(telemetry.landing), max_files_per_trigger=files, _env_file=None
    )
    lake, sizes = Lake(spark, settings), []
    lake.create_tables()

    def write(files: DataFrame, number: int) -> None:
        lines = lines_of_files(files, settings, n_tasks=spark.sparkContext.defaultParallelism)
        counts = ingest_batch(lake, lines, stream_id="bench", number=number, received_at=datetime.now(UTC))
        sizes.append(counts.n_records)

    with measured() as usage:
        query = (
            stream_files(spark, settings)
            .writeStream.option("checkpointLocation", str(folder / "checkpoint"))
            .foreachBatch(write)
            .trigger(availableNow=True)
            .start()
        )
        query.awaitTermination()
    ledger = read_ledger(lake)
    if not ledger.balances or ledger.n_in_quarantine or ledger.n_raw != telemetry.n_records:
        raise RuntimeError(f"of {telemetry.n_records} records the ledger has {ledger}")
    stored = [file for table in ("raw", "events") for file in (folder / "lake" / table).rglob("*.parquet")]
    stored = [file for file in stored if "_delta_log" not in file.parts]
    stored_bytes = sum(file.stat().st_size for file in stored)
    with measured() as compaction:
        compact(lake, ("raw", "events"), at_least=2)
    return Ingested(
        usage, ledger.n_events, sum(map(bool, sizes)), len(stored), stored_bytes, _peak(), compaction,
        {name: sorted(file_sizes(settings, name)) for name in ("raw", "events")},
    )  # fmt: skip


def _run(spark: SparkSession, kind: str, megabytes: float, folder: Path, cores: int, files: int) -> dict[str, Any]:
    n_bytes = round(megabytes * _MEGABYTE)
    if kind == "windows":
        n_endpoints = max(1, round(megabytes / _ENDPOINT_MEGABYTES))
        telemetry = write_windows(folder / "landing", n_bytes, n_endpoints=n_endpoints)
    else:
        telemetry = write_auditd(folder / "landing", n_bytes)
    done = ingest_stream(spark, telemetry, folder, files=files)
    peers = {name: _peer(name, telemetry, kind, folder, cores, done.n_events) for name in ("duckdb", "polars")}
    size = telemetry.n_bytes / _MEGABYTE
    return {
        "kind": kind,
        "megabytes": size,
        **asdict(done),
        "peers": {name: asdict(usage) for name, usage in peers.items()},
        "megabytes_per_core_second": size / done.usage.seconds / cores,
        "megabytes_per_processor_second": size / done.usage.processor_seconds if done.usage.processor_seconds else None,
        "peers_times_as_fast": {name: done.usage.seconds / usage.seconds for name, usage in peers.items()},
        "stored_share": done.stored / telemetry.n_bytes,
    }


def _peer(name: str, telemetry: Telemetry, kind: str, folder: Path, cores: int, n_events: int) -> Usage:
    """What a peer takes for the same files; it must find as many events."""
    write = import_module(_PEERS[name]).write_events
    with measured() as usage:
        found = write(telemetry, kind, folder / f"{name}.parquet", n_threads=cores)
    if found != n_events:
        raise RuntimeError(f"{name} made {found} events of the {kind} files, Logster {n_events}")
    return usage


def _peak() -> int | None:
    """Most memory that Java has held."""
    gateway = SparkContext._gateway
    status = Path(f"/proc/{gateway.proc.pid}/status") if gateway is not None and hasattr(gateway, "proc") else None
    if status is None or not status.is_file():
        return None
    told = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return int(told["VmHWM"].split()[0]) * 1024


def _table(runs: Iterable[dict[str, Any]], cores: int) -> Table:
    table = Table(title=f"{cores} cores used", title_justify="left")
    names = (
        "",
        "MB",
        "batches",
        "MB/core s",
        "MB/CPU s",
        "DuckDB ÷",
        "Polars ÷",
        "stored",
        "files",
        "peak GiB",
        "put together s",
        "to MB",
    )
    for name in names:
        table.add_column(name, justify="left" if not name else "right")
    for run in runs:
        per_processor, peak = run["megabytes_per_processor_second"], run["peak_memory"]
        table.add_row(
            run["kind"], f"{run['megabytes']:,.0f}", str(run["n_batches"]),
            f"{run['megabytes_per_core_second']:.2f}", f"{per_processor:.2f}" if per_processor else "–",
            *[f"{ratio:.1f}" for ratio in run["peers_times_as_fast"].values()], f"{run['stored_share']:.1%}", str(run["n_files"]),
            f"{peak / 2**30:.1f}" if peak else "–", f"{run['compaction']['seconds']:.0f}",
            "; ".join(" ".join(f"{size / _MEGABYTE:.0f}" for size in of) for of in run["file_sizes"].values()),
        )  # fmt: skip
    return table


if __name__ == "__main__":
    typer.run(main)
