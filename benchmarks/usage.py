"""What a piece of work took: time on the clock, and processor time of this process and all below it (Java, workers).

On a machine that others use too, the clock says little; processor seconds still mean something.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Usage", "measured", "processor_seconds"]

_PROCESSES = Path("/proc")


@dataclass
class Usage:
    """Filled in when the work is done.

    Attributes:
        seconds: by the clock.
        processor_seconds: of all processors together; None where the system does not tell.
    """

    seconds: float = 0.0
    processor_seconds: float | None = None


@contextmanager
def measured() -> Iterator[Usage]:
    """Measure the block."""
    usage = Usage()
    processor_before, began = processor_seconds(), time.perf_counter()
    yield usage
    usage.seconds = time.perf_counter() - began
    processor_after = processor_seconds()
    if processor_before is not None and processor_after is not None:
        usage.processor_seconds = processor_after - processor_before


def processor_seconds() -> float | None:
    """Processor time so far of this process and all that descend from it; None where there is no ``/proc``."""
    if not _PROCESSES.is_dir():
        return None
    parents, ticks = {}, {}
    for file in _PROCESSES.glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rsplit(")", 1)[1].split()
        except OSError:  # it has just ended; what it took is in its parent's count
            continue
        number = int(file.parent.name)
        parents[number] = int(fields[1])
        # its own, and its children's that have ended: user and system
        ticks[number] = sum(int(value) for value in fields[11:15])
    return sum(ticks[number] for number in ticks if _descends(number, parents)) / os.sysconf("SC_CLK_TCK")


def _descends(number: int, parents: dict[int, int]) -> bool:
    while number not in (0, os.getpid()):
        number = parents.get(number, 0)
    return number != 0
