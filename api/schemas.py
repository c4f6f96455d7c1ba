"""What the API takes and gives, as typed models; the tables' own schemas are in ``pipelines.schemas``.

What lies behind an alert is in ``api.evidence_schemas``.
"""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from pipelines.alerting.lifecycle import UNCHANGED, WantedChange
from pipelines.schemas.access import Role
from pipelines.schemas.alerts import AlertStatus, FeedbackVerdict, Severity

__all__ = [
    "AlertDetail", "AlertPage", "AlertPatch", "AlertSummary", "BulkItem", "BulkPatch", "BulkResult", "CallerInfo",
    "Change", "ContributingEvent", "EndpointPage", "EndpointStatus", "Feedback", "FeedbackRequest", "Health", "Lag", "Problem",
    "TableHealth", "WrongField",
]  # fmt: skip

MAX_BULK = 500
"""Alerts that one request may change."""

# what would move a terminal's cursor or turn the direction of the text around it; a note may have lines and tabs
_OVERRIDES = r"\u202a-\u202e\u2066-\u2069"
LINE = rf"[^\u0000-\u001f\u007f-\u009f\u2028\u2029{_OVERRIDES}]"
NOTE = rf"[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f{_OVERRIDES}]"

Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=200, pattern=rf"^{LINE}*[^\s{LINE[2:-1]}]{LINE}*$"
    ),
]
"""A person's name or account: one line, no control characters."""

Text = Annotated[str, StringConstraints(max_length=10_000, pattern=rf"^{NOTE}*$")]
"""What a person writes: lines and tabs, no other control characters."""

ANONYMOUS = "anonymous"
"""Actor of a change that names none."""


class WrongField(BaseModel):
    """One value of a request that cannot be used."""

    loc: list[str | int] = Field(description="where it is, from the outside in")
    msg: str = Field(description="what is wrong with it")
    type: str = Field(description="the rule that it breaks")


class Problem(BaseModel):
    """Why a request was refused, and what would be taken (RFC 9457)."""

    type: str = Field(
        description="kind of problem; `urn:logster:problem:…`, or `about:blank` where the status says all"
    )
    title: str = Field(description="the kind in words")
    status: int = Field(description="HTTP status")
    detail: str = Field(description="what is wrong with this request, and the way out")
    errors: list[WrongField] | None = Field(None, description="of a request that cannot be used: each wrong value")


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
    assignee: str | None = Field(description="who works on it after; null: nobody")
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
    assignee: str | None = Field(description="who works on it; null: nobody")
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
    suppressed_by: str | None = Field(description="`suppression_id` of what keeps it quiet; null where nothing does")
    suppressed_until: datetime | None = Field(description="until when, by the events' own time (UTC)")


class AlertDetail(AlertSummary):
    """An alert with all that is known about it."""

    etag: str = Field(description="this state of the alert, as in the ETag header; pass it as If-Match")
    allowed_statuses: list[AlertStatus] = Field(description="where an analyst may take it from here")
    ttp_explanations: list[str]
    contributing_events: list[ContributingEvent] = Field(description="heaviest first")
    history: list[Change] = Field(description="oldest first")
    feedback: list[Feedback] = Field(description="oldest first")


class AlertPage(BaseModel):
    """One page of the queue, newest `last_seen` first."""

    alerts: list[AlertSummary]
    next_cursor: str | None = Field(description="pass it as `cursor` for the next page; null on the last")


_SAYS_SOMETHING: dict[str, Any] = {
    "anyOf": [
        {"required": ["status"], "properties": {"status": {"type": "string"}}},
        {"required": ["note"], "properties": {"note": {"type": "string", "minLength": 1}}},
        {"required": ["assignee"]},
    ]
}


class AlertPatch(BaseModel):
    """A transition, an assignment, a note, or several of them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            **_SAYS_SOMETHING,
            "examples": [{"status": "acknowledged", "assignee": "ann", "actor": "ann"}],
        },
    )

    status: AlertStatus | None = Field(None, description="wanted status; leave out to keep it")
    assignee: Name | None = Field(None, description="who works on it; null: nobody; leave out to keep it")
    note: Text | None = None
    actor: Name = Field(ANONYMOUS, description="who does it; with an API key its name, and no other")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.status is None and not self.note and "assignee" not in self.model_fields_set:
            raise ValueError("give a status, an assignee, a note, or several of them")
        return self

    def wanted(self, actor: str) -> WantedChange:
        """The change that it asks for, in someone's name."""
        assignee = self.assignee if "assignee" in self.model_fields_set else UNCHANGED
        return WantedChange(actor=actor, status=self.status, assignee=assignee, note=self.note)


class BulkPatch(AlertPatch):
    """The same change for several alerts."""

    model_config = ConfigDict(
        json_schema_extra={
            **_SAYS_SOMETHING, "examples": [{"ids": ["0" * 64, "1" * 64], "status": "false_positive", "note": "the nightly scan"}]
        }
    )  # fmt: skip

    ids: list[Annotated[str, StringConstraints(max_length=200)]] = Field(
        min_length=1, max_length=MAX_BULK, description="`alert_id`s; one that comes twice is changed once"
    )


class BulkItem(BaseModel):
    """What became of one alert."""

    alert_id: str
    change_id: str | None = Field(description="the change; null where it was refused")
    status: AlertStatus | None = Field(description="status after; null where there is no such alert")
    is_replay: bool = Field(description="the change had been made before, under the same Idempotency-Key")
    problem: Problem | None = Field(description="why it was refused; null where it was not")


class BulkResult(BaseModel):
    """What became of each alert, in the order of `ids`."""

    results: list[BulkItem]


class FeedbackRequest(BaseModel):
    """A verdict to record."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"alert_id": "0" * 64, "verdict": "false_positive", "comment": "the nightly scan"}]
        },
    )

    alert_id: Annotated[str, StringConstraints(max_length=200)]
    verdict: FeedbackVerdict
    comment: Text | None = None
    actor: Name = Field(ANONYMOUS, description="whose verdict it is; with an API key its name, and no other")


class CallerInfo(BaseModel):
    """Who asks, and what it may do."""

    name: str = Field(description="in whose name changes are made")
    is_named: bool = Field(description="the name was proven; else each change says itself, as `actor`, whose it is")
    role: Role
    tenant: str | None = Field(description="whose data it sees; null: every tenant's")
    may_change: bool = Field(description="the role lets it change alerts and give verdicts")


class EndpointStatus(BaseModel):
    """An endpoint that was scored or has alerts."""

    tenant: str
    endpoint: str
    platform: str
    last_window_end: datetime | None = Field(description="end of the newest window scored (UTC)")
    last_seen: datetime | None = Field(description="end of its newest window, scored or in an alert (UTC)")
    n_alerts: int = Field(description="alerts in all")
    open_alerts: int = Field(description="alerts neither resolved nor false positives")
    highest_severity: Severity | None = Field(description="of these; null where there are none")
    threat: float = Field(
        ge=0,
        le=100,
        description="100 × (1 − Π(1 − attack_prob)) over these: the chance in per cent that at least one is an attack, were "
        "they independent; 0 where there are none",
    )


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
    """Whether the lake can be read, and, for who sees all tenants, how fresh it is."""

    status: str = Field(description="`ok`")
    tables: list[TableHealth] | None = Field(description="null, as what follows, for who does not see all tenants")
    event_time: Lag | None = Field(description="newest `events.ts`")
    ingested: Lag | None = Field(description="newest `events.ingested_at`")
    scored: Lag | None = Field(description="newest `window_scores.scored_at`")
    alerted: Lag | None = Field(description="newest `alerts.updated_at`")
