"""What lies behind an alert, as the API gives it: events, processes, windows."""

from datetime import datetime
from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel, Field, create_model

from pipelines.schemas.telemetry import EVENTS

__all__ = ["AlertEvent", "AlertEventPage", "ProcessNode", "ProcessTree", "StixBundle", "Timeline", "TimelineWindow"]


def _python_type(kind: pa.DataType) -> Any:  # noqa: ANN401 - a type
    if pa.types.is_map(kind):
        return dict[str, str | None]
    if pa.types.is_list(kind):
        return list[_python_type(kind.value_type)]  # type: ignore[misc]  # known only when it runs
    tests = {
        pa.types.is_string: str,
        pa.types.is_integer: int,
        pa.types.is_boolean: bool,
        pa.types.is_timestamp: datetime,
    }
    return next(found for test, found in tests.items() if test(kind))


def _as_fields(schema: pa.Schema) -> dict[str, Any]:
    """A table's declared columns as a model's fields, with what they mean."""
    return {
        column.name: (
            _python_type(column.type) if not column.nullable else _python_type(column.type) | None,
            Field(description=column.metadata[b"doc"].decode()),
        )
        for column in schema
    }


_Event: Any = create_model("_Event", **_as_fields(EVENTS))


class AlertEvent(_Event):
    """An event behind an alert, with all its columns."""

    is_contributing: bool = Field(description="it is one of the alert's contributing events")
    weight: float | None = Field(description="how much it raised the score; null where it is not one of these")


class AlertEventPage(BaseModel):
    """One page of events: the contributing ones, heaviest first, then the others of the alert's span by time."""

    events: list[AlertEvent]
    next_cursor: str | None = Field(description="pass it as `cursor` for the next page; null on the last")


class ProcessNode(BaseModel):
    """A process that acted, was a parent, or was acted upon in the alert's span."""

    id: str = Field(description="its `process_key`, or what else tells it apart")
    parent_id: str | None = Field(description="`id` of its parent; null for a root, and where the parent is not shown")
    depth: int = Field(description="links up to its root")
    pid: int | None
    name: str | None = Field(description="file name of its image")
    path: str | None = Field(description="path of its image")
    command_line: str | None
    user: str | None
    is_contributing: bool = Field(description="a contributing event is its doing, or was done to it")
    first_seen: datetime = Field(description="first event of the span that names it (UTC)")
    n_events: int = Field(description="events of the span that are its doing")


class ProcessTree(BaseModel):
    """Processes from the roots down: a parent comes before its children."""

    alert_id: str
    nodes: list[ProcessNode]
    n_processes: int = Field(description="processes found")
    is_cut: bool = Field(description="there are more than are shown")


class TimelineWindow(BaseModel):
    """A window of the alert's endpoint."""

    window_start: datetime
    window_end: datetime
    attack_prob: float = Field(description="probability that the window holds an attack, 0 to 1")
    verdict: str = Field(description="`benign` or `attack`")
    model_name: str
    model_version: str
    is_in_alert: bool = Field(description="it is one of the windows that raised the alert")


class Timeline(BaseModel):
    """Windows by time."""

    alert_id: str
    windows: list[TimelineWindow]
    threshold: float = Field(description="least `attack_prob` that raises an alert")
    is_cut: bool = Field(description="there are later ones that are not shown")


class StixBundle(BaseModel):
    """A STIX 2.1 bundle."""

    type: Literal["bundle"]
    id: str
    objects: list[dict[str, Any]] = Field(description="by STIX 2.1; what an object may hold depends on its `type`")
