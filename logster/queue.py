"""The alert queue as a terminal shows it and works on it, and query results; without Spark."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError
from rich.table import Table

from api.changes import add_feedback, change_alert
from api.histories import histories_of
from api.schemas import AlertDetail, AlertPatch, Feedback, FeedbackRequest
from api.store import Store
from api.suppression_schemas import Suppression, SuppressionRequest
from api.suppressions import add_suppression, delete_suppression, list_suppressions
from logster.display import plain
from pipelines.alerting.lifecycle import AlertState
from pipelines.alerting.suppression import MATCHED_COLUMNS, matches
from pipelines.errors import LakeError, QueryError
from pipelines.lake_reader import delta_table
from pipelines.schemas.alerts import AlertStatus, FeedbackVerdict
from pipelines.settings import Settings

__all__ = [
    "change", "check_lake", "judge", "newest_alerts", "newest_suppressions", "query_table", "suppress", "unsuppress",
]  # fmt: skip

_SHOWN_ROWS = 1_000


def check_lake(settings: Settings) -> None:
    """Make sure that there is a lake to read; one on an object store is taken on trust.

    Raises:
        LakeError: there is none.
    """
    if "://" not in settings.lake and not Path(settings.lake).is_dir():
        raise LakeError(
            f"there is no lake at {settings.lake} (LOGSTER_LAKE); `logster ingest` and `logster run` make one"
        )


def newest_alerts(
    settings: Settings, *, tenant: str | None, limit: int, with_suppressed: bool = False
) -> list[dict[str, Any]]:
    """The newest alerts by their last window, as rows of ``alerts`` with status, assignee, page, `suppressed_by`, `…_until`.

    Args:
        settings: of the lake.
        tenant: only this one's.
        limit: so many at most.
        with_suppressed: those that are suppressed as well.
    """
    table = delta_table(settings, "alerts")
    if table is None:
        return []
    rows = table.to_pyarrow_table(filters=[("tenant", "=", tenant)] if tenant else None)
    store = Store(settings)
    quiet = _suppressed(rows, store)
    if not with_suppressed and quiet:
        rows = rows.filter(pc.invert(pc.is_in(rows["alert_id"], value_set=pa.array(list(quiet), pa.string()))))
    found: list[dict[str, Any]] = rows.sort_by([("last_seen", "descending"), ("alert_id", "ascending")]).slice(
        0, limit
    ).to_pylist()  # fmt: skip
    histories = histories_of(store.changes(), [alert["alert_id"] for alert in found])
    states = {alert_id: history[-1].state for alert_id, history in histories.items()}
    for alert in found:
        state = states.get(alert["alert_id"], AlertState())
        by = quiet.get(alert["alert_id"], {"suppression_id": None, "expires_at": None})
        alert |= {
            "status": str(state.status), "assignee": state.assignee,
            "suppressed_by": by["suppression_id"], "suppressed_until": by["expires_at"],
            "page": f"{settings.api_address}/ui/alerts/{alert['alert_id']}",
        }  # fmt: skip
    return found


def suppress(settings: Settings, given: dict[str, Any]) -> Suppression:
    """Make a suppression as ``POST /suppressions`` does.

    Args:
        settings: of the lake.
        given: members of its body; those that are None are left out.

    Raises:
        QueryError: a value cannot be used.
        LakeError: the lake cannot be read or written.
    """
    try:
        request = SuppressionRequest.model_validate({name: one for name, one in given.items() if one is not None})
    except ValidationError as error:
        raise _unusable(error) from None
    return add_suppression(Store(settings), request, now=datetime.now(UTC))[0]


def unsuppress(settings: Settings, suppression_id: str, *, actor: str) -> Suppression:
    """Take a suppression back as ``DELETE /suppressions/{id}`` does.

    Raises:
        QueryError: there is none of that id, or it stands in the file.
        LakeError: the lake cannot be read or written.
    """
    return delete_suppression(Store(settings), suppression_id, actor=actor, now=datetime.now(UTC))


def newest_suppressions(settings: Settings, *, tenant: str | None, limit: int) -> list[dict[str, Any]]:
    """Suppressions as ``GET /suppressions`` gives them, newest first.

    Raises:
        LakeError: the lake cannot be read.
    """
    page = list_suppressions(Store(settings), now=datetime.now(UTC), tenant=tenant, limit=limit)
    return [one.model_dump() for one in page.suppressions]


def _suppressed(alerts: Any, store: Store) -> dict[str, dict[str, Any]]:  # noqa: ANN401 - an Arrow table
    """Of each suppressed alert the suppression that ends last."""
    pairs = [
        one for one in matches(alerts.select(MATCHED_COLUMNS), store.queries.suppressions()) if not one["is_deleted"]
    ]
    pairs.sort(key=lambda one: (one["expires_at"], one["suppression_id"]))
    return {one["alert_id"]: one for one in pairs}


def change(
    settings: Settings, alert_id: str, status: AlertStatus, *, note: str | None, assignee: str | None, actor: str
) -> AlertDetail:
    """Change an alert as ``PATCH /alerts/{id}`` does.

    Args:
        settings: of the lake.
        alert_id: the alert's id, or as much of its beginning as no other has.
        status: where to.
        note: what to remember.
        assignee: who works on it from now on; None leaves that as it is.
        actor: who changes it.

    Raises:
        QueryError: a value cannot be used, or there is no such alert, or more than one.
        TransitionError: the alert may not go to that status.
        LakeError: the lake cannot be read or written.
    """
    given = {"status": status, "note": note, "actor": actor} | ({"assignee": assignee} if assignee is not None else {})
    try:
        wanted = AlertPatch.model_validate(given).wanted(actor)
    except ValidationError as error:
        raise _unusable(error) from None
    return change_alert(Store(settings), _whole_id(settings, alert_id), wanted, now=datetime.now(UTC))[0]


def judge(settings: Settings, alert_id: str, verdict: FeedbackVerdict, *, comment: str | None, actor: str) -> Feedback:
    """Record a verdict as ``POST /feedback`` does.

    Args:
        settings: of the lake.
        alert_id: as in `change`.
        verdict: whether the alert was right.
        comment: why.
        actor: who says so.

    Raises:
        QueryError: a value cannot be used, or there is no such alert, or more than one.
        LakeError: the lake cannot be read or written.
    """
    whole_id = _whole_id(settings, alert_id)
    try:
        request = FeedbackRequest(alert_id=whole_id, verdict=verdict, comment=comment, actor=actor)
    except ValidationError as error:
        raise _unusable(error) from None
    return add_feedback(Store(settings), request, now=datetime.now(UTC))[0]


def _whole_id(settings: Settings, given: str) -> str:
    """The id that begins with what was given; what begins none is given back, to be refused as an id."""
    table = delta_table(settings, "alerts")
    if table is None or not given:
        return given
    ids = table.to_pyarrow_table(columns=["alert_id"])["alert_id"]
    found: list[str] = ids.filter(pc.starts_with(ids, given)).to_pylist()
    if len(found) > 1 and given not in found:
        raise QueryError(f"{len(found)} alerts have an id that begins with '{given}'; give more of it")
    return found[0] if len(found) == 1 else given


def _unusable(error: ValidationError) -> QueryError:
    return QueryError("; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()))


def query_table(result: duckdb.DuckDBPyRelation) -> Table:
    """A query's rows as a table; says so where there are more than are shown."""
    table = Table()
    for name in result.columns:
        table.add_column(plain(name), overflow="fold")
    rows = result.fetchmany(_SHOWN_ROWS + 1)
    for row in rows[:_SHOWN_ROWS]:
        table.add_row(*["" if value is None else plain(str(value)) for value in row])
    if len(rows) > _SHOWN_ROWS:
        table.caption = f"first {_SHOWN_ROWS:,} rows; add LIMIT or aggregate"
    return table
