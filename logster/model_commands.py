"""`logster models …`: the model owner's path."""

from pathlib import Path
from typing import Annotated

import typer

from logster.command import command_settings, progress_display
from logster.display import OUTPUT

__all__ = ["models_app"]

models_app = typer.Typer(no_args_is_help=True, help="Train, evaluate, register, promote and roll back models.")

_LabelledTelemetry = Annotated[
    Path, typer.Option(help="folder with labels/captures.jsonl, labels/windows.tsv.gz and the captures that they name")
]


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
    model: Annotated[str, typer.Argument(help="NAME@ALIAS or NAME/VERSION, e.g. logster-linux@champion")],
    data: _LabelledTelemetry,
    lake: Annotated[Path | None, typer.Option(help="training lake; default: beside the lake")] = None,
) -> None:
    """Judge a registered model by the captures that no training sees."""
    from logster.model_tables import evaluation_tables
    from models.registry import Registry
    from models.training import evaluate
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


@models_app.command("register")
def register_model(
    path: Annotated[Path, typer.Argument(help="a weights' file (.pt) that `logster models train` wrote")],
) -> None:
    """Register a weights' file as a new version; it scores nothing until it is promoted."""
    from logster.model_tables import version_table
    from models.registry import Registry

    registry = Registry(command_settings())
    registry.seed_if_empty()
    ref = registry.register(path, tags={"origin": "registered"})
    OUTPUT.print(version_table(ref))
    OUTPUT.print(f"make it champion: logster models promote {ref.name} {ref.version}", soft_wrap=True, highlight=False)


@models_app.command("promote")
def promote_model(name: str, version: str) -> None:
    """Make a registered version the champion; the one before stays as `previous`."""
    from models.registry import Registry

    Registry(command_settings()).promote(name, version)
    OUTPUT.print(f"{name} version {version} is champion")


@models_app.command("rollback")
def rollback_model(name: str) -> None:
    """Make the previous champion champion again."""
    from models.registry import Registry

    ref = Registry(command_settings()).rollback(name)
    OUTPUT.print(f"{name} version {ref.version} is champion again")
