"""Every error that leaves the package; each names the thing, the place and the way out.

LogsterError
├── SettingsError    a setting cannot be used
├── SessionError     Spark, Java or a JAR cannot be had
├── LakeError        a table is missing, foreign or of another shape
├── IngestError      a file is refused at the door
├── SourceError      a source cannot be reached, refuses us, or has lost what was not read yet
├── SinkError        what alerts are sent to cannot be reached, or refuses us
├── CheckpointError  a checkpoint was moved, lost or belongs to another lake
├── GraphError       a window graph contradicts itself
├── ModelError       a model cannot be loaded, trained or registered
├── RuleError        a detection rule cannot be used
├── QueryError       a caller's request cannot be answered (bad filter, unknown alert)
└── TransitionError  an alert may not go from its status to the wanted one

A bad record is never an exception: it becomes a row of ``quarantine`` with its reason.
"""

from pathlib import Path

__all__ = [
    "CheckpointError",
    "GraphError",
    "IngestError",
    "LakeError",
    "LogsterError",
    "ModelError",
    "QueryError",
    "RuleError",
    "SessionError",
    "SettingsError",
    "SinkError",
    "SourceError",
    "TransitionError",
]


class LogsterError(Exception):
    """Base of all errors that a caller may show to a person as one line."""


class SettingsError(LogsterError):
    """A setting cannot be used; names the variable and what it takes."""


class SessionError(LogsterError):
    """Spark, Java or a JAR cannot be had; says what to install or set."""


class LakeError(LogsterError):
    """A table is missing, foreign or of another shape."""


class IngestError(LogsterError):
    """A file is refused at the door; names the file and the reason."""


class SourceError(LogsterError):
    """A source cannot be reached, refuses us, or has lost what was not read yet; names it and the setting to look at."""


class SinkError(LogsterError):
    """What alerts are sent to cannot be reached, or refuses us; names it and the setting to look at."""


class CheckpointError(LogsterError):
    """A checkpoint was moved, lost or belongs to another lake."""


class GraphError(LogsterError):
    """A window graph contradicts itself; names the window."""


class ModelError(LogsterError):
    """A model cannot be loaded, trained or registered; names it."""


class RuleError(LogsterError):
    """A detection rule cannot be used; says where it is."""

    def __init__(self, problem: str, *, path: Path) -> None:
        super().__init__(f"{problem} in {path}")
        self.path = path


class QueryError(LogsterError):
    """A caller's request cannot be answered; says which part and what it takes."""


class TransitionError(LogsterError):
    """An alert may not go from its status to the wanted one; names those that it may go to."""
