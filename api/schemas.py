"""What the API takes and gives, as typed models; the tables' own schemas are in ``pipelines.schemas``."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from pipelines.schemas.alerts import AlertStatus, FeedbackVerdict, Severity

__all__ = [
    "AlertDetail", "AlertPage", "AlertPatch", "AlertSummary", "Change", "ContributingEvent", "EndpointPage",
    "EndpointStatus", "Feedback", "FeedbackRequest", "Health", "Lag", "Problem", "TableHealth",
]  # fmt: skip

Actor = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(max_length=10_000)]


class Problem(BaseModel):
    """Why a request was refused, and what would be taken."""

    detail: str


class ContributingEvent(BaseModel):
    """An event that raised the score."""

    event_id: str | None = Field(description="`event_id` in table `events`")
    weight: float | None = Field(description="how much it raised the score; comparable within one alert")
    summary: str | None = Field(description="the event in one line")


class Change(BaseModel):
    """One transition or note of an analyst."""

    change_id: str
    from_status: AlertStatus
    to_status: AlertStatus = Field(description="the same as from_status for a note")
    note: str | None
    actor: str
    changed_at: datetime


class Feedback(BaseModel):
    """A person's verdict on an alert."""

    feedback_id: str
    alert_id: str
    tenant: str
    verdict: FeedbackVerdict
    comment: str | None
    actor: str
    created_at: datetime


class AlertSummary(BaseModel):
    """An alert as a row of the queue."""

    alert_id: str
    tenant: str
    endpoint: str
    platform: str
    severity: Severity
    status: AlertStatus
    attack_prob: float = Field(description="highest of its windows, 0 to 1")
    first_seen: datetime = Field(description="start of its first window (UTC)")
    last_seen: datetime = Field(description="end of its last window (UTC)")
    window_count: int
    model_name: str
    model_version: str
    ttp_techniques: list[str] = Field(description="ATT&CK technique ids")
    ttp_tactics: list[str] = Field(description="ATT&CK tactics")
    related_endpoints: list[str] = Field(description="endpoints of the tenant that were attacked at the same time")
    created_at: datetime
    updated_at: datetime = Field(description="when the pipeline last changed it")


class AlertDetail(AlertSummary):
    """An alert with all that is known about it."""

    ttp_explanations: list[str]
    contributing_events: list[ContributingEvent] = Field(description="heaviest first")
    history: list[Change] = Field(description="oldest first")
    feedback: list[Feedback] = Field(description="oldest first")


class AlertPage(BaseModel):
    """One page of the queue, newest `last_seen` first."""

    alerts: list[AlertSummary]
    next_cursor: str | None = Field(description="pass it as `cursor` for the next page; null on the last")


class AlertPatch(BaseModel):
    """A transition, a note, or both."""

    model_config = ConfigDict(extra="forbid")

    status: AlertStatus | None = Field(None, description="wanted status; leave out to add a note only")
    actor: Actor = Field(description="who does it")
    note: Text | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.status is None and not self.note:
            raise ValueError("give a status, a note, or both")
        return self


class FeedbackRequest(BaseModel):
    """A verdict to record."""

    model_config = ConfigDict(extra="forbid")

    alert_id: Annotated[str, StringConstraints(max_length=200)]
    verdict: FeedbackVerdict
    actor: Actor = Field(description="whose verdict it is")
    comment: Text | None = None


class EndpointStatus(BaseModel):
    """An endpoint that was scored or has alerts."""

    tenant: str
    endpoint: str
    platform: str
    last_window_end: datetime | None = Field(description="end of the newest window scored (UTC)")
    open_alerts: int = Field(description="alerts neither resolved nor false positives")
    highest_severity: Severity | None = Field(description="of these; null where there are none")


class EndpointPage(BaseModel):
    """One page of endpoints, by tenant and name."""

    endpoints: list[EndpointStatus]
    next_cursor: str | None = Field(description="pass it as `cursor` for the next page; null on the last")


class TableHealth(BaseModel):
    """One table of the lake."""

    table: str
    version: int | None = Field(description="Delta version; null where the table is not there yet")


class Lag(BaseModel):
    """How far behind the wall clock something is."""

    newest: datetime | None = Field(description="newest time in the table (UTC); null where it is empty")
    seconds: float | None = Field(description="now less that; below zero where a clock runs ahead")


class Health(BaseModel):
    """Whether the lake can be read, and how fresh it is."""

    status: str = Field(description="`ok`")
    tables: list[TableHealth]
    event_time: Lag = Field(description="newest `events.ts`")
    ingested: Lag = Field(description="newest `events.ingested_at`")
    scored: Lag = Field(description="newest `window_scores.scored_at`")
    alerted: Lag = Field(description="newest `alerts.updated_at`")
