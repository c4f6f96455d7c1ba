"""The command line: each command reads settings, calls one function and prints; nothing is decided here."""

import getpass
import json
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import structlog
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from logster.display import ERRORS, OUTPUT, alerts_table, ledger_table, plain
from pipelines.errors import IngestError, LakeError, LogsterError, QueryError
from pipelines.logs import configure_logs
from pipelines.schemas.alerts import AlertStatus, FeedbackVerdict
from pipelines.settings import Settings, load_settings
from pipelines.sources.files import AUTO_FORMAT, DEFAULT_TENANT
from pipelines.sources.ingest import files_under, ingest_file

if TYPE_CHECKING:
    from pipelines.detection import Scorer
    from pipelines.replay import Selection

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Threat detection that lives in the lakehouse.",
)
models_app = typer.Typer(no_args_is_help=True, help="Train, evaluate, register, promote and roll back models.")
app.add_typer(models_app, name="models")
alerts_app = typer.Typer(invoke_without_command=True)
app.add_typer(alerts_app, name="alerts")
quarantine_app = typer.Typer(no_args_is_help=True, help="Look at what could not be read, and read it again.")
app.add_typer(quarantine_app, name="quarantine")

_LabelledTelemetry = Annotated[
    Path, typer.Option(help="folder with labels/captures.jsonl, labels/windows.tsv.gz and the captures that they name")
]
_Moment = Annotated[datetime, typer.Option(formats=["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"])]
_Tenant = Annotated[str | None, typer.Option(help="only this tenant's")]
_Source = Annotated[str | None, typer.Option("--source", help="only what was taken for this format")]
_Reason = Annotated[str | None, typer.Option(help="only where the reason contains this text")]
_ReceivedFrom = Annotated[datetime | None, typer.Option("--from", help="only what was received from then on (UTC)")]
_ReceivedTo = Annotated[datetime | None, typer.Option("--to", help="only what was received before then (UTC)")]
_AsJson = Annotated[bool, typer.Option("--json", help="one JSON object a line")]
_Note = Annotated[str | None, typer.Option(help="what to remember")]
_Assignee = Annotated[str | None, typer.Option(help="who works on it from now on")]


def main() -> None:
    """Run the command line; an error that a person can act on is one line, not a traceback."""
    try:
        app()
    except LogsterError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if load_settings().log_level == "DEBUG":
            raise
        first_line = next(iter(str(error).strip().splitlines()), "")
        _fail(f"unexpected {type(error).__name__}: {first_line} (LOGSTER_LOG_LEVEL=DEBUG shows where)")


def _fail(message: str) -> NoReturn:
    ERRORS.print("[bold red]logster:[/]", plain(" ".join(message.split())), highlight=False, soft_wrap=True)
    sys.exit(1)


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
    settings = _settings()
    if record_format != AUTO_FORMAT:
        _check_format(record_format)
    files = list(files_under(paths))
    n_lines = n_refused = 0
    with _progress() as progress:
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
    """Run the pipeline: landing zone and Kafka topics to events, windows, scores and alerts."""
    settings = _settings()
    from logster.background import in_background
    from logster.runtime import opened_lake, stream_listeners
    from pipelines.ledger import read_ledger
    from pipelines.stream import StreamDriver

    scorer = in_background("models", _champion_scorer, settings)  # takes as long as Spark's start
    with (
        _progress() as progress,
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


@alerts_app.callback()
def alerts(
    context: typer.Context,
    as_json: _AsJson = False,
    tenant: _Tenant = None,
    limit: Annotated[int, typer.Option(min=1, help="so many at most")] = 50,
) -> None:
    """Show the alert queue, newest first; or work on one alert of it (`--json` shows their ids)."""
    if context.invoked_subcommand is not None:
        return
    from logster.queue import check_lake, newest_alerts

    settings = _settings()
    check_lake(settings)
    rows = newest_alerts(settings, tenant=tenant, limit=limit)
    _show(rows, alerts_table(rows), as_json=as_json, nothing="no alerts")


@alerts_app.command("ack")
def acknowledge_alert(alert_id: str, note: _Note = None, assignee: _Assignee = None) -> None:
    """Acknowledge an alert."""
    _change_alert(alert_id, AlertStatus.ACKNOWLEDGED, note, assignee)


@alerts_app.command("investigate")
def investigate_alert(alert_id: str, note: _Note = None, assignee: _Assignee = None) -> None:
    """Start, or start again, to investigate an alert."""
    _change_alert(alert_id, AlertStatus.INVESTIGATING, note, assignee)


@alerts_app.command("resolve")
def resolve_alert(alert_id: str, note: _Note = None, assignee: _Assignee = None) -> None:
    """Close an alert that was right."""
    _change_alert(alert_id, AlertStatus.RESOLVED, note, assignee)


@alerts_app.command("false-positive")
def dismiss_alert(alert_id: str, note: _Note = None, assignee: _Assignee = None) -> None:
    """Close an alert that was wrong."""
    _change_alert(alert_id, AlertStatus.FALSE_POSITIVE, note, assignee)


@app.command()
def feedback(
    alert_id: str,
    verdict: FeedbackVerdict,
    comment: Annotated[str | None, typer.Option(help="why")] = None,
) -> None:
    """Record a verdict on an alert; its status stays as it is."""
    from logster.queue import check_lake, judge

    settings = _settings()
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

    settings = _settings()
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

    settings = _settings()
    check_lake(settings)
    if delta_table(settings, "events") is None:
        raise LakeError(f"nothing was read into {settings.lake} yet; `logster run` does that")
    with _progress() as progress, opened_lake(settings, app_name="logster-ledger") as lake:
        progress.add_task("reading the tables")
        found = read_ledger(lake)
    OUTPUT.print(ledger_table(found))
    if not found.balances:
        raise typer.Exit(1)


@quarantine_app.command("list")
def list_quarantine(
    tenant: _Tenant = None,
    source: _Source = None,
    reason: _Reason = None,
    first: _ReceivedFrom = None,
    last: _ReceivedTo = None,
    as_json: _AsJson = False,
) -> None:
    """Count what could not be read, by format and reason."""
    from logster.quarantine import count_table, refusals
    from logster.queue import check_lake

    settings = _settings()
    check_lake(settings)
    found = refusals(settings, _selection(tenant, source, reason, first, last))
    _show(found, count_table(found), as_json=as_json, nothing="nothing in quarantine")


@quarantine_app.command("show")
def show_quarantine(
    tenant: _Tenant = None,
    source: _Source = None,
    reason: _Reason = None,
    first: _ReceivedFrom = None,
    last: _ReceivedTo = None,
    limit: Annotated[int, typer.Option(min=1, help="so many at most")] = 20,
    as_json: _AsJson = False,
) -> None:
    """Show records that could not be read, newest first; `--json` shows them whole."""
    from logster.quarantine import quarantined, record_table
    from logster.queue import check_lake

    settings = _settings()
    check_lake(settings)
    found = quarantined(settings, _selection(tenant, source, reason, first, last), limit=limit)
    _show(found, record_table(found), as_json=as_json, nothing="nothing in quarantine")


@quarantine_app.command("replay")
def replay_quarantined(
    tenant: _Tenant = None,
    source: _Source = None,
    reason: _Reason = None,
    first: _ReceivedFrom = None,
    last: _ReceivedTo = None,
    record_format: Annotated[
        str | None,
        typer.Option("--format", help="read them as this format, or 'auto' to look at each record; default: as before"),
    ] = None,
) -> None:
    """Read records again, once a parser was mended or a format added; what is refused again stays."""
    from logster.queue import check_lake
    from logster.runtime import opened_lake
    from pipelines.locks import owning
    from pipelines.replay import replay_quarantine

    settings = _settings()
    check_lake(settings)
    if record_format not in (None, AUTO_FORMAT):
        _check_format(record_format)
    selection = _selection(tenant, source, reason, first, last)
    with (
        _progress() as progress,
        opened_lake(settings, app_name="logster-replay") as lake,
        owning(settings, lake.spark),
    ):
        progress.add_task("reading records again")
        lake.create_tables()
        counts = replay_quarantine(lake, selection, record_format=record_format)
    torn = f" ({counts.n_torn:,} of them torn at their source)" if counts.n_torn else ""
    OUTPUT.print(
        f"{counts.n_selected:,} records{torn}: {counts.n_read:,} read, in {counts.n_events:,} events; "
        f"{counts.n_selected - counts.n_read:,} stay in quarantine",
        soft_wrap=True, highlight=False,
    )  # fmt: skip
    if counts.n_read:
        OUTPUT.print("`logster run` scores the windows that they fall into", highlight=False)


@app.command()
def score(
    model: Annotated[str, typer.Option(help="NAME@ALIAS or NAME/VERSION, e.g. logster-windows@champion")],
    first: Annotated[datetime, typer.Option("--from", help="first window start (UTC)")],
    last: Annotated[datetime, typer.Option("--to", help="end of window starts (UTC), not in it")],
) -> None:
    """Score history anew with one model, beside the scores that are there; raises no alerts."""
    from logster.queue import check_lake
    from logster.runtime import opened_lake

    settings = _settings()
    check_lake(settings)
    from models.registry import Registry
    from models.scoring import score_windows
    from pipelines.detection import rescore

    registry = Registry(settings)
    registry.seed_if_empty()
    ref = registry.resolve(model)
    with _progress() as progress, opened_lake(settings, app_name="logster-score") as lake:
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

    run_everything(_settings(), demo=demo, leave_after_start=once)


@app.command()
def doctor() -> None:
    """Check Java, JARs, ports, lake, Kafka, registry, Superset, memory and disk, and say what to do."""
    from logster.doctor import examine

    if not examine(_settings()):
        raise typer.Exit(1)


@models_app.command("train")
def train_models(
    data: _LabelledTelemetry,
    out: Annotated[Path, typer.Option(help="where weights are put")] = Path("models/models"),
    platform: Annotated[list[str] | None, typer.Option(help="windows, linux; default both")] = None,
    lake: Annotated[Path | None, typer.Option(help="training lake; default: beside the lake")] = None,
    reuse_lake: Annotated[bool, typer.Option("--reuse-lake", help="take the windows of an earlier training")] = False,
    report: Annotated[Path, typer.Option(help="where the report is put")] = Path("docs/evaluation"),
) -> None:
    """Train the models on labelled telemetry, evaluate them on what was held out, and write the report."""
    from logster.model_tables import evaluation_tables
    from models.training import train

    settings = _settings()
    with _progress() as progress:
        task = progress.add_task("starting")
        evaluations = train(
            data, out, settings, platforms=tuple(platform or ("windows", "linux")), lake=lake, reuse_lake=reuse_lake,
            report=report, progress=lambda what: progress.update(task, description=what),
        )  # fmt: skip
    for evaluation in evaluations:
        for table in evaluation_tables(evaluation):
            OUTPUT.print(table)


@models_app.command("evaluate")
def evaluate_model(
    model: Annotated[str, typer.Argument(help="NAME@ALIAS or NAME/VERSION, e.g. logster-linux@champion")],
    data: _LabelledTelemetry,
    lake: Annotated[Path | None, typer.Option(help="training lake; default: beside the lake")] = None,
) -> None:
    """Judge a registered model by the captures that no training sees."""
    from logster.model_tables import evaluation_tables
    from models.registry import Registry
    from models.training import evaluate
    from models.weights import load_model

    settings = _settings()
    registry = Registry(settings)
    registry.seed_if_empty()
    ref = registry.resolve(model)
    with _progress() as progress:
        task = progress.add_task("starting")
        evaluation = evaluate(
            load_model(Path(ref.path), digest=ref.digest), data, settings, lake=lake,
            progress=lambda what: progress.update(task, description=what),
        )  # fmt: skip
    for table in evaluation_tables(evaluation):
        OUTPUT.print(table)


@models_app.command("register")
def register_model(
    path: Annotated[Path, typer.Argument(help="a weights' file (.pt) that `logster models train` wrote")],
) -> None:
    """Register a weights' file as a new version; it scores nothing until it is promoted."""
    from logster.model_tables import version_table
    from models.registry import Registry

    registry = Registry(_settings())
    registry.seed_if_empty()
    ref = registry.register(path, tags={"origin": "registered"})
    OUTPUT.print(version_table(ref))
    OUTPUT.print(f"make it champion: logster models promote {ref.name} {ref.version}", soft_wrap=True, highlight=False)


@models_app.command("promote")
def promote_model(name: str, version: str) -> None:
    """Make a registered version the champion; the one before stays as `previous`."""
    from models.registry import Registry

    Registry(_settings()).promote(name, version)
    OUTPUT.print(f"{name} version {version} is champion")


@models_app.command("rollback")
def rollback_model(name: str) -> None:
    """Make the previous champion champion again."""
    from models.registry import Registry

    ref = Registry(_settings()).rollback(name)
    OUTPUT.print(f"{name} version {ref.version} is champion again")


def _champion_scorer(settings: Settings) -> "Scorer":
    from models.champions import champion_scorer

    return champion_scorer(settings)


def _settings() -> Settings:
    settings = load_settings()
    configure_logs(settings)
    return settings


def _change_alert(alert_id: str, status: AlertStatus, note: str | None, assignee: str | None) -> None:
    from logster.queue import change, check_lake

    settings = _settings()
    check_lake(settings)
    alert = change(settings, alert_id, status, note=note, assignee=assignee, actor=getpass.getuser())
    held = f", {alert.assignee} works on it" if alert.assignee else ""
    OUTPUT.print(plain(f"{alert.alert_id} is {alert.status}{held}"))


def _selection(
    tenant: str | None, source: str | None, reason: str | None, first: datetime | None, last: datetime | None
) -> "Selection":
    from pipelines.replay import Selection

    return Selection(tenant, source, reason, first and first.replace(tzinfo=UTC), last and last.replace(tzinfo=UTC))


def _show(rows: list[dict[str, Any]], table: Table, *, as_json: bool, nothing: str) -> None:
    if as_json:
        for row in rows:
            sys.stdout.write(json.dumps(row, default=_jsonable) + "\n")
    else:
        OUTPUT.print(table if rows else nothing)


def _check_format(name: str) -> None:
    from pipelines.formats.registry import formats_by_priority

    known = [each.name for each in formats_by_priority()]
    if name not in known:
        raise IngestError(f"no format '{name}'; there are {', '.join(sorted(known))}, and auto")


def _progress() -> Progress:
    quiet = not ERRORS.is_terminal
    if not quiet:  # log lines would tear the display
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=ERRORS, transient=True, disable=quiet
    )  # fmt: skip


def _on_stop_signals(stop: threading.Event) -> None:
    import signal

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())


def _jsonable(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
