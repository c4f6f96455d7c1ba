"""Suppressions as the API takes and gives them; the table's own schema is in ``pipelines.schemas.suppressions``."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from api.schemas import ANONYMOUS, LINE, NOTE, Name
from pipelines.schemas.alerts import Severity
from pipelines.schemas.suppressions import LONGEST_SUPPRESSION
from pipelines.sources.names import TENANT_NAME

__all__ = ["Suppression", "SuppressionPage", "SuppressionRequest", "SuppressionState"]

_MINUTES = LONGEST_SUPPRESSION.days * 24 * 60
_BACK_MINUTES = 7 * 24 * 60

_NAMES_SOMETHING: dict[str, Any] = {
    "anyOf": [
        {"required": [name], "properties": {name: {"type": "string"}}} for name in ("endpoint", "technique", "rule_id")
    ]
}


class SuppressionState(StrEnum):
    """Where a suppression stands, by the wall clock."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"
    DELETED = "deleted"


class SuppressionRequest(BaseModel):
    """What is to be quiet, for how long, and why. An alert is quiet that meets all that is given."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            **_NAMES_SOMETHING,
            "examples": [
                {"tenant": "acme", "endpoint": "scan-01", "technique": "T1046", "reason": "weekly scan", "minutes": 240}
            ],
        },
    )

    tenant: Annotated[str, StringConstraints(pattern=rf"^{TENANT_NAME}$")] = Field(
        description="whose alerts; with a key of one tenant that one, and no other"
    )
    endpoint: (
        Annotated[str, StringConstraints(to_lower=True, min_length=1, max_length=253, pattern=rf"^{LINE}+$")] | None
    ) = Field(None, description="alerts of this endpoint, in any case of letters")
    technique: Annotated[str, StringConstraints(pattern=r"^T[0-9]{4}(\.[0-9]{3})?$")] | None = Field(
        None, description="alerts that name this ATT&CK technique, or sub-techniques of it, and no other"
    )
    rule_id: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=rf"^{LINE}+$")] | None = Field(
        None, description="alerts in which this Sigma rule matched and no other; `ttp_explanations` names it"
    )
    max_severity: Severity = Field(
        Severity.HIGH, description="gravest severity that stays quiet; an alert that becomes graver is heard"
    )
    reason: Annotated[
        str,
        StringConstraints(min_length=1, max_length=10_000, pattern=rf"^{NOTE}*[^\s{NOTE[2:-1]}]{NOTE}*$"),
    ] = Field(description="why")
    minutes: int = Field(ge=1, le=_MINUTES, description="for so long from now, at most 90 days")
    back_minutes: int = Field(
        0, ge=0, le=_BACK_MINUTES, description="and from so long ago, so that alerts that are there are quiet as well"
    )
    actor: Name = Field(ANONYMOUS, description="who does it; with an API key its name, and no other")

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.endpoint is None and self.technique is None and self.rule_id is None:
            raise ValueError("name an endpoint, a technique or a rule_id, or several of them")
        return self


class Suppression(BaseModel):
    """Alerts that are quiet for a time: no notification, not in the queue's counts. Nothing of them is deleted."""

    suppression_id: str
    tenant: str
    endpoint: str | None = Field(description="alerts of this endpoint; null: of any")
    technique: str | None = Field(description="alerts that name no other technique than this; null: any")
    rule_id: str | None = Field(description="alerts in which no other rule than this matched; null: any")
    max_severity: Severity = Field(description="gravest severity that it quiets")
    reason: str
    starts_at: datetime = Field(description="alerts last seen after this (UTC, the events' own time)")
    expires_at: datetime = Field(description="and not after this")
    actor: str
    created_at: datetime
    deleted_by: str | None = Field(description="who took it back; null: nobody")
    deleted_at: datetime | None = Field(description="from then on it quiets nothing")
    state: SuppressionState = Field(description="by the wall clock")
    n_alerts: int = Field(description="alerts that it quiets")
    last_hit: datetime | None = Field(description="when the newest of these was last seen; null where there are none")


class SuppressionPage(BaseModel):
    """One page of suppressions, newest first."""

    suppressions: list[Suppression]
    next_cursor: str | None = Field(description="pass it as `cursor` for the next page; null on the last")
