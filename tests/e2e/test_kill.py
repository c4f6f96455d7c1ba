"""`kill -9` of the streaming process at random moments, then a run to the end: the tables of an undisturbed run."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pipelines.settings import Settings
from pipelines.sources.ingest import ingest_file
from tests.logster_process import LOGSTER, environment, running
from tests.pipelines.tables import RESULTS, comparable, rows
from tests.pipelines.telemetry import audit_lines, windows_lines

KILLS = int(os.environ.get("LOGSTER_TEST_KILLS", "2"))
pytestmark = pytest.mark.e2e

# seconds; on two idle cores the registry is made in the first 10, and the first batch is written after some 20
SHORTEST_LIFE, LONGEST_LIFE = 4.0, 50.0
SEED = int(os.environ.get("LOGSTER_TEST_SEED", "3"))


def of_files(settings: Settings) -> dict[str, str]:
    # one file a batch, windows closed as soon as they can be: most of a life is spent writing
    return environment(settings, LOGSTER_MAX_FILES_PER_TRIGGER="1")


def landed(settings: Settings, folder: Path) -> None:
    """The telemetry in four files; events of several records are split over them."""
    lines = windows_lines() + audit_lines()
    for part in range(4):
        file = folder / f"{part}.log"
        file.write_text("\n".join(lines[part::4]) + "\n", encoding="utf-8")
        ingest_file(file, settings)


def run_once(settings: Settings) -> None:
    done = subprocess.run(
        [str(LOGSTER), "run", "--once"],
        env=of_files(settings),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


def test_killed_at_random_moments_it_comes_to_the_same_tables(tmp_path: Path) -> None:
    calm = Settings(lake=str(tmp_path / "calm" / "lake"), _env_file=None)
    torn = Settings(lake=str(tmp_path / "torn" / "lake"), _env_file=None)
    for settings in (calm, torn):
        Path(settings.lake).mkdir(parents=True)
        landed(settings, tmp_path)
    rng = random.Random(SEED)
    lives = []
    for _ in range(KILLS):
        with running(of_files(torn), tmp_path / "printed.log") as process:
            lives.append(round(rng.uniform(SHORTEST_LIFE, LONGEST_LIFE), 2))
            time.sleep(lives[-1])
            assert process.poll() is None, f"ended by itself with {process.returncode}"
            process.send_signal(signal.SIGKILL)
    run_once(torn)
    run_once(calm)
    counts = {name: len(rows(calm, name)) for name in RESULTS}
    assert all(counts.values()), counts
    for name in ("raw", "quarantine", *RESULTS):
        expected, found = comparable(rows(calm, name)), comparable(rows(torn, name))
        lacks, has = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
        assert found == expected, f"{name} after lives of {lives} seconds\nlacks {lacks}\nhas {has}"
