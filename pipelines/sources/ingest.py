"""`logster ingest`: checking files at the door and putting them into the landing zone, whole or not at all.

A file's name in the landing zone is the hash of its content, so the same file given twice lands once.
"""

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pipelines.errors import IngestError
from pipelines.settings import Settings
from pipelines.sources.file_reader import read_records
from pipelines.sources.files import AUTO_FORMAT, DEFAULT_TENANT, landing_folder
from pipelines.sources.line_reader import FileLimits
from pipelines.sources.names import ENDPOINT_NAME, TENANT_NAME

__all__ = ["Landed", "files_under", "ingest_file"]

_TENANT = re.compile(TENANT_NAME)
_ENDPOINT = re.compile(ENDPOINT_NAME)
_AUDITD_LINE = re.compile(r"type=\w+ msg=audit\(")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Landed:
    """What became of one file.

    Attributes:
        source: the file given.
        target: where it lies now.
        n_lines: records in it.
        n_problems: lines that will go to quarantine for their length or encoding.
        endpoint: endpoint that its records get where they name none.
        was_there: the same content had landed before; nothing was copied.
    """

    source: Path
    target: Path
    n_lines: int
    n_problems: int
    endpoint: str | None
    was_there: bool


def files_under(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield files, and for folders the files below them, hidden ones left out; a path that is not there as it is."""
    for path in paths:
        if path.is_dir():
            yield from sorted(
                file for file in path.rglob("*") if file.is_file() and not file.name.startswith((".", "_"))
            )
        else:
            yield path


def ingest_file(
    path: Path,
    settings: Settings,
    *,
    tenant: str = DEFAULT_TENANT,
    record_format: str = AUTO_FORMAT,
    endpoint: str | None = None,
    clock_offset: timedelta | None = None,
) -> Landed:
    """Check one file and put it into the landing zone in one step.

    Args:
        path: the file: text or a Windows event log, plain, gzip or zstd.
        settings: says where the landing zone is and what is too large.
        tenant: whose telemetry it is.
        record_format: name of its format; ``auto`` looks at each record.
        endpoint: endpoint of records that name none; auditd without ``node=`` takes the file's name where not given.
        clock_offset: added to each record's own time.

    Raises:
        IngestError: the file is empty, binary, damaged or too large, or a name cannot be used.
    """
    if not _TENANT.fullmatch(tenant):
        raise IngestError(f"tenant '{tenant}' cannot be used: letters, digits, '.', '_' and '-', 127 at most")
    if endpoint is not None and not _ENDPOINT.fullmatch(endpoint):
        raise IngestError(f"endpoint '{endpoint}' cannot be used: letters, digits, '.', '_' and '-', 253 at most")
    if "://" in settings.landing_path:
        raise IngestError(
            f"landing zone {settings.landing_path} is not a local folder: copy files there with the store's own client, "
            f"below {landing_folder(tenant, record_format, endpoint, None)}/"
        )
    n_lines, n_problems, first = _inspect(path, settings)
    if endpoint is None and _AUDITD_LINE.match(first):
        endpoint = re.sub(r"[^A-Za-z0-9_-]+", "-", path.name.split(".")[0]).strip("-_") or None
    offset = int(clock_offset.total_seconds()) if clock_offset else None
    folder = Path(settings.landing_path) / landing_folder(tenant, record_format, endpoint, offset)
    digest = _digest(path)
    target = folder / f"{digest[:16]}-{re.sub(r'[^A-Za-z0-9._-]+', '_', path.name)}"
    there = next(folder.glob(f"{digest[:16]}-*"), None) if folder.is_dir() else None
    if there is None:
        try:
            _copy(path, target)
        except OSError as error:
            raise IngestError(
                f"{path}: cannot be put into {settings.landing_path} (LOGSTER_LANDING, LOGSTER_LAKE): "
                f"{error.strerror or error}"
            ) from None
    return Landed(path, there or target, n_lines, n_problems, endpoint, there is not None)


def _inspect(path: Path, settings: Settings) -> tuple[int, int, str]:
    """Read a file through, as the pipeline will, so that what it cannot read is refused here."""
    try:
        if path.stat().st_size == 0:
            raise IngestError(f"{path}: file is empty")
        limits = FileLimits(settings.max_record_bytes, settings.max_file_bytes, settings.max_compression_ratio)
        n_lines = n_problems = 0
        first, last_problem, last_record = "", None, ""
        with path.open("rb") as stream:
            for batch in read_records(stream, limits=limits):
                if not n_lines:
                    first = batch.column("record")[0].as_py()
                n_lines += batch.num_rows
                problems = batch.column("source_problem")
                n_problems += batch.num_rows - problems.null_count
                last_problem, last_record = problems[-1].as_py(), batch.column("record")[-1].as_py()
    except OSError as error:
        raise IngestError(f"{path}: cannot be read: {error.strerror or error}") from None
    if last_problem and last_problem.startswith("file ") and not last_record:
        raise IngestError(f"{path}: {last_problem}")
    if not n_lines:
        raise IngestError(f"{path}: no record in it, only blank lines")
    if n_problems == n_lines:
        raise IngestError(f"{path}: none of its {n_lines} lines can be read: {last_problem}")
    return n_lines, n_problems, first


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _copy(path: Path, target: Path) -> None:
    """Copy under a hidden name on the same file system, then rename: a watcher sees all of it or nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    hidden = target.parent / f".{uuid.uuid4().hex}.part"
    try:
        with path.open("rb") as source, hidden.open("wb") as copy:
            shutil.copyfileobj(source, copy, _CHUNK)
            copy.flush()
            os.fsync(copy.fileno())
        hidden.replace(target)
    finally:
        hidden.unlink(missing_ok=True)
