"""What Java threw, behind what py4j and PySpark make of it: the chain of causes, by class and message."""

import contextlib
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

__all__ = ["JavaCause", "first_line", "java_causes"]

_LONGEST_CHAIN = 20
_LONGEST_MESSAGE = 600


@dataclass(frozen=True)
class JavaCause:
    """One throwable of a chain.

    Attributes:
        classes: names of its class and the classes above it.
        message: its message in one line, without the stack that Spark puts into some.
    """

    classes: tuple[str, ...]
    message: str

    def is_a(self, name: str) -> bool:
        """Say whether it is of a class, by full name."""
        return name in self.classes

    @property
    def text(self) -> str:
        """Class and message."""
        return f"{self.classes[0].rsplit('.', 1)[-1]}: {self.message}"


def java_causes(error: Any) -> list[JavaCause]:  # noqa: ANN401 - an exception of Python's, or a throwable of Java's
    """The throwables behind an error, outermost first; empty where Java has none, or does not answer any more."""
    thrown = error  # of Java's: py4j gives an attribute of any name, so that none may be asked for
    if isinstance(error, BaseException):
        thrown = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    found: list[JavaCause] = []
    with contextlib.suppress(Exception):  # whatever it is: this only words another error
        while thrown is not None and len(found) < _LONGEST_CHAIN:
            found.append(JavaCause(_classes(thrown.getClass()), _in_one_line(thrown.getMessage() or "")))
            thrown = thrown.getCause()
    return found


def first_line(text: object) -> str:
    """First line of a text that is not blank."""
    return next((line.strip() for line in str(text).splitlines() if line.strip()), "")


def _in_one_line(message: str) -> str:
    lines = (line.strip() for line in message.splitlines())
    told = takewhile(lambda line: not line.startswith(("at ", "Caused by:", "Driver stacktrace:")), lines)
    return " ".join(line for line in told if line)[:_LONGEST_MESSAGE]


def _classes(java_class: Any) -> tuple[str, ...]:  # noqa: ANN401 - py4j's view of a class has no type
    names = []
    while java_class is not None:
        names.append(str(java_class.getName()))
        java_class = java_class.getSuperclass()
    return tuple(names)
