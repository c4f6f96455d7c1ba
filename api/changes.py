"""What analysts do to alerts: changes of status, assignee and notes, and verdicts, written to tables of their own.

The API's routes and the command line call the same functions. What a change may be is decided in
``pipelines.alerting.lifecycle``; how it is written so that two writers cannot both win, in ``api.journal``.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from api.errors import KeyReusedError, RequestError, StaleAlertError, UnknownAlertError
from api.histories import etag_of, histories_of
from api.problems import problem_of
from api.schemas import AlertDetail, BulkItem, BulkResult, Feedback, FeedbackRequest
from api.store import Store
from pipelines.alerting.lifecycle import AlertChange, WantedChange, is_same_request, next_change
from pipelines.errors import LogsterError, TransitionError
from pipelines.schemas.alerts import AlertStatus

__all__ = ["add_feedback", "change_alert", "change_alerts"]

_KEYS = uuid.UUID("6c0f7a52-3c0b-4b4e-9b5e-5a1f0c1e7d11")  # a namespace of our own for ids that are made of keys


@dataclass(frozen=True)
class _Decided:
    """A change that stands: made now, or before under the same key."""

    change: AlertChange
    history: list[AlertChange]
    is_replay: bool


def change_alert(
    store: Store,
    alert_id: str,
    wanted: WantedChange,
    *,
    now: datetime,
    if_match: str | None = None,
    key: str | None = None,
) -> tuple[AlertDetail, bool]:
    """Change one alert.

    Args:
        store: the lake.
        alert_id: the alert.
        wanted: the change.
        now: wall clock (UTC).
        if_match: change it only where it still is in one of these states: ETags as in the header, or ``*``.
        key: names this request. Where it comes again, what it did stands and nothing is done, whatever `if_match` says.

    Returns:
        The alert after it, and whether it had been made before.

    Raises:
        UnknownAlertError: there is none of that id.
        TransitionError: the alert may not go to that status.
        StaleAlertError: it is in another state.
        KeyReusedError: the key stands for another change of this alert.
        LakeError: the lake cannot be read or written.
    """
    row = store.alert_row(alert_id)
    decided = _decide(store, {alert_id: row}, wanted, now=now, if_match=if_match, key=key)[alert_id]
    if isinstance(decided, LogsterError):
        raise decided
    return store.detail(row, decided.history), decided.is_replay


def change_alerts(
    store: Store, alert_ids: Sequence[str], wanted: WantedChange, *, now: datetime, key: str | None = None
) -> BulkResult:
    """Make the same change to several alerts: each that may take it is changed, all in one commit.

    Args:
        store: the lake.
        alert_ids: the alerts; one that comes twice is changed once.
        wanted: the change.
        now: wall clock (UTC).
        key: names this request, see `change_alert`.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    rows = store.alert_rows(alert_ids)
    decided = _decide(store, rows, wanted, now=now, if_match=None, key=key)
    histories = histories_of(store.changes(), alert_ids)
    results = []
    for alert_id in dict.fromkeys(alert_ids):
        found = decided.get(alert_id, UnknownAlertError(alert_id))
        history = found.history if isinstance(found, _Decided) else histories.get(alert_id, [])
        results.append(BulkItem(
            alert_id=alert_id,
            change_id=found.change.change_id if isinstance(found, _Decided) else None,
            status=(history[-1].to_status if history else AlertStatus.OPEN) if alert_id in rows else None,
            is_replay=isinstance(found, _Decided) and found.is_replay,
            problem=problem_of(found) if isinstance(found, LogsterError) else None,
        ))  # fmt: skip
    return BulkResult(results=results)


def add_feedback(
    store: Store, request: FeedbackRequest, *, now: datetime, key: str | None = None
) -> tuple[Feedback, bool]:
    """Record a verdict; the alert's status stays as it is.

    Args:
        store: the lake.
        request: the verdict.
        now: wall clock (UTC).
        key: names this request, see `change_alert`.

    Returns:
        The verdict, and whether it had been recorded before.

    Raises:
        UnknownAlertError: there is no alert of that id.
        KeyReusedError: the key stands for another verdict on this alert.
        LakeError: the lake cannot be read or written.
    """
    alert = store.alert_row(request.alert_id)
    new = Feedback(
        **request.model_dump(), feedback_id=_id_of(request.alert_id, key), tenant=alert["tenant"], created_at=now
    )
    found: list[Feedback] = []

    def decide(_: object) -> list[dict[str, Any]]:
        found[:] = [one for one in store.feedback(request.alert_id) if one.feedback_id == new.feedback_id]
        return [] if found else [new.model_dump()]

    store.queries.append("feedback", decide)
    if not found:
        return new, False
    if key is not None and found[0].model_copy(update={"created_at": now}) != new:
        raise KeyReusedError(key, "verdict on this alert")
    return found[0], True


def _decide(
    store: Store,
    alerts: Mapping[str, Mapping[str, Any]],
    wanted: WantedChange,
    *,
    now: datetime,
    if_match: str | None,
    key: str | None,
) -> dict[str, _Decided | LogsterError]:
    """Change each alert that may take it, in one commit; those that may not come with the reason."""
    decided: dict[str, _Decided | LogsterError] = {}

    def decide(changes: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - an Arrow table
        histories = histories_of(changes, alerts)
        for alert_id, alert in alerts.items():
            history = histories.get(alert_id, [])
            try:
                decided[alert_id] = _decide_one(store, alert, history, wanted, now=now, if_match=if_match, key=key)
            except (TransitionError, RequestError) as refusal:
                decided[alert_id] = refusal
        return [asdict(one.change) for one in decided.values() if isinstance(one, _Decided) and not one.is_replay]

    if alerts:
        store.queries.append("alert_changes", decide)
    return decided


def _decide_one(
    store: Store,
    alert: Mapping[str, Any],
    history: list[AlertChange],
    wanted: WantedChange,
    *,
    now: datetime,
    if_match: str | None,
    key: str | None,
) -> _Decided:
    alert_id = alert["alert_id"]
    change_id = _id_of(alert_id, key)
    for place, made in enumerate(history):
        if key is not None and made.change_id == change_id:
            if not is_same_request(history, place, wanted):
                raise KeyReusedError(key, "change of this alert")
            return _Decided(made, history, is_replay=True)
    if if_match is not None:
        etag = etag_of(alert["updated_at"], len(history), len(store.feedback(alert_id)))
        if not _matches(if_match, etag):
            raise StaleAlertError(etag)
    change = next_change(history, wanted, alert_id=alert_id, tenant=alert["tenant"], change_id=change_id, now=now)
    return _Decided(change, [*history, change], is_replay=False)


def _matches(if_match: str, etag: str) -> bool:
    """RFC 9110, 13.1.1: any of the tags listed, compared strongly (a weak one never matches)."""
    return if_match.strip() == "*" or etag in [tag.strip() for tag in if_match.split(",")]


def _id_of(alert_id: str, key: str | None) -> str:
    return str(uuid.uuid4() if key is None else uuid.uuid5(_KEYS, f"{alert_id}\n{key}"))
