"""Suppressions: made, listed, taken back. What they quiet is decided in ``pipelines.alerting.suppression``.

The API's routes and the command line call the same functions. Rows are only added: one makes a suppression, another of the same
id takes it back.
"""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from api.cursors import opened, sealed
from api.errors import ForbiddenError, KeyReusedError, SuppressionOfFileError, UnknownSuppressionError
from api.histories import micros
from api.store import Store
from api.suppression_schemas import Suppression, SuppressionPage, SuppressionRequest, SuppressionState
from pipelines.alerting.suppression_file import is_of_file
from pipelines.schemas.suppressions import SUPPRESSIONS

__all__ = ["add_suppression", "delete_suppression", "list_suppressions", "read_suppression"]

_KEYS = uuid.UUID("0b1c9e0e-8f52-4a61-9c39-6f3c1a0f5d7e")  # a namespace of our own for ids that are made of keys
_ASKED = ("tenant", "endpoint", "technique", "rule_id", "max_severity", "reason", "actor")

Row = dict[str, Any]


def list_suppressions(
    store: Store,
    *,
    now: datetime,
    tenant: str | None = None,
    states: Collection[SuppressionState] | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> SuppressionPage:
    """One page of suppressions, newest first.

    Args:
        store: the lake.
        now: wall clock (UTC), for their states.
        tenant: exactly; None does not filter.
        states: any of these; None does not filter.
        limit: so many at most.
        cursor: where the page before ended.

    Raises:
        BadCursorError: the cursor is not one that a page gave out.
        LakeError: the lake cannot be read.
    """
    after = opened(cursor, (int, str)) if cursor is not None else None
    found = [
        one
        for one in _shown(store, now)
        if (tenant is None or one.tenant == tenant)
        and (not states or one.state in states)
        and (after is None or _place(one) > (-after[0], after[1]))
    ]
    page = sorted(found, key=_place)[:limit]
    more = len(found) > limit
    return SuppressionPage(
        suppressions=page, next_cursor=sealed(micros(page[-1].created_at), page[-1].suppression_id) if more else None
    )


def read_suppression(store: Store, suppression_id: str, *, now: datetime) -> Suppression:
    """One suppression, also one that was taken back.

    Raises:
        UnknownSuppressionError: there is none of that id.
        LakeError: the lake cannot be read.
    """
    for one in _shown(store, now, suppression_id):
        return one
    raise UnknownSuppressionError(suppression_id)


def add_suppression(
    store: Store, request: SuppressionRequest, *, now: datetime, key: str | None = None
) -> tuple[Suppression, bool]:
    """Make a suppression.

    Args:
        store: the lake.
        request: what is to be quiet.
        now: wall clock (UTC).
        key: names this request in its tenant. Where it comes again nothing is done.

    Returns:
        The suppression, and whether it had been made before.

    Raises:
        ForbiddenError: it is about another tenant than the caller's.
        KeyReusedError: the key stands for another suppression.
        LakeError: the lake cannot be read or written.
    """
    if store.queries.tenant not in (None, request.tenant):
        raise ForbiddenError("the key is one tenant's, and the suppression another's")
    new: Row = {
        **request.model_dump(include=set(_ASKED)),
        "suppression_id": str(uuid.uuid4() if key is None else uuid.uuid5(_KEYS, f"{request.tenant}\n{key}")),
        "max_severity": str(request.max_severity),
        "starts_at": now - timedelta(minutes=request.back_minutes),
        "expires_at": now + timedelta(minutes=request.minutes),
        "created_at": now,
        "deleted_by": None,
        "deleted_at": None,
    }
    made: list[Row] = []

    def decide(rows: Any) -> Sequence[Row]:  # noqa: ANN401 - an Arrow table
        made[:] = [row for row in rows.to_pylist() if row["suppression_id"] == new["suppression_id"]]
        return [] if made else [new]

    store.queries.append("suppressions", decide)
    if made and key is not None and _asked(made[0]) != _asked(new):
        raise KeyReusedError(key, "suppression")
    return read_suppression(store, new["suppression_id"], now=now), bool(made)


def delete_suppression(store: Store, suppression_id: str, *, actor: str, now: datetime) -> Suppression:
    """Take a suppression back: what it quieted is in the queue again. One that was taken back stays as it is.

    Raises:
        UnknownSuppressionError: there is none of that id.
        SuppressionOfFileError: it stands in the file.
        LakeError: the lake cannot be read or written.
    """
    read_suppression(store, suppression_id, now=now)
    if is_of_file(suppression_id):
        raise SuppressionOfFileError(suppression_id)

    def decide(rows: Any) -> Sequence[Row]:  # noqa: ANN401 - an Arrow table
        own = [row for row in rows.to_pylist() if row["suppression_id"] == suppression_id]
        if not own or any(row["deleted_at"] is not None for row in own):
            return []
        return [{**own[0], "deleted_by": actor, "deleted_at": now}]

    store.queries.append("suppressions", decide)
    return read_suppression(store, suppression_id, now=now)


def _shown(store: Store, now: datetime, suppression_id: str | None = None) -> list[Suppression]:
    rows: dict[str, Row] = {}
    for row in store.queries.suppressions().select(SUPPRESSIONS.names).to_pylist():
        if suppression_id in (None, row["suppression_id"]) and (
            row["suppression_id"] not in rows or row["deleted_at"] is not None
        ):
            rows[row["suppression_id"]] = row
    if not rows:
        return []
    hits = store.suppression_hits(suppression_id)
    return [
        Suppression(**row, state=_state(row, now), n_alerts=n_alerts, last_hit=last_hit)
        for row in rows.values()
        for n_alerts, last_hit in [hits.get(row["suppression_id"], (0, None))]
    ]


def _state(row: Row, now: datetime) -> SuppressionState:
    if row["deleted_at"] is not None:
        return SuppressionState.DELETED
    if now < row["starts_at"]:
        return SuppressionState.PENDING
    return SuppressionState.ACTIVE if now <= row["expires_at"] else SuppressionState.EXPIRED


def _asked(row: Row) -> tuple[Any, ...]:
    """What a request asked for: the spans, and not the moment."""
    spans = (row["expires_at"] - row["created_at"], row["created_at"] - row["starts_at"])
    return (*(row[name] for name in _ASKED), *spans)


def _place(one: Suppression) -> tuple[int, str]:
    return (-micros(one.created_at), one.suppression_id)
