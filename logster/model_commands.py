"""`logster models …`: the model owner's path."""

from pathlib import Path
from typing import Annotated

import typer

from logster.command import AsJson, command_settings, progress_display, show_rows
from logster.display import OUTPUT

__all__ = ["models_app"]

models_app = typer.Typer(
    no_args_is_help=True, help="List, train, evaluate, register, challenge, promote and roll back models."
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


@models_app.command("promote")
def promote_model(
    name: _Name,
    version: _Number,
    without_evaluation: Annotated[
        str | None,
        typer.Option(metavar="WHY", help="promote without an evaluation; the reason is noted on the version"),
    ] = None,
) -> None:
    """Make a version that the current holdout has judged the champion; the one before stays as `previous`."""
    from models.registry import Registry

    ref = Registry(command_settings()).promote(name, version, without_evaluation=without_evaluation)
    OUTPUT.print(f"{ref.name} version {ref.version} is champion", highlight=False)


@models_app.command("rollback")
def rollback_model(name: _Name) -> None:
    """Make the previous champion champion again."""
    from models.registry import Registry

    ref = Registry(command_settings()).rollback(name)
    OUTPUT.print(f"{ref.name} version {ref.version} is champion again", highlight=False)
