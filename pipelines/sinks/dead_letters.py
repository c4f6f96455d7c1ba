"""Changes that could not be handed on, with the reason: one JSON object a line, on disk before the next change is taken."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.errors import SettingsError, SinkError
from pipelines.settings import Settings

__all__ = ["DeadLetters", "dead_letter_file"]


def dead_letter_file(settings: Settings, name: str) -> Path:
    """Where a consumer's dead letters go: below the setting, or beside the lake; a tenant's have a file of their own."""
    name = f"{name}-{settings.notify_tenant}" if settings.notify_tenant else name
    if settings.notify_dead_letters:
        return Path(settings.notify_dead_letters).absolute() / f"{name}.jsonl"
    parent = Path.cwd() if "://" in settings.lake else Path(settings.lake_path).parent
    return parent / "dead-letters" / f"{name}.jsonl"


class DeadLetters:
    """A file of dead letters.

    Args:
        file: it is made where it is not there.

    Attributes:
        file: the same.

    Raises:
        SettingsError: it cannot be written.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("ab"):
                pass
        except OSError as error:
            raise SettingsError(
                f"dead letters cannot be written to {file}: {error.strerror or error}; set LOGSTER_NOTIFY_DEAD_LETTERS"
            ) from None

    def add(self, value: bytes | None, *, origin: str, reason: str, now: datetime) -> None:
        """Write one, and wait until it is on disk.

        Args:
            value: the Kafka record's value.
            origin: ``topic/partition/offset``.
            reason: why it was not handed on.
            now: wall clock (UTC).

        Raises:
            SinkError: it cannot be written.
        """
        letter: dict[str, Any] = {"at": now.astimezone(UTC).isoformat(), "origin": origin, "reason": reason}
        try:
            letter["document"] = json.loads(value or b"")
        except (ValueError, RecursionError):
            letter["value"] = (value or b"").decode("utf-8", errors="replace")
        line = json.dumps(letter, ensure_ascii=False).encode("utf-8", errors="replace")
        try:
            with self.file.open("ab") as file:
                file.write(line + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise SinkError(f"dead letters cannot be written to {self.file}: {error.strerror or error}") from error
