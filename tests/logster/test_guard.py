"""Who belongs to whom, by Linux's /proc and, as where there is none, by `ps`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from logster.guard import descendants

NOWHERE = Path("/nowhere/proc")
# a process, its child in a session of its own, and that one's child
FAMILY = """
import subprocess
print(subprocess.Popen(["sh", "-c", "sleep 60 & echo $! && wait"], start_new_session=True).wait())
"""
ENDS_ALL = f"""
import os, subprocess, sys, time
from pathlib import Path
from logster.guard import descendants, end_all
nowhere = Path("{NOWHERE}")
subprocess.Popen([sys.executable, "-c", {FAMILY!r}])
while len(descendants(os.getpid(), proc=nowhere)) < 3:
    time.sleep(0.05)
end_all(5.0, proc=nowhere)
"""


@pytest.fixture
def family():
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        for pid in [process.pid, *descendants(process.pid)]:  # parents first, so that none ends by itself
            os.kill(pid, 9)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="compares with Linux's /proc")
def test_ps_tells_the_same_descendants_as_proc(family):
    assert len(descendants(family.pid)) == 2
    assert sorted(descendants(family.pid, proc=NOWHERE)) == sorted(descendants(family.pid))
    own = descendants(os.getpid(), proc=NOWHERE)
    assert family.pid in own
    assert all(Path(f"/proc/{pid}").exists() for pid in own)  # the `ps` that was asked is not among them


def test_without_proc_all_that_was_started_is_ended():
    # all of them hold the pipe, so this returns when the last has ended
    subprocess.run([sys.executable, "-c", ENDS_ALL], capture_output=True, timeout=30, check=True)


def test_without_proc_and_ps_nothing_fails(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert descendants(os.getpid(), proc=NOWHERE) == []
