"""`make bench`: throughput of each step and latency of the whole, beside a peer that reads the same files.

What the figures mean, and how they came out, is in ``benchmarks/README.md``.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table

from benchmarks.latency import Latency, measure_latency
from benchmarks.peer import write_events
from benchmarks.pipeline import Steps, run_steps
from benchmarks.telemetry import Telemetry, write_auditd, write_windows
from benchmarks.usage import Usage, measured
from logster.runtime import end_java
from models.champions import champion_scorer
from pipelines.detection import Scorer
from pipelines.session import start_session
from pipelines.settings import Settings

__all__ = ["main"]

_KINDS = ("windows", "auditd")
_STEPS = (
    ("ingestion", "raw → events", ("megabytes", "events")),
    ("peer", "same by DuckDB", ("megabytes", "events")),
    ("graphs", "window graphs", ("windows", "events")),
    ("scoring", "scoring", ("windows",)),
)
_SHORT = {"megabytes": "MB", "events": "events", "windows": "windows"}
_STAGES = {"in_events": "events are written", "scored": "the round of detection ends", "in_api": "alert is in the API"}
_MEGABYTE = 1_000_000
_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main(
    megabytes: Annotated[float, typer.Option(help="Windows telemetry (MB); half as much of auditd")] = 40,
    cores: Annotated[int, typer.Option(help="threads of Spark and of the peer")] = _CORES,
    tries: Annotated[int, typer.Option(min=1, help="measured runs after one that warms up; the median counts")] = 2,
    latencies: Annotated[int, typer.Option(min=0, help="files whose way to the API is timed; 0 leaves it out")] = 3,
    out: Annotated[Path | None, typer.Option(help="write all figures there, as JSON")] = None,
) -> None:
    """Measure throughput and latency, each against a peer in the same run."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    console = Console()
    report: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "memory_gib": _memory_gib(), "load_before": list(os.getloadavg())},
        "options": {"megabytes": megabytes, "cores": cores, "tries": tries, "latencies": latencies},
    }
    with tempfile.TemporaryDirectory(prefix="logster-bench-") as name:
        folder = Path(name)
        settings = Settings(lake=str(folder / "lake"), spark_master=f"local[{cores}]", _env_file=None)
        with _doing(console, "writing telemetry"):
            telemetry = {
                "windows": write_windows(folder / "landing-windows", round(megabytes * _MEGABYTE)),
                "auditd": write_auditd(folder / "landing-auditd", round(megabytes / 2 * _MEGABYTE)),
            }
        with _doing(console, "starting Spark and loading the models"):
            spark = start_session(settings, app_name="logster-bench")
            score = champion_scorer(settings)
        try:
            for kind in _KINDS:
                runs = _throughput(console, spark, score, telemetry[kind], kind, folder, cores=cores, tries=tries)
                report[kind] = _figures(telemetry[kind], runs, cores)
            if latencies:
                with _doing(console, "streaming: files in, alerts out"):
                    (folder / "stream").mkdir()
                    taken = measure_latency(spark, score, folder / "stream", n_files=latencies)
                report["latency_seconds"] = _latency_figures(taken)
        finally:
            spark.stop()
            end_java()
    report["machine"]["load_after"] = list(os.getloadavg())
    for table in _tables(report):
        console.print(table)
    if out is not None:
        out.write_text(json.dumps(report, indent=2) + "\n")


def _throughput(
    console: Console, spark: SparkSession, score: Scorer, telemetry: Telemetry, kind: str, folder: Path, *,
    cores: int, tries: int,
) -> list[tuple[Steps, Usage]]:  # fmt: skip
    """Logster and the peer in turn, as often as asked for, after one run that warms both up."""
    runs = []
    for number in range(tries + 1):
        with _doing(console, f"{kind}: {f'run {number} of {tries}' if number else 'warming up'}"):
            with tempfile.TemporaryDirectory(dir=folder) as lake:
                steps = run_steps(spark, telemetry, score, Path(lake))
            target = folder / f"{kind}.parquet"
            with measured() as peer:
                n_events = write_events(telemetry, kind, target, n_threads=cores)
            target.unlink()
        if n_events != steps.n_events:
            raise RuntimeError(f"the peer made {n_events} events of the {kind} files, Logster {steps.n_events}")
        runs.append((steps, peer))
    return runs[1:]


@contextmanager
def _doing(console: Console, what: str) -> Iterator[None]:
    """Say what goes on and, when it is done, how long it took."""
    began = time.perf_counter()
    with console.status(what):
        yield
    console.print(f"{what}: {time.perf_counter() - began:.1f} s")


def _figures(telemetry: Telemetry, runs: list[tuple[Steps, Usage]], cores: int) -> dict[str, Any]:
    size, n_events, n_windows = telemetry.n_bytes / _MEGABYTE, runs[0][0].n_events, runs[0][0].n_windows
    ingestion = _rates([steps.ingestion for steps, _ in runs], cores, megabytes=size, events=n_events)
    peer = _rates([usage for _, usage in runs], cores, megabytes=size, events=n_events)
    return {
        "telemetry": {"megabytes": size, "records": telemetry.n_records, "files": len(telemetry.files)},
        "n_events": n_events, "n_windows": n_windows, "n_edges": runs[0][0].n_edges,
        "ingestion": ingestion,
        "peer": peer,
        "peer_times_as_fast": peer["megabytes_per_core_second"] / ingestion["megabytes_per_core_second"],
        "graphs": _rates([steps.graphs for steps, _ in runs], cores, windows=n_windows, events=n_events),
        "scoring": _rates([steps.scoring for steps, _ in runs], cores, windows=n_windows),
    }  # fmt: skip


def _rates(usages: list[Usage], cores: int, **amounts: float) -> dict[str, Any]:
    """Medians, and amounts by them: per second of a core by the clock, and per second of processor time."""
    seconds = statistics.median(usage.seconds for usage in usages)
    busy = [usage.processor_seconds for usage in usages if usage.processor_seconds is not None]
    processor = statistics.median(busy) if busy else None
    figures: dict[str, Any] = {"seconds": seconds, "processor_seconds": processor}
    for name, amount in amounts.items():
        figures[f"{name}_per_core_second"] = amount / seconds / cores
        figures[f"{name}_per_processor_second"] = amount / processor if processor else None
    return {**figures, "tries": [asdict(usage) for usage in usages]}


def _latency_figures(taken: list[Latency]) -> dict[str, Any]:
    return {
        "median": {name: statistics.median(asdict(one)[name] for one in taken) for name in asdict(taken[0])},
        "worst": max(one.in_api for one in taken),
        "tries": [asdict(one) for one in taken],
    }


def _tables(report: dict[str, Any]) -> Iterable[Table]:
    yield _throughput_table(report)
    if "latency_seconds" in report:
        yield _latency_table(report["latency_seconds"])


def _throughput_table(report: dict[str, Any]) -> Table:
    options = report["options"]
    table = Table(title=f"{options['cores']} cores used, median of {options['tries']} runs", title_justify="left")
    for name in ("step", "", "per core s", "per CPU s", "s", "CPU s"):
        table.add_column(name, justify="left" if name in ("step", "") else "right", no_wrap=True)
    for kind in _KINDS:
        for step, title, units in _STEPS:
            told = report[kind][step]
            for number, unit in enumerate(units):
                rates = [_number(told[f"{unit}_per_{second}"]) for second in ("core_second", "processor_second")]
                took = [_number(told[name]) for name in ("seconds", "processor_seconds")]
                table.add_row(
                    "" if number else f"{kind}: {title}", _SHORT[unit], *rates, *(["", ""] if number else took)
                )
        table.add_row(f"{kind}: DuckDB ÷ Logster", "", _number(report[kind]["peer_times_as_fast"]), end_section=True)
    return table


def _latency_table(told: dict[str, Any]) -> Table:
    table = Table(title=f"from a file's arrival, {len(told['tries'])} files", title_justify="left")
    table.add_column("until")
    table.add_column("median s", justify="right")
    for name, title in _STAGES.items():
        table.add_row(title, _number(told["median"][name]))
    table.add_row("alert is in the API, slowest file", _number(told["worst"]))
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _memory_gib() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


if __name__ == "__main__":
    typer.run(main)
