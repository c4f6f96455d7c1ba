"""Which changes of alerts go out while suppressions stand, and as what: pure functions over changes, without a clock or a table.

What is quiet is decided in ``pipelines.alerting.suppression``. Receivers hear of an alert by its creation first: one that was
raised in the quiet is told as created once it is heard, and one that they knew before with what has changed since they heard of it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from pipelines.alerting.suppression import MATCHED_COLUMNS, matches
from pipelines.schemas.alerts import ALERTS
from pipelines.schemas.outbox import ChangeKind
from pipelines.sinks.changes import AlertChanged, Document, differences

__all__ = ["audible"]

_MATCHED = pa.schema([ALERTS.field(name) for name in MATCHED_COLUMNS]).remove_metadata()
_OF_PIPELINE = (ChangeKind.CREATED, ChangeKind.UPDATED)

LastTold = Callable[[Collection[str]], Mapping[str, Document]]
"""Gives of some alerts the document that was told last; of those that were never told, or are withdrawn, none."""


def audible(changes: Iterable[AlertChanged], suppressions: Any, last_told: LastTold) -> list[AlertChanged]:  # noqa: ANN401
    """Leave out what is quiet.

    - The pipeline's changes: none of an alert that is suppressed as it stands after them.
    - A withdrawal, and what persons do, of an alert that is or was suppressed: told where receivers know of the alert, for they
      would else keep what nobody need look at any more; with the alert as they know it, so that what grew in the quiet stays quiet.

    Args:
        changes: in any order.
        suppressions: rows of ``SUPPRESSIONS``, as an Arrow table.
        last_told: asked only of alerts that leave the quiet, and of those that are or were quiet and that a person or a withdrawal
            changes.
    """
    all_changes = list(changes)
    if not suppressions.num_rows:
        return all_changes
    after = {str(number): one.document["alert"] for number, one in enumerate(all_changes)}
    before = {f"{number}-": {**one.document["alert"], **one.document["previous"]}
              for number, one in enumerate(all_changes) if one.kind == ChangeKind.UPDATED}  # fmt: skip
    pairs = matches(_as_rows({**after, **before}), suppressions)
    quiet = {pair["alert_id"] for pair in pairs if not pair["is_deleted"]}
    # what was told before cannot be known by suppressions that were taken back since, so that those count here
    was_quiet = {pair["alert_id"] for pair in pairs}
    told_now, asked = set(), set()
    for number, one in enumerate(all_changes):
        if one.kind not in _OF_PIPELINE:
            asked |= {one.alert_id} if str(number) in was_quiet else set()
        elif str(number) not in quiet:
            told_now.add(one.alert_id)
            asked |= {one.alert_id} if f"{number}-" in was_quiet else set()
    known = last_told(asked) if asked else {}
    found = []
    for number, one in enumerate(all_changes):
        if one.kind in _OF_PIPELINE:
            if str(number) not in quiet:
                found.append(_as_news(one, known.get(one.alert_id)) if f"{number}-" in was_quiet else one)
        elif str(number) not in was_quiet or one.alert_id in told_now:
            found.append(one)
        elif one.alert_id in known:
            found.append(_as_known(one, known[one.alert_id]))
    return found


def _as_news(change: AlertChanged, told: Document | None) -> AlertChanged:
    """The change of an alert that was quiet before, seen from where receivers know it."""
    if told is None:
        document = {**change.document, "kind": str(ChangeKind.CREATED), "previous": {}}
        return replace(change, kind=ChangeKind.CREATED, document=document)
    return replace(change, document={**change.document, "previous": differences(told, change.document["alert"])})


def _as_known(change: AlertChanged, told: Document) -> AlertChanged:
    """What a person did, or a withdrawal, with the alert as receivers know it but for where analysts have taken it."""
    now = change.document["alert"]
    alert = {**told, "status": now["status"], "assignee": now["assignee"]}
    return replace(change, document={**change.document, "alert": alert})


def _as_rows(alerts: Mapping[str, Document | None]) -> Any:  # noqa: ANN401 - Arrow is untyped
    rows = [
        {name: alert[name] for name in MATCHED_COLUMNS}
        | {"alert_id": name, "last_seen": datetime.fromisoformat(alert["last_seen"])}
        for name, alert in alerts.items()
        if alert is not None
    ]
    return pa.Table.from_pylist(rows, _MATCHED)
