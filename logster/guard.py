"""Runs one command and takes it and all it started down when the process that asked for it is gone.

Started as a file, with nothing but the standard library: ``python -IS guard.py GRACE_SECONDS NICENESS COMMAND…``, in a
session of its own. Standard input is a pipe whose other end the asking process alone holds: however that process ends,
``kill -9`` included, the pipe closes, and the guard ends the command. It exits as the command did.

On Linux the kernel tells which processes belong to the command, those among them that a parent left behind, and ends the
command with a guard that is killed. Elsewhere (macOS) ``ps`` tells who is whose child: a process whose parent has ended
is not found and lives on, and so does the command of a guard that is killed.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

__all__ = ["descendants", "end_all", "main"]

_SET_PARENT_DEATH_SIGNAL, _SET_CHILD_SUBREAPER = 1, 36
_PAUSE_SECONDS = 0.2
_PROC = Path("/proc")
_PS = ("ps", "-A", "-o", "pid=,ppid=")


def _prctl(option: int, value: int) -> None:
    """Linux only; elsewhere the pipe alone protects."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def descendants(pid: int, *, proc: Path = _PROC) -> list[int]:
    """Every process below one, as far as the system tells.

    Args:
        pid: of the one above.
        proc: where Linux shows its processes; where it is not there, ``ps`` is asked.
    """
    if not (proc / "self" / "task").is_dir():
        return _below(pid, _children_by_ps())
    children: list[int] = []
    with contextlib.suppress(OSError):
        for thread in (proc / str(pid) / "task").iterdir():  # each knows only those that it started itself
            children += [int(child) for child in (thread / "children").read_text().split()]
    return children + [below for child in children for below in descendants(child, proc=proc)]


def _children_by_ps() -> dict[int, list[int]]:
    """Each process's children, by ``ps``, itself left out; empty where there is none."""
    children: dict[int, list[int]] = {}
    with contextlib.suppress(OSError), subprocess.Popen(_PS, stdout=subprocess.PIPE, text=True) as ps:
        for line in ps.communicate()[0].splitlines():
            child, parent = (int(number) for number in line.split())
            if child != ps.pid:
                children.setdefault(parent, []).append(child)
    return children


def _below(pid: int, children: Mapping[int, list[int]]) -> list[int]:
    own = children.get(pid, [])
    return own + [below for child in own for below in _below(child, children)]


def _signal_all(number: int, proc: Path) -> None:
    for pid in descendants(os.getpid(), proc=proc):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _reap() -> bool:
    """Collect what ended; says whether anything is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def end_all(grace_seconds: float, *, proc: Path = _PROC) -> None:
    """End every process below this one (`descendants`), those that do not heed SIGTERM by force."""
    deadline = time.monotonic() + grace_seconds
    _signal_all(signal.SIGTERM, proc)
    while _reap() and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal_all(signal.SIGKILL, proc)


def _end_with(guard: int) -> None:
    """In a process that is to become the command: have the kernel end it with its guard, also one that is killed just now."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the guard's handler would swallow it until the command runs
    _prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != guard:  # it was killed before that
        os._exit(128 + signal.SIGTERM)


def main() -> int:
    """Run the command until it ends or the pipe closes."""
    grace_seconds, niceness, command = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    # only the pipe ends a guard; a handler, not SIG_IGN, since the command would inherit that
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    _prctl(_SET_CHILD_SUBREAPER, 1)  # what the command started and left behind comes to the guard
    os.nice(niceness)
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=partial(_end_with, os.getpid()),  # should the guard itself be killed
    )
    while process.poll() is None:
        if select.select([0], [], [], _PAUSE_SECONDS)[0] and not os.read(0, 1):
            break
    code = process.poll()
    end_all(grace_seconds)
    return 0 if code is None else code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
