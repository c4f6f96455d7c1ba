"""Whose checkpoints these are: a note beside them weds them to one lake, and each source's to what its offsets belong to.

A mismatch is refused, since going on would drop or double records without a word. Checkpoints on an object store have no
note; there the identity is the lake's.
"""

import json
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.errors import CheckpointError
from pipelines.settings import Settings

__all__ = ["Checkpoints"]

_NOTE = "logster.json"
_FILES = "files"  # stands in the note itself, where it was alone once; other sources stand below ``sources``


class Checkpoints:
    """The checkpoints of one lake's sources, one folder each.

    Args:
        settings: say where they are.
        lake_id: Delta's id of the lake's ``raw``, which survives a move.
        lake_is_empty: whether nothing has been written to the lake yet.
        newest_batch: gives the highest batch number that the lake has of a stream; None where it has none.
        anew: forget what was read.

    Raises:
        CheckpointError: they are another lake's, or were moved or lost.
    """

    def __init__(
        self,
        settings: Settings,
        lake_id: str,
        *,
        lake_is_empty: bool,
        newest_batch: Callable[[str], int | None],
        anew: bool = False,
    ) -> None:
        root = settings.checkpoint_path
        self._root = None if "://" in root else Path(root)
        self._place, self._lake, self._lake_id = root, settings.lake, lake_id
        self._started: set[str] = set()
        self._newest_batch = newest_batch
        if self._root is None:
            return
        if anew:
            (self._root / _NOTE).unlink(missing_ok=True)
            for folder in {file.parent for name in ("offsets", "metadata") for file in self._root.glob(f"*/{name}")}:
                shutil.rmtree(folder)
            return
        note = self._read()
        if note is not None and note["lake_id"] != lake_id:
            raise CheckpointError(
                f"checkpoint {root} belongs to another lake than {self._lake}; "
                "set LOGSTER_CHECKPOINTS to this lake's own, or move the checkpoint away"
            )
        if note is None and (any(self._root.glob("*/offsets")) or not lake_is_empty):
            raise CheckpointError(
                f"lake {self._lake} was written with a checkpoint that is not in {root}: restore it, {_AGAIN}"
            )

    def folder(self, source: str) -> str:
        """Where a source's checkpoint is, path or URI."""
        return f"{self._place}/{source}"

    def identity(self, source: str, belongs_to: str | None) -> str:
        """The name that a source's stream has for good; a new one is noted here.

        Args:
            source: its name.
            belongs_to: id of what its offsets belong to; None where nothing tells.

        Raises:
            CheckpointError: its checkpoint was moved or lost, or belongs to something else.
        """
        if self._root is None:
            return f"{source}-{self._lake_id}"
        known = self._known(source)
        there = (self._root / source / "offsets").is_dir()
        if known is None:
            if there:
                raise CheckpointError(
                    f"checkpoint {self.folder(source)} is not of {self._lake}: move it away, {_AGAIN}"
                )
            known = {"stream_id": f"{source}-{uuid.uuid4().hex[:12]}", "has_started": False}
            if belongs_to:
                known["belongs_to"] = belongs_to
            self._note(source, known)
        elif known["has_started"] and not there:
            raise CheckpointError(f"checkpoint {self.folder(source)} is lost: restore it, {_AGAIN}")
        elif belongs_to and known.get("belongs_to", belongs_to) != belongs_to:
            raise CheckpointError(
                f"checkpoint {self.folder(source)} has offsets of {known['belongs_to']}, and what {source} reads now "
                f"is {belongs_to}: point it to that one, {_AGAIN}"
            )
        stream_id = str(known["stream_id"])
        begun, written = _newest(self._root / source / "offsets"), self._newest_batch(stream_id)
        if written is not None and written > begun:
            # a batch with a number that was written already would be taken for a repetition, and its records dropped
            raise CheckpointError(
                f"checkpoint {self.folder(source)} is older than the lake: it ends at batch {begun}, and batch {written} "
                f"was written; restore a newer one, {_AGAIN}"
            )
        return stream_id

    def is_cut_off(self, source: str) -> bool:
        """Whether a batch was begun and not ended; it is the first that comes again."""
        if self._root is None:
            return False
        begun, ended = (_newest(self._root / source / name) for name in ("offsets", "commits"))
        return begun > ended

    def mark_started(self, source: str) -> None:
        """Note that a source's checkpoint holds offsets from now on, so that its loss is seen."""
        if self._root is None or source in self._started:
            return
        self._started.add(source)
        known = self._known(source)
        if known is not None and not known["has_started"]:
            self._note(source, {**known, "has_started": True})

    def _known(self, source: str) -> dict[str, Any] | None:
        note = self._read() or {}
        if source == _FILES:
            return {name: note[name] for name in ("stream_id", "has_started")} if "stream_id" in note else None
        known: dict[str, Any] | None = note.get("sources", {}).get(source)
        return known

    def _note(self, source: str, known: dict[str, Any]) -> None:
        assert self._root is not None  # what calls this has asked
        note = self._read() or {"lake_id": self._lake_id}
        if source == _FILES:
            note |= known
        else:
            note["sources"] = {**note.get("sources", {}), source: known}
        changed = self._root / f"{_NOTE}.new"
        changed.write_text(json.dumps(note))
        changed.replace(self._root / _NOTE)

    def _read(self) -> dict[str, Any] | None:
        assert self._root is not None
        file = self._root / _NOTE
        if not file.exists():
            return None
        note: dict[str, Any] = json.loads(file.read_text())
        return note


_AGAIN = "or run `logster run --new-checkpoint` to read everything again from the start"


def _newest(folder: Path) -> int:
    """Highest batch number of a log; -1 where there is none."""
    return max((int(file.name) for file in folder.glob("*") if file.name.isdigit()), default=-1)
