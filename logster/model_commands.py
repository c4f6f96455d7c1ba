"""`logster models …`: the model owner's path."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from logster.command import AsJson, command_settings, progress_display, show_rows
from logster.display import OUTPUT
from pipelines.errors import ModelError
from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.comparison import Version
    from models.registry import Registry

__all__ = ["models_app"]

models_app = typer.Typer(
    no_args_is_help=True, help="List, train, evaluate, register, challenge, compare, promote and roll back models."
)

_Name = Annotated[str, typer.Argument(help="logster-windows or logster-linux")]
_Number = Annotated[str, typer.Argument(help="number of a registered version")]
_Model = Annotated[str, typer.Argument(help="NAME@ALIAS or NAME/VERSION, e.g. logster-linux@champion")]

_LabelledTelemetry = Annotated[
    Path, typer.Option(help="folder with labels/captures.jsonl, labels/windows.tsv.gz and the captures that they name")
]


@models_app.command("list")
def list_models(
    name: Annotated[str | None, typer.Argument(help="logster-windows or logster-linux; default both")] = None,
    as_json: AsJson = False,
) -> None:
    """Show registered versions with their aliases, figures, and whether the current holdout has judged them."""
    from logster.model_tables import version_rows, versions_table
    from models.registry import Registry

    registry = Registry(command_settings())
    versions = {each: registry.versions(each, with_figures=True) for each in ([name] if name else registry.names())}
    rows = [row for each in versions.values() for row in version_rows(each)]
    nothing = "no models are registered; the first `logster run` registers the shipped ones"
    show_rows(rows, versions_table(rows), as_json=as_json, nothing=nothing)


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

    settings = command_settings()
    with progress_display() as progress:
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
    model: _Model,
    data: _LabelledTelemetry,
    lake: Annotated[Path | None, typer.Option(help="training lake; default: beside the lake")] = None,
) -> None:
    """Judge a registered version by the captures that no training sees, and note that on it: it may be promoted then."""
    from logster.model_tables import evaluation_tables
    from models.registry import Registry
    from models.training import evaluate, note_evaluation
    from models.weights import load_model

    settings = command_settings()
    registry = Registry(settings)
    registry.seed_if_empty()
    ref = registry.resolve(model)
    with progress_display() as progress:
        task = progress.add_task("starting")
        evaluation = evaluate(
            load_model(Path(ref.path), digest=ref.digest), data, settings, lake=lake,
            progress=lambda what: progress.update(task, description=what),
        )  # fmt: skip
    for table in evaluation_tables(evaluation):
        OUTPUT.print(table)
    note_evaluation(registry, ref.name, ref.version, evaluation)
    OUTPUT.print(f"noted on {ref.name} version {ref.version}; holdout {evaluation.holdout[:12]}", highlight=False)


@models_app.command("register")
def register_model(
    path: Annotated[Path, typer.Argument(help="a weights' file (.pt) that `logster models train` wrote")],
) -> None:
    """Register a weights' file as a new version; it scores nothing until it challenges or is promoted."""
    from logster.model_tables import version_table
    from models.registry import Registry

    registry = Registry(command_settings())
    registry.seed_if_empty()
    ref = registry.register(path, tags={"origin": "registered"})
    OUTPUT.print(version_table(ref))
    for what, command in (
        ("have it score beside the champion", f"challenge {ref.name} {ref.version}"),
        ("judge it", f"evaluate {ref.name}/{ref.version} --data FOLDER"),
        ("make it champion", f"promote {ref.name} {ref.version}"),
    ):
        OUTPUT.print(f"{what}: logster models {command}", soft_wrap=True, highlight=False)


@models_app.command("challenge")
def challenge_model(
    name: _Name,
    version: Annotated[str | None, typer.Argument(help="number of a registered version")] = None,
    end: Annotated[bool, typer.Option("--end", help="end the challenge instead")] = False,
) -> None:
    """Have a version score every window beside the champion; its scores raise no alerts."""
    from models.registry import Registry

    if end == (version is not None):
        raise typer.BadParameter("give a VERSION, or --end to end the challenge")
    registry = Registry(command_settings())
    if version is None:
        OUTPUT.print(f"{name} version {registry.end_challenge(name)} challenges no longer", highlight=False)
        return
    ref = registry.challenge(name, version)
    OUTPUT.print(f"{ref.name} version {ref.version} scores beside the champion from the next round on", highlight=False)
    OUTPUT.print(
        f"compare them: logster models compare {name}@champion {name}@challenger", soft_wrap=True, highlight=False
    )


@models_app.command("compare")
def compare_models(
    one: _Model,
    other: _Model,
    first: Annotated[datetime | None, typer.Option("--from", help="first window start (UTC)")] = None,
    last: Annotated[datetime | None, typer.Option("--to", help="end of window starts (UTC), not in it")] = None,
    limit: Annotated[int, typer.Option(min=1, help="endpoints and differing windows shown at most")] = 10,
) -> None:
    """Compare what two versions made of the windows that both have scored; reads stored scores only."""
    from logster.comparison_tables import show_comparison
    from logster.queue import check_lake
    from models.comparison import compare

    settings = command_settings()
    check_lake(settings)
    found = compare(
        settings, _version(settings, one), _version(settings, other), limit=limit,
        first=first and first.replace(tzinfo=UTC), last=last and last.replace(tzinfo=UTC),
    )  # fmt: skip
    show_comparison(found)


@models_app.command("backtest")
def backtest_model(
    name: _Name,
    version: _Number,
    days: Annotated[int, typer.Option(min=1, help="so many days back from the newest window")] = 7,
) -> None:
    """Show what would have changed with a version as champion on the last days; promotes nothing."""
    from models.registry import Registry

    settings = command_settings()
    _show_backtest(settings, Registry(settings), name, version, days)


@models_app.command("promote")
def promote_model(
    name: _Name,
    version: _Number,
    backtest_days: Annotated[
        int,
        typer.Option(min=0, help="days back from the newest window on which to show what would have changed; 0: none"),
    ] = 7,
    without_evaluation: Annotated[
        str | None,
        typer.Option(metavar="WHY", help="promote without an evaluation; the reason is noted on the version"),
    ] = None,
) -> None:
    """Make a version that the current holdout has judged the champion; the one before stays as `previous`."""
    from models.registry import Registry

    settings = command_settings()
    registry = Registry(settings)
    registry.check_promotion(name, version, without_evaluation=without_evaluation)
    if backtest_days:
        _show_backtest(settings, registry, name, version, backtest_days)
    ref = registry.promote(name, version, without_evaluation=without_evaluation)
    OUTPUT.print(f"{ref.name} version {ref.version} is champion", highlight=False)


@models_app.command("rollback")
def rollback_model(name: _Name) -> None:
    """Make the previous champion champion again."""
    from models.registry import Registry

    ref = Registry(command_settings()).rollback(name)
    OUTPUT.print(f"{ref.name} version {ref.version} is champion again", highlight=False)


def _show_backtest(settings: Settings, registry: "Registry", name: str, version: str, days: int) -> None:
    """What a version made of the last days' windows, beside the champion."""
    from logster.comparison_tables import show_backtest
    from models.comparison import Version, backtest_span, compare

    number = registry.name_and_version(f"{name}/{version}")[1]
    champion = next((one.version for one in registry.versions(name) if "champion" in one.aliases), None)
    if champion is None or champion == number:
        OUTPUT.print(f"{name} has no other champion to compare it with", highlight=False)
        return
    span = backtest_span(settings, name, days=days, now=datetime.now(UTC))
    if span is None:
        OUTPUT.print(f"{settings.lake} holds no scores of {name} to compare by", soft_wrap=True, highlight=False)
        return
    found = compare(settings, Version(name, champion), Version(name, number), first=span[0], last=span[1])
    show_backtest(found, first=span[0], last=span[1])


def _version(settings: Settings, uri: str) -> "Version":
    """The version that a person names; MLflow, which takes seconds to load, is asked only what an alias stands for."""
    from models.comparison import Version

    if "@" in uri:
        from models.registry import Registry

        return Version(*Registry(settings).name_and_version(uri))
    name, _, number = uri.removeprefix("models:/").partition("/")
    if not name or not number.isdecimal():
        raise ModelError(f"'{uri}' names no version; write NAME/VERSION or NAME@ALIAS, e.g. logster-linux/2")
    return Version(name, str(int(number)))
