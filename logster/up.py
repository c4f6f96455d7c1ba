"""`logster up`: the pipeline in this process, API, Dagster, MLflow and Superset beside it; shown together, stopped together.

What runs is in ``logster.parts``, what the other processes are in ``logster.services``.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from types import FrameType
from typing import Any

import structlog

from api.access.exposure import check_exposure
from logster.background import in_background
from logster.children import Children
from logster.display import address_table, alerts_table
from logster.guard import descendants, end_all
from logster.parts import Parts
from logster.queue import newest_alerts
from logster.screen import Screen
from logster.services import check_ports, log_folder
from pipelines.errors import LogsterError
from pipelines.settings import Settings

__all__ = ["run_everything"]

_LOG = structlog.get_logger("logster.up")
_PAUSE_SECONDS = 0.2
_SHOWN_ALERTS = 50
_SERVICES_WITHIN_SECONDS = 180.0
_ALERTS_WITHIN_SECONDS = 1800.0
_BATCH_WITHIN_SECONDS = 30.0
_REPORTS_WITHIN_SECONDS = 5.0


def run_everything(settings: Settings, *, demo: bool, leave_after_start: bool) -> None:
    """Run until Ctrl-C or SIGTERM, or with ``leave_after_start`` until alerts are shown and everything answers.

    Args:
        settings: of the lake and the ports.
        demo: bring sample telemetry and keep it coming.
        leave_after_start: end once there is something to see.

    Raises:
        LogsterError: the API needs a key and there is none, a port is taken, the pipeline failed, also while it was being
            stopped, or ``leave_after_start`` waited in vain.
    """
    who_may = check_exposure(settings)
    check_ports(settings)
    stop = threading.Event()
    with _stop_signals(stop), Screen(settings) as screen:
        children = Children(log_folder(settings))
        parts = Parts(settings, children, stop, demo=demo)
        try:
            _Watch(settings, screen, children, parts, who_may).until(stop, leave_after_start=leave_after_start)
        finally:
            stop.set()
            failure = _finish(screen, children, parts)
        if failure:  # what failed before the stop has been raised by now
            raise failure


class _Watch:
    """Looks after everything and shows what is new."""

    def __init__(self, settings: Settings, screen: Screen, children: Children, parts: Parts, who_may: str) -> None:
        self._settings, self._screen, self._children, self._parts = settings, screen, children, parts
        self._who_may = who_may
        self._began = time.monotonic()
        self._alert_ids: set[str] = set()
        self._n_windows_seen = -1
        self._shows_addresses = False
        self._failed: set[str] = set()

    def until(self, stop: threading.Event, *, leave_after_start: bool) -> None:
        """Look until told to stop, or until there is something to see."""
        while not stop.wait(_PAUSE_SECONDS):
            if failure := _failure_of(self._parts):
                raise failure
            if self._parts.pipeline.done() and not stop.is_set():
                raise LogsterError("the stream has ended, and nobody asked it to; start again")
            self._warn_of_failures()
            self._show_new_alerts()
            if not self._shows_addresses and self._has_started():
                self._show_addresses()
            self._tell()
            if leave_after_start and self._may_leave():
                return

    def _warn_of_failures(self) -> None:
        """What runs beside the pipeline may fail, and the pipeline goes on; each failure is told once."""
        for child in self._children.take_ended():
            self._screen.warn(child.obituary())
        beside: dict[str, Future[Any]] = {**self._parts.services, "the sample telemetry": self._parts.sample_stream}
        for name, part in beside.items():
            if name not in self._failed and part.done() and (error := part.exception()):
                self._failed.add(name)
                self._screen.warn(f"{name} failed and is not there any more: {_in_one_line(error)}")

    def _show_new_alerts(self) -> None:
        progress = self._parts.progress
        n_windows = progress.n_windows if progress else 0
        if n_windows == self._n_windows_seen:
            return
        self._n_windows_seen = n_windows
        new = [
            alert
            for alert in newest_alerts(self._settings, tenant=None, limit=_SHOWN_ALERTS)
            if alert["alert_id"] not in self._alert_ids
        ]
        if new:
            title = "New alerts" if self._alert_ids else "Alerts, newest first"
            self._screen.show(alerts_table(new, title=title))
            self._note("alerts shown")
        self._alert_ids |= {alert["alert_id"] for alert in new}

    def _has_started(self) -> bool:
        """Everything answers or has been waited for long enough, and what there was to read has been read."""
        is_late = time.monotonic() - self._began > _SERVICES_WITHIN_SECONDS
        if not is_late and not all(service.done() for service in self._parts.services.values()):
            return False
        progress = self._parts.progress
        return bool(self._alert_ids) or bool(progress and progress.n_windows) or is_late

    def _show_addresses(self) -> None:
        self._shows_addresses = True
        states = {name: self._state(name) for name in self._parts.services}
        self._screen.show(address_table(self._settings, states))
        self._screen.say(self._who_may)
        self._note("addresses shown")

    def _state(self, name: str) -> str:
        service = self._parts.services[name]
        if not service.done():
            return "starting"
        return "up" if not service.exception() and service.result() else "down"

    def _may_leave(self) -> bool:
        api = self._parts.services["API"]
        if api.done() and not api.result():
            raise LogsterError(f"the API did not start; see {log_folder(self._settings)}")
        if time.monotonic() - self._began > _ALERTS_WITHIN_SECONDS:
            raise LogsterError(f"no alert within {_ALERTS_WITHIN_SECONDS:.0f} s")
        return self._shows_addresses and bool(self._alert_ids) and api.done()

    def _tell(self) -> None:
        waiting = [name for name, part in self._parts.preparing.items() if not part.done()]
        progress = self._parts.progress
        if progress is None:
            others = [name for name, service in self._parts.services.items() if not service.done()]
            self._screen.tell(f"starting {', '.join([*waiting, *others, 'the stream'])}")
            return
        doing = progress.doing if not self._shows_addresses else f"streaming: {progress.doing}"
        counts = (
            f"{progress.n_records:,} records · {progress.n_events:,} events · "
            f"{progress.n_windows:,} windows · {len(self._alert_ids):,} alerts"
        )
        self._screen.tell(doing, detail=f"{counts} · Ctrl-C stops" if self._shows_addresses else counts)

    def _note(self, what: str) -> None:
        _LOG.debug(what, seconds=round(time.monotonic() - self._began, 1))


def _failure_of(parts: Parts) -> LogsterError | None:
    """What the pipeline, which all else is for, has failed by; None where it has not."""
    for part in (*parts.preparing.values(), parts.pipeline):
        error = part.exception() if part.done() else None
        if isinstance(error, LogsterError):
            return error
        if error:
            return LogsterError(f"the pipeline failed: {_in_one_line(error)}")
    return None


def _in_one_line(error: BaseException) -> str:
    first_line = next(iter(str(error).strip().splitlines()), "")
    return first_line if isinstance(error, LogsterError) else f"{type(error).__name__}: {first_line}".rstrip(": ")


def _finish(screen: Screen, children: Children, parts: Parts) -> LogsterError | None:
    """Stop the stream, then what reads its tables, then Java; whatever is left after that, by force.

    Returns:
        What the pipeline has failed by, up to its end.
    """
    screen.tell("stopping: finishing the batch in flight")
    wait([parts.pipeline], timeout=_BATCH_WITHIN_SECONDS)
    failure = _failure_of(parts)  # now, for what is cut off below fails, too
    if not parts.pipeline.done():
        screen.warn("the batch in flight takes long and is left; the next start repeats it")
    screen.tell("stopping API, Dagster, MLflow and Superset")
    try:
        in_background("last reports", parts.close).result(timeout=_REPORTS_WITHIN_SECONDS)
    except Exception as error:  # the rows are written; only Dagster's pages lack them
        screen.warn(f"Dagster was not told of all that was written: {_in_one_line(error)}")
    children.stop()
    screen.tell("stopping Java")
    from logster.runtime import end_java

    end_java()
    end_all(grace_seconds=2.0)
    left = descendants(os.getpid())
    screen.say(f"stopped; still running: {left}" if left else "stopped; nothing is left running")
    return failure


@contextmanager
def _stop_signals(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM set ``stop``; a second one ends the process at once, and the guards end the rest."""

    def heed(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    before: dict[int, Any] = {number: signal.signal(number, heed) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
