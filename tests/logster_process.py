"""`logster run` as a process of its own, to be killed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.settings import Settings

LOGSTER = Path(sys.executable).with_name("logster")
LONG = 600.0  # seconds; a busy machine


def environment(settings: Settings, **variables: str) -> dict[str, str]:
    """This process's variables but those of Logster, and what a run on a small machine that is to be quick needs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LOGSTER_", "MLFLOW_"))}
    return kept | {
        "LOGSTER_LAKE": settings.lake, "LOGSTER_TRIGGER": "PT1S", "LOGSTER_SPARK_MASTER": "local[2]",
        "LOGSTER_SPARK_DRIVER_MEMORY": "2g",
        # a life of a few batches: Java's second compiler costs more than it saves (as in conftest.py)
        "SPARK_SUBMIT_OPTS": "-XX:TieredStopAtLevel=1",
    } | variables  # fmt: skip


@contextmanager
def running(told: dict[str, str], output: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (
        output.open("ab") as file,
        subprocess.Popen([str(LOGSTER), "run"], env=told, stdout=file, stderr=file) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def wait_for_batch(settings: Settings, process: subprocess.Popen[bytes], after: int, output: Path) -> int:
    """Wait until a batch of Kafka's with a number above ``after`` is being written, and give its number."""
    offsets = Path(settings.checkpoint_path) / "kafka" / "offsets"
    deadline = time.monotonic() + LONG
    while True:
        newest = max((int(file.name) for file in offsets.glob("*") if file.name.isdigit()), default=-1)
        if newest > after:
            return newest
        assert process.poll() is None, output.read_text()[-4_000:]
        assert time.monotonic() < deadline, output.read_text()[-4_000:]
        time.sleep(0.1)
