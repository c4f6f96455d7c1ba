"""Suppressions of a YAML file (``LOGSTER_SUPPRESSIONS``), read once at start; a wrong entry stops it with one line.

They quiet as those of the table do, beside them, and are changed by changing the file and starting again.
"""

from collections.abc import Hashable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Self

import pyarrow as pa
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator

from pipelines.errors import SettingsError
from pipelines.schemas.alerts import Severity
from pipelines.schemas.suppressions import LONGEST_SUPPRESSION, SUPPRESSIONS
from pipelines.settings import Settings
from pipelines.sources.names import ENDPOINT_NAME, TENANT_NAME

__all__ = ["FILE_ACTOR", "is_of_file", "suppressions_of_file"]

FILE_ACTOR = "LOGSTER_SUPPRESSIONS"
"""Who made what stands in the file."""

_PREFIX = "file:"


def _as_utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


_Time = Annotated[datetime, AfterValidator(_as_utc)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    tenant: Annotated[str, StringConstraints(pattern=rf"^{TENANT_NAME}$")]
    endpoint: Annotated[str, StringConstraints(pattern=rf"^{ENDPOINT_NAME}$", to_lower=True)] | None = None
    technique: Annotated[str, StringConstraints(pattern=r"^[Tt][0-9]{4}(\.[0-9]{3})?$", to_upper=True)] | None = None
    rule_id: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    max_severity: Severity = Severity.HIGH
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000)]
    starts_at: _Time
    expires_at: _Time

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if self.endpoint is None and self.technique is None and self.rule_id is None:
            raise ValueError("name an endpoint, a technique or a rule_id, or several of them")
        if not self.starts_at < self.expires_at <= self.starts_at + LONGEST_SUPPRESSION:
            raise ValueError(f"expires_at must lie after starts_at, by {LONGEST_SUPPRESSION.days} days at most")
        return self

    def row(self) -> dict[str, Any]:
        """Its row of ``SUPPRESSIONS``."""
        told = self.model_dump(mode="python", exclude={"id"})
        return told | {
            "suppression_id": f"{_PREFIX}{self.id}", "max_severity": str(self.max_severity), "actor": FILE_ACTOR,
            "created_at": self.starts_at, "deleted_by": None, "deleted_at": None,
        }  # fmt: skip


def is_of_file(suppression_id: str) -> bool:
    """Say whether a suppression's id is one that the file gives, and no UUID."""
    return suppression_id.startswith(_PREFIX)


def suppressions_of_file(settings: Settings) -> Any:  # noqa: ANN401 - Arrow is untyped
    """The file's suppressions as rows of ``SUPPRESSIONS`` (an Arrow table); none where no file is set.

    Raises:
        SettingsError: the file cannot be read, or an entry cannot be used.
    """
    entries = [] if settings.suppressions is None else _read(Path(settings.suppressions))
    return pa.Table.from_pylist([entry.row() for entry in entries], SUPPRESSIONS.remove_metadata())


def _read(path: Path) -> list[_Entry]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SettingsError(f"LOGSTER_SUPPRESSIONS {path} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(found, list):
        raise SettingsError(f"LOGSTER_SUPPRESSIONS {path} must be a list of suppressions (docs/api.md)")
    entries: dict[Hashable, _Entry] = {}
    for number, one in enumerate(found, 1):
        place = f"LOGSTER_SUPPRESSIONS {path}, entry {number}"
        try:
            entry = _Entry.model_validate(one)
        except ValidationError as error:
            wrong = error.errors()[0]
            where = ".".join(map(str, wrong["loc"]))
            raise SettingsError(f"{place}: {f'{where}: ' if where else ''}{wrong['msg']}") from None
        if entry.id in entries:
            raise SettingsError(f"{place}: there is another of the id '{entry.id}'; take an id for each")
        entries[entry.id] = entry
    return list(entries.values())
