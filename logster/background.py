"""Work in threads that do not keep the process alive, with the time that each took at debug level."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

import structlog

__all__ = ["in_background"]

_LOG = structlog.get_logger("logster.up")
_P = ParamSpec("_P")
_T = TypeVar("_T")


def in_background(what: str, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
    """Call a function in a thread of its own; what it gives or raises is in the future.

    Unlike an executor's, the thread is not waited for when the process ends.
    """
    future: Future[_T] = Future()

    def work() -> None:
        began = time.monotonic()
        _LOG.debug("began", what=what)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            _LOG.debug("failed", what=what, seconds=round(time.monotonic() - began, 1))
            future.set_exception(error)
        else:
            _LOG.debug("done", what=what, seconds=round(time.monotonic() - began, 1))
            future.set_result(result)

    threading.Thread(target=work, name=what, daemon=True).start()
    return future
