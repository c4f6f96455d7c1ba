"""What commands have in common: their settings, a progress display, rows as a table or as JSON."""

import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import structlog
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from logster.display import ERRORS, OUTPUT
from pipelines.errors import IngestError
from pipelines.logs import configure_logs
from pipelines.settings import Settings, load_settings

__all__ = ["AsJson", "Tenant", "check_format", "command_settings", "progress_display", "show_rows"]

Tenant = Annotated[str | None, typer.Option(help="only this tenant's")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object a line")]


def command_settings() -> Settings:
    """The settings, with logs configured after them.

    Raises:
        SettingsError: one cannot be used.
    """
    settings = load_settings()
    configure_logs(settings)
    return settings


def progress_display() -> Progress:
    """A spinner with what goes on, where errors go to a terminal."""
    quiet = not ERRORS.is_terminal
    if not quiet:  # log lines would tear the display
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=ERRORS, transient=True, disable=quiet
    )  # fmt: skip


def show_rows(rows: list[dict[str, Any]], table: Table, *, as_json: bool, nothing: str) -> None:
    """Print rows as their table, or as one JSON object a line."""
    if as_json:
        for row in rows:
            sys.stdout.write(json.dumps(row, default=_jsonable) + "\n")
    else:
        OUTPUT.print(table if rows else nothing)


def check_format(name: str) -> None:
    """Make sure that there is a format of that name.

    Raises:
        IngestError: there is none; names those that there are.
    """
    from pipelines.formats.registry import formats_by_priority

    known = [each.name for each in formats_by_priority()]
    if name not in known:
        raise IngestError(f"no format '{name}'; there are {', '.join(sorted(known))}, and auto")


def _jsonable(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
