"""Processes that live and die with this one: each in a session of its own, under a guard, its output in a file.

A guard (``logster.guard``) watches a pipe that only this process holds open. What the processes are is in
``logster.services``.
"""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pipelines.errors import LogsterError

__all__ = ["Child", "Children"]

_GUARD = Path(__file__).with_name("guard.py")
_GRACE_SECONDS = 5.0
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Child:
    """One process.

    Attributes:
        name: what it is, for messages.
        log: file that takes what it prints.
        guard: process that watches over it and ends as it does.
    """

    name: str
    log: Path
    guard: subprocess.Popen[bytes]

    @property
    def has_ended(self) -> bool:
        """Say whether it is gone."""
        return self.guard.poll() is not None

    def release(self) -> None:
        """Close the pipe: the guard ends the process, where it still runs."""
        if self.guard.stdin:
            self.guard.stdin.close()

    def last_line(self) -> str:
        """The last line that it printed; empty where there is none."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 8192))
            lines = file.read().decode("utf-8", errors="replace").split("\n")
        return next((plain for line in reversed(lines) if (plain := _COLOUR.sub("", line).strip())), "")

    def obituary(self) -> str:
        """How it ended, its last words, and where the others are."""
        return (
            f"{self.name} ended with code {self.guard.poll()}: {self.last_line() or 'it said nothing'} (see {self.log})"
        )


class Children:
    """Starts processes and stops them all; as a context manager, when it is left. Any thread may call it.

    Args:
        logs: folder of their output, a file each.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[Child] = []
        self._lock = threading.Lock()
        self._is_stopped = False

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop all."""
        self.stop()

    def start(
        self, name: str, command: Sequence[str], *, environment: Mapping[str, str] | None = None, niceness: int = 0
    ) -> Child:
        """Start a process; it is not waited for.

        Args:
            name: of the process and its log.
            command: program and arguments.
            environment: variables beside those of this process.
            niceness: how far it stands back behind the others.

        Raises:
            LogsterError: it cannot be started, or all are being stopped.
        """
        log = self._logs / f"{name}.log"
        with self._lock:
            if self._is_stopped:
                raise LogsterError(f"{name} is not started any more: all is being stopped")
            try:
                self._logs.mkdir(parents=True, exist_ok=True)
                with log.open("wb") as output:
                    guard = subprocess.Popen(
                        [sys.executable, "-IS", str(_GUARD), str(_GRACE_SECONDS), str(niceness), *command],
                        stdin=subprocess.PIPE,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        env={**os.environ, **(environment or {})},
                        start_new_session=True,
                    )
            except OSError as error:
                raise LogsterError(f"{name} cannot be started: {error}") from None
            child = Child(name, log, guard)
            self._running.append(child)
            return child

    def take_ended(self) -> list[Child]:
        """Those that ended since the last call, each told once."""
        with self._lock:
            ended = [child for child in self._running if child.has_ended]
            self._running = [child for child in self._running if child not in ended]
        for child in ended:
            child.release()
        return ended

    def stop(self) -> None:
        """Stop all of them at once, and what they started; returns when they are gone."""
        with self._lock:
            self._is_stopped = True
            running, self._running = self._running, []
        for child in running:
            child.release()
        deadline = time.monotonic() + _GRACE_SECONDS + 2
        for child in running:
            try:
                child.guard.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.guard.kill()
                child.guard.wait()
