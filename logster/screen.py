"""What a long-running command shows: one line that tells what goes on, and above it what stays.

On a terminal the line moves; elsewhere, and at debug level, each thing it tells is a line of its own.
"""

import logging
from types import TracebackType
from typing import Self

import structlog
from rich.console import RenderableType
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from logster.display import ERRORS, OUTPUT, plain
from pipelines.settings import Settings

__all__ = ["Screen"]


class Screen:
    """Use as a context manager; not by several threads at once.

    Args:
        settings: at log level DEBUG nothing moves, so that log lines can be read.
    """

    def __init__(self, settings: Settings) -> None:
        self._moves = ERRORS.is_terminal and settings.log_level != "DEBUG"
        self._told = ""
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=ERRORS, transient=True
        )

    def __enter__(self) -> Self:
        """Begin to move."""
        if self._moves:  # log lines would tear the display
            structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
            self._progress.add_task("starting")
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        if self._moves:
            self._progress.stop()

    def tell(self, what: str, *, detail: str = "") -> None:
        """Say what goes on; ``detail`` (counts) only where the line moves."""
        if self._moves:
            text = f"{what} · {detail}" if detail else what
            self._progress.update(self._progress.task_ids[0], description=plain(text))
        elif what != self._told:
            ERRORS.print(what, highlight=False, markup=False, soft_wrap=True)
        self._told = what

    def say(self, text: str) -> None:
        """Print something that stays on the screen."""
        ERRORS.print(text, highlight=False, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print something that went wrong and stays on the screen."""
        ERRORS.print(f"[yellow]![/] {plain(text)}", highlight=False, soft_wrap=True)

    def show(self, result: RenderableType) -> None:
        """Print a result to standard output."""
        if self._moves:
            self._progress.stop()
        OUTPUT.print(result)
        if self._moves:
            self._progress.start()
