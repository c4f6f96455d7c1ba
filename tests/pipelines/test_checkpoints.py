"""Checkpoints that are not this lake's, or not whole, are refused; those of before there was Kafka go on."""

import json
from pathlib import Path

import pytest

from pipelines.checkpoints import Checkpoints
from pipelines.errors import CheckpointError
from pipelines.settings import Settings

pytestmark = pytest.mark.fast


@pytest.fixture
def root(settings: Settings) -> Path:
    folder = Path(settings.checkpoint_path)
    folder.mkdir(parents=True)
    return folder


def opened(settings: Settings, *, lake_id="l", empty=True, anew=False, newest: int | None = None) -> Checkpoints:
    return Checkpoints(settings, lake_id, lake_is_empty=empty, anew=anew, newest_batch=lambda _: newest)


def offsets(root: Path, source: str, number: int = 0, *, is_done: bool = True) -> None:
    for name in ("offsets", "commits") if is_done else ("offsets",):
        (root / source / name).mkdir(parents=True, exist_ok=True)
        (root / source / name / str(number)).touch()
    (root / source / "metadata").touch()


def test_each_source_has_an_identity_of_its_own_that_stays(settings, root):
    first = opened(settings)
    ids = [first.identity("files", None), first.identity("kafka", "cluster-a")]
    assert [each.split("-")[0] for each in ids] == ["files", "kafka"]
    for source in ("files", "kafka"):
        offsets(root, source)
        first.mark_started(source)
    again = opened(settings, empty=False, newest=0)
    assert [again.identity("files", None), again.identity("kafka", "cluster-a")] == ids


def test_a_note_of_before_there_was_kafka_goes_on(settings, root):
    note = {"lake_id": "l", "stream_id": "files-abc", "has_started": True}
    (root / "logster.json").write_text(json.dumps(note))
    offsets(root, "files", 4)
    checkpoints = opened(settings, empty=False, newest=4)
    assert checkpoints.identity("files", None) == "files-abc"
    assert opened(settings, empty=False).identity("kafka", "cluster-a").startswith("kafka-")
    assert note.items() <= json.loads((root / "logster.json").read_text()).items()


def test_what_does_not_belong_together_is_refused(settings, root):
    first = opened(settings)
    first.identity("files", None)
    first.identity("kafka", "cluster-a")
    with pytest.raises(CheckpointError, match="another lake"):
        opened(settings, lake_id="other")
    with pytest.raises(CheckpointError, match="has offsets of cluster-a, and what kafka reads now is cluster-b"):
        opened(settings).identity("kafka", "cluster-b")
    offsets(root, "delta")
    with pytest.raises(CheckpointError, match="delta is not of"):
        opened(settings).identity("delta", None)


@pytest.mark.parametrize("source", ["files", "kafka"])
def test_one_that_is_lost_or_older_than_the_lake_is_refused_until_told_to_begin_anew(settings, root, source):
    first = opened(settings)
    known = first.identity(source, None)
    offsets(root, source, 7)
    first.mark_started(source)
    assert opened(settings, empty=False, newest=7).identity(source, None) == known
    with pytest.raises(CheckpointError, match="ends at batch 7, and batch 8 was written"):
        opened(settings, empty=False, newest=8).identity(source, None)
    (root / source).rename(root / "elsewhere")
    with pytest.raises(CheckpointError, match=f"{source} is lost"):
        opened(settings, empty=False, newest=7).identity(source, None)
    (root / "logster.json").unlink()
    with pytest.raises(CheckpointError, match="was written with a checkpoint that is not in"):
        opened(settings, empty=False)
    anew = opened(settings, empty=False, anew=True)
    assert anew.identity(source, None) != known
    assert [file.name for file in root.iterdir()] == ["logster.json"]


def test_a_batch_that_was_begun_and_not_ended_is_seen(settings, root):
    checkpoints = opened(settings)
    assert not checkpoints.is_cut_off("kafka")
    offsets(root, "kafka", 9)
    assert not checkpoints.is_cut_off("kafka")
    offsets(root, "kafka", 10, is_done=False)
    assert checkpoints.is_cut_off("kafka")
