"""Real processes: none outlives the one that started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from logster.children import Children

# a process whose own child leaves its session, as servers' workers do
BREED = "import subprocess, time; subprocess.Popen(['sleep', '{0}'], start_new_session=True); time.sleep({0})"
KEEPER = """
import sys, time
from pathlib import Path
from logster.children import Children
Children(Path(sys.argv[1])).start("sleeper", [sys.executable, "-c", sys.argv[2]])
print("started", flush=True)
time.sleep(60)
"""


def running(mark: str) -> list[int]:
    """Processes, zombies left out, whose command line has the mark."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode():
                found.append(int(entry.name))
        except (OSError, UnicodeDecodeError):
            continue
    return [pid for pid in found if pid != os.getpid()]


def wait_for(condition, *, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def mark() -> str:
    """A number of seconds that no other process sleeps."""
    return f"{100 + os.getpid() % 1000}.{time.monotonic_ns() % 10**9}"


def test_a_child_and_what_it_started_are_gone_after_the_parent_is_killed(tmp_path, mark):
    parent = subprocess.Popen(
        [sys.executable, "-c", KEEPER, str(tmp_path), BREED.format(mark)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout
    assert parent.stdout.readline() == "started\n"
    wait_for(lambda: f"sleep {mark}" in "".join(cmdlines(mark)))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    wait_for(lambda: not running(mark))


def cmdlines(mark: str) -> list[str]:
    texts = []
    for pid in running(mark):
        try:
            texts.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return texts


def test_stop_ends_a_child_and_what_it_started(tmp_path, mark):
    with Children(tmp_path) as children:
        children.start("sleeper", [sys.executable, "-c", BREED.format(mark)])
        wait_for(lambda: f"sleep {mark}" in "".join(cmdlines(mark)))
    assert not running(mark)


def test_a_killed_guard_takes_its_child_with_it(tmp_path, mark):
    with Children(tmp_path) as children:
        child = children.start("sleeper", ["sleep", mark])
        wait_for(lambda: len(running(mark)) == 2)
        child.guard.kill()
        wait_for(lambda: not running(mark))


def test_a_guard_that_is_killed_while_it_starts_its_child_leaves_none(tmp_path, mark):
    with Children(tmp_path) as children:
        for number in range(40):  # a guard is ready to start its child after some 30 ms
            child = children.start("sleeper", ["sleep", mark])
            wait_for(lambda: len(running(mark)) >= 1)
            time.sleep(number / 800)
            child.guard.kill()
        wait_for(lambda: not running(mark))


def test_a_child_that_dies_is_told_once_with_its_last_line_and_log(tmp_path):
    with Children(tmp_path) as children:
        child = children.start("api", [sys.executable, "-c", "print('hello'); raise SystemExit('port is taken')"])
        child.guard.wait(timeout=10)
        assert children.take_ended() == [child]
        assert children.take_ended() == []
        assert child.obituary() == f"api ended with code 1: port is taken (see {tmp_path / 'api.log'})"


def test_a_child_does_not_see_the_terminals_ctrl_c(tmp_path, mark):
    with Children(tmp_path) as children:
        child = children.start("sleeper", ["sleep", mark])
        wait_for(lambda: len(running(mark)) == 2)
        assert all(os.getpgid(pid) != os.getpgrp() for pid in running(mark))
        os.kill(child.guard.pid, signal.SIGTERM)  # only the pipe ends a guard
        time.sleep(0.5)
        assert len(running(mark)) == 2
