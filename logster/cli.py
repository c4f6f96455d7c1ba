"""The command line: each command reads settings, calls one function and prints; nothing is decided here."""

import atexit
import contextlib
import getpass
import os
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from logster.alert_commands import alerts_app
from logster.command import check_format, command_settings, progress_display
from logster.display import ERRORS, OUTPUT, compaction_table, ledger_table, plain
from logster.key_commands import keys_app
from logster.model_commands import models_app
from logster.notify_commands import notify_app
from logster.quarantine_commands import quarantine_app
from pipelines.errors import IngestError, LakeError, LogsterError, QueryError, SinkError
from pipelines.java_errors import first_line, java_causes
from pipelines.schemas.alerts import FeedbackVerdict
from pipelines.settings import Settings, load_settings
from pipelines.sources.files import AUTO_FORMAT, DEFAULT_TENANT
from pipelines.sources.ingest import files_under, ingest_file

if TYPE_CHECKING:
    from pipelines.detection import Scorer

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Threat detection that lives in the lakehouse.",
)
app.add_typer(models_app, name="models")
app.add_typer(alerts_app, name="alerts")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(notify_app, name="notify")
app.add_typer(keys_app, name="keys")


def main() -> None:
    """Run the command line; an error that a person can act on is one line, not a traceback."""
    exit_code = 1
    # registered first, so it runs last: progress displays, Spark and temporary files have been put away by then
    atexit.register(lambda: _leave(exit_code))
    exit_code = _run_app()
    sys.exit(exit_code)


def _run_app() -> int:
    try:
        app()
    except LogsterError as error:
        _tell(str(error))
    except KeyboardInterrupt:
        return 130
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except Exception as error:
        if load_settings().log_level == "DEBUG":
            raise
        told = f"{type(error).__name__}: {first_line(error)}"
        if (causes := java_causes(error)) and causes[-1].message not in told:  # py4j's own words only name the call
            told = f"{told} {causes[-1].text}"
        _tell(f"unexpected {told} (LOGSTER_LOG_LEVEL=DEBUG shows where)")
    else:
        return 0
    return 1


def _leave(exit_code: int) -> NoReturn:
    """End without taking the interpreter down.

    A command whose work was done came to exit code 134, once in some 300 times: most likely (apache/arrow#34314) a thread
    of Arrow's let go of a Python object meanwhile and was ended by the interpreter, which C++ answers with abort().
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads any more, or closed
            stream.flush()
    os._exit(exit_code)


def _tell(message: str) -> None:
    ERRORS.print("[bold red]logster:[/]", plain(" ".join(message.split())), highlight=False, soft_wrap=True)


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="files or folders; text or .evtx; plain, gzip or zstd")],
    tenant: Annotated[str, typer.Option(help="whose telemetry it is")] = DEFAULT_TENANT,
    record_format: Annotated[
        str, typer.Option("--format", help="format, or 'auto' to look at each record")
    ] = AUTO_FORMAT,
    endpoint: Annotated[str | None, typer.Option(help="endpoint of records that name none")] = None,
    clock_offset: Annotated[int, typer.Option(help="seconds to add to each record's own time")] = 0,
) -> None:
    """Copy files into the landing zone, whole or not at all; refuse what cannot be read."""
    settings = command_settings()
    if record_format != AUTO_FORMAT:
        check_format(record_format)
    files = list(files_under(paths))
    n_lines = n_refused = 0
    with progress_display() as progress:
        task = progress.add_task("copying", total=len(files))
        for file in files:
            progress.update(task, description=file.name[:60])
            try:
                landed = ingest_file(
                    file, settings, tenant=tenant, record_format=record_format, endpoint=endpoint,
                    clock_offset=timedelta(seconds=clock_offset) if clock_offset else None,
                )  # fmt: skip
            except IngestError as error:
                n_refused += 1
                ERRORS.print(f"[yellow]refused[/] {error}", highlight=False, soft_wrap=True)
            else:
                n_lines += landed.n_lines
                note = " (was there)" if landed.was_there else ""
                if landed.endpoint and endpoint is None:
                    note += f" (names no endpoint; taken as '{landed.endpoint}', --endpoint sets another)"
                if note:
                    ERRORS.print(f"{file.name}:{note}", highlight=False, soft_wrap=True)
            progress.advance(task)
    OUTPUT.print(f"{len(files) - n_refused} files, {n_lines:,} records in {settings.landing_path}; {n_refused} refused")
    if n_refused:
        raise typer.Exit(1)


@app.command()
def run(
    once: Annotated[bool, typer.Option("--once", help="handle all there is, close every window, and end")] = False,
    new_checkpoint: Annotated[
        bool, typer.Option(help="forget what was read: files from the start, Kafka from LOGSTER_KAFKA_STARTING_OFFSETS")
    ] = False,
) -> None:
    """Run the pipeline: landing zone, Kafka topics and Delta tables to events, windows, scores and alerts."""
    settings = command_settings()
    from logster.background import in_background
    from logster.publishing import publishing_beside
    from logster.runtime import opened_lake, stream_listeners
    from pipelines.ledger import read_ledger
    from pipelines.stream import StreamDriver

    scorer = in_background("models", _champion_scorer, settings)  # takes as long as Spark's start
    with (
        progress_display() as progress,
        publishing_beside(settings, once=once),
        opened_lake(settings, app_name="logster") as lake,
        stream_listeners(settings) as listeners,
    ):
        driver = StreamDriver(lake, scorer.result(), new_checkpoint=new_checkpoint, listeners=listeners)
        task = progress.add_task("starting")
        driver.progress.listeners.append(
            lambda now: progress.update(
                task,
                description=f"{now.doing} · {now.n_records:,} records · {now.n_events:,} events · {now.n_windows:,} windows",
            )
        )
        if once:
            driver.run_once()
            progress.update(task, description="checking the ledger")
            ledger = read_ledger(lake)
            progress.stop()
            OUTPUT.print(ledger_table(ledger))
            if not ledger.balances:
                raise LogsterError("the ledger does not balance: records are missing or doubled; please report this")
            return
        stop = threading.Event()
        _on_stop_signals(stop)
        driver.run(stop)


@app.command()
def collect() -> None:
    """Take records over HTTP (Splunk's HTTP Event Collector, newline JSON) into the landing zone; Ctrl-C ends it."""
    from logster.collect import serve_collector

    serve_collector(command_settings())


@app.command()
def publish(
    once: Annotated[bool, typer.Option("--once", help="publish what there is, and end")] = False,
) -> None:
    """Send changes of alerts to a Kafka topic, each once; `logster run` does by itself where brokers are set."""
    from logster.queue import check_lake

    settings = command_settings()
    check_lake(settings)
    from logster.publishing import publish_all
    from pipelines.locks import publishing
    from pipelines.sinks.publisher import Publisher

    publisher, stop = Publisher(settings), threading.Event()
    if once:
        publish_all(publisher)
        return
    _on_stop_signals(stop)
    with publishing(settings) as is_free:
        if not is_free:
            raise SinkError(f"another logster publishes changes of the alerts of {settings.lake}; stop it first")
    publisher.run(stop)


@app.command()
def feedback(
    alert_id: str,
    verdict: FeedbackVerdict,
    comment: Annotated[str | None, typer.Option(help="why")] = None,
) -> None:
    """Record a verdict on an alert; its status stays as it is."""
    from logster.queue import check_lake, judge

    settings = command_settings()
    check_lake(settings)
    recorded = judge(settings, alert_id, verdict, comment=comment, actor=getpass.getuser())
    OUTPUT.print(f"{recorded.verdict} recorded by {plain(recorded.actor)}")


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="a query over the lake's tables; '-' reads it from standard input")],
) -> None:
    """Run one DuckDB query with every table of the lake as a view."""
    import duckdb

    from logster.queue import check_lake, query_table
    from pipelines.lake_reader import connect

    settings = command_settings()
    check_lake(settings)
    text = sys.stdin.read() if query == "-" else query
    try:
        result = connect(settings).sql(text)
        if result is not None:
            OUTPUT.print(query_table(result))
    except duckdb.Error as error:
        raise QueryError(str(error)) from None


@app.command()
def ledger() -> None:
    """Check that every received record is accounted for."""
    from logster.queue import check_lake
    from logster.runtime import opened_lake
    from pipelines.lake_reader import delta_table
    from pipelines.ledger import read_ledger

    settings = command_settings()
    check_lake(settings)
    if delta_table(settings, "events") is None:
        raise LakeError(f"nothing was read into {settings.lake} yet; `logster run` does that")
    with progress_display() as progress, opened_lake(settings, app_name="logster-ledger") as lake:
        progress.add_task("reading the tables")
        found = read_ledger(lake)
    OUTPUT.print(ledger_table(found))
    if not found.balances:
        raise typer.Exit(1)


@app.command()
def maintain() -> None:
    """Put small files together and remove what no table holds any more; for lakes whose stream does not, and is not running."""
    from logster.queue import check_lake
    from logster.runtime import opened_lake
    from pipelines.locks import detecting, owning
    from pipelines.maintenance import compact, remove_unreferenced

    settings = command_settings()
    check_lake(settings)
    with (
        progress_display() as progress,
        opened_lake(settings, app_name="logster-maintain") as lake,
        owning(settings, lake.spark),
        detecting(settings),
    ):
        task = progress.add_task("putting small files together")
        done = compact(lake)
        if settings.vacuum_after:
            progress.update(task, description="removing files that no table holds any more")
            remove_unreferenced(lake, after=settings.vacuum_after)
    OUTPUT.print(compaction_table(done) if done else "no table has many small files")


@app.command()
def score(
    model: Annotated[str, typer.Option(help="NAME@ALIAS or NAME/VERSION, e.g. logster-windows@champion")],
    first: Annotated[datetime, typer.Option("--from", help="first window start (UTC)")],
    last: Annotated[datetime, typer.Option("--to", help="end of window starts (UTC), not in it")],
) -> None:
    """Score history anew with one model, beside the scores that are there; raises no alerts."""
    from logster.queue import check_lake
    from logster.runtime import opened_lake

    settings = command_settings()
    check_lake(settings)
    from models.registry import Registry
    from models.scoring import score_windows
    from pipelines.detection import rescore

    registry = Registry(settings)
    registry.seed_if_empty()
    ref = registry.resolve(model)
    with progress_display() as progress, opened_lake(settings, app_name="logster-score") as lake:
        progress.add_task(f"scoring by {ref.name} version {ref.version}")
        n_windows = rescore(
            lake,
            lambda graphs, now: score_windows(graphs, {ref.platform: ref}, scored_at=now, role="rescore"),
            first=first.replace(tzinfo=UTC),
            last=last.replace(tzinfo=UTC),
            now=datetime.now(UTC),
        )
    OUTPUT.print(f"{n_windows:,} windows scored by {ref.name} version {ref.version}")


@app.command()
def up(
    demo: Annotated[bool, typer.Option("--demo", help="bring sample telemetry, and keep it coming")] = False,
    once: Annotated[
        bool,
        typer.Option("--exit", help="end when the first alerts are there, or fail after half an hour (for scripts)"),
    ] = False,
) -> None:
    """Run all of Logster on this machine: pipeline, API, Dagster, MLflow, Superset; Ctrl-C stops everything."""
    from logster.up import run_everything

    run_everything(command_settings(), demo=demo, leave_after_start=once)


@app.command()
def doctor() -> None:
    """Check Java, JARs, ports, lake, Kafka, alerts' topic, mappings, registry, Superset, memory and disk, and say what to do."""
    from logster.doctor import examine

    if not examine(command_settings()):
        raise typer.Exit(1)


def _champion_scorer(settings: Settings) -> "Scorer":
    from models.champions import champion_scorer

    return champion_scorer(settings)


def _on_stop_signals(stop: threading.Event) -> None:
    import signal

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
