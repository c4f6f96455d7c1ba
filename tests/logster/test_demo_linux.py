"""The demo's recordings are untouched, and replayed whole at another time under another name."""

import gzip
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import logster.demo_linux
from logster.demo_linux import RECORDINGS, replay

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
FOLDER = Path(logster.demo_linux.__file__).parent / "demo_data"
STAMP = re.compile(r"msg=audit\((\d+)\.(\d{3}):(\d+)\): ")


def recorded(name: str) -> list[str]:
    with gzip.open(FOLDER / RECORDINGS[name].file, "rt", newline="\n") as lines:
        return [line.rstrip("\n") for line in lines]


def millis(line: str) -> int:
    stamp = STAMP.search(line)
    assert stamp, line
    return int(stamp[1] + stamp[2])


@pytest.mark.parametrize("name", RECORDINGS)
def test_replay_moves_times_and_names_and_nothing_else(name):
    recording = RECORDINGS[name]
    shift = int(START.timestamp()) * 1000 - recording.began
    before, after = recorded(name), replay(recording, "web-01", START)
    assert len(before) == len(after) > 1000
    assert [millis(line) + shift for line in before] == [millis(line) for line in after]
    node, hexed = recording.node, recording.node.encode().hex().upper()
    for old, new in zip(before, after, strict=True):
        assert re.search(rf"\b{node}\b", new) is None
        assert hexed not in new
        if "PROCTITLE" not in old:
            assert re.sub(rf"\b{node}\b", "web-01", STAMP.sub("", old)) == STAMP.sub("", new)


def test_host_name_in_hexadecimal_is_replaced_too():
    old, new = recorded("cron-connect-back"), replay(RECORDINGS["cron-connect-back"], "app-02", START)
    hexed = b"host33".hex().upper()
    found = [number for number, line in enumerate(old) if hexed in line]
    assert found
    for number in found:
        value = new[number].split("proctitle=")[1]
        assert b"app-02" in bytes.fromhex(value)


def test_pieces_of_a_replay_make_up_the_whole_and_cut_no_event():
    recording = RECORDINGS["root-persistence"]
    cut = START + timedelta(seconds=100.5)
    first, second = replay(recording, "a", START, until=cut), replay(recording, "a", START, since=cut)
    assert Counter(first + second) == Counter(replay(recording, "a", START))
    serials = [{STAMP.search(line)[3] for line in part} for part in (first, second)]  # type: ignore[index]
    assert not serials[0] & serials[1]


@pytest.mark.parametrize(
    ("name", "sign"),
    [("web-lateral", "mkfifo"), ("root-persistence", 'a0="systemctl"'), ("cron-connect-back", 'a0="zip"')],
)
def test_intrusion_lies_where_the_recording_says(name, sign):
    recording = RECORDINGS[name]
    assert recording.attack_start and recording.attack_end
    offsets = [timedelta(milliseconds=millis(line) - recording.began) for line in recorded(name) if sign in line]
    assert offsets
    for offset in offsets:
        assert recording.attack_start <= offset <= recording.attack_end


def test_recordings_are_unchanged_cuts_of_the_lab(shared_data: Path):
    for name, recording in RECORDINGS.items():
        end = recording.began + int(recording.length.total_seconds() * 1000)
        with gzip.open(shared_data / "linux" / "lab" / recording.file, "rt", newline="\n") as lines:
            cut = [line.rstrip("\n") for line in lines if recording.began <= millis(line) < end]
        assert recorded(name) == cut


def test_recordings_are_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_500_000
