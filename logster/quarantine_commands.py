"""`logster quarantine …`: what could not be read, and reading it again."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from logster.command import AsJson, Tenant, check_format, command_settings, progress_display, show_rows
from logster.display import OUTPUT
from pipelines.sources.files import AUTO_FORMAT

if TYPE_CHECKING:
    from pipelines.replay import Selection

__all__ = ["quarantine_app"]

quarantine_app = typer.Typer(no_args_is_help=True, help="Look at what could not be read, and read it again.")

_Source = Annotated[str | None, typer.Option("--source", help="only what was taken for this format")]
_Reason = Annotated[str | None, typer.Option(help="only where the reason contains this text")]
_ReceivedFrom = Annotated[datetime | None, typer.Option("--from", help="only what was received from then on (UTC)")]
_ReceivedTo = Annotated[datetime | None, typer.Option("--to", help="only what was received before then (UTC)")]


@quarantine_app.command("list")
def list_quarantine(
    tenant: Tenant = None,
    source: _Source = None,
    reason: _Reason = None,
    first: _ReceivedFrom = None,
    last: _ReceivedTo = None,
    as_json: AsJson = False,
) -> None:
    """Count what could not be read, by format and reason."""
    from logster.quarantine import count_table, refusals
    from logster.queue import check_lake

    settings = command_settings()
    check_lake(settings)
    found = refusals(settings, _selection(tenant, source, reason, first, last))
    show_rows(found, count_table(found), as_json=as_json, nothing="nothing in quarantine")


@quarantine_app.command("show")
def show_quarantine(
    tenant: Tenant = None,
    source: _Source = None,
    reason: _Reason = None,
    first: _ReceivedFrom = None,
    last: _ReceivedTo = None,
    limit: Annotated[int, typer.Option(min=1, help="so many at most")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show records that could not be read, newest first; `--json` shows them whole."""
    from logster.quarantine import quarantined, record_table
    from logster.queue import check_lake

    settings = command_settings()
    check_lake(settings)
    found = quarantined(settings, _selection(tenant, source, reason, first, last), limit=limit)
    show_rows(found, record_table(found), as_json=as_json, nothing="nothing in quarantine")


@quarantine_app.command("replay")
def replay_quarantined(
    tenant: Tenant = None,
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

    settings = command_settings()
    check_lake(settings)
    if record_format not in (None, AUTO_FORMAT):
        check_format(record_format)
    selection = _selection(tenant, source, reason, first, last)
    with (
        progress_display() as progress,
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


def _selection(
    tenant: str | None, source: str | None, reason: str | None, first: datetime | None, last: datetime | None
) -> "Selection":
    from pipelines.replay import Selection

    return Selection(tenant, source, reason, first and first.replace(tzinfo=UTC), last and last.replace(tzinfo=UTC))
