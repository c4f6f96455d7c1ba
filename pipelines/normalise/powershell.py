"""PowerShell: which events there are, and what is to be had from their text only.

The classic log (400, 403, 600, 800) says everything in its message, or in ``param1`` to ``param3``; module logging
(4103) says whose it was in ``ContextInfo``. No process id is in any of them but the header's.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.normalise.kinds import Kind

__all__ = ["CLASSIC", "OPERATIONAL", "context_of", "details_of", "host_application", "host_path", "host_user"]

OPERATIONAL = (
    Kind("4103", "script", "pipeline_executed", {"script_text": "Payload"}, from_header=True),
    Kind("4104", "script", "script_block_created", {"script_text": "ScriptBlockText", "file_path": "Path"},
         from_header=True),
    Kind("4105", "script", "script_block_started", from_header=True),
    Kind("4106", "script", "script_block_ended", from_header=True),
)  # fmt: skip
CLASSIC = (
    Kind("800", "script", "pipeline_executed"),
    Kind("600", "script", "provider_started"),
    Kind("400", "script", "engine_started"),
    Kind("403", "script", "engine_stopped"),
)

# A message may be megabytes of anything, so each pattern is tried from one place and passes each character once: `(?>…)`
# and `*+` do not go back. Values end where the next name begins, for a command line may hold line ends.
_HOST_APPLICATION = r"^(?>[\s\S]*?Host ?Application ?= ?)([\s\S]*?)\n[^\S\n]*+Engine ?Version ?="
_USER = r"(?m)^[^\S\n]*+User(?:Id)? ?= ?([^\r\n]+)"
_DETAILS = r"\nDetails: ?\r?\n([\s\S]+)$"
_COMMAND = r"^Pipeline execution details for command line: ([\s\S]*?)\n[^\S\n]*+Context Information:"
_SPACE = " \t\n\x0b\f\r"  # what a pattern takes for white space
_EXECUTABLE = r'^\s*"?([A-Za-z]:\\[^"<>|*?]*?\.[eE][xX][eE])'


def context_of(data: Column, message: Column) -> Column:
    """The text of ``Name=value`` lines, wherever a shipper put it."""
    params = F.concat_ws("\n", data["param1"], data["param2"], data["param3"])
    return F.coalesce(data["ContextInfo"], message, F.when(F.length(params) > 0, params))


def host_application(context: Column) -> Column:
    """Command line of the process that runs PowerShell."""
    return _trimmed(_first(context, _HOST_APPLICATION))


def host_path(command_line: Column) -> Column:
    """Path of that process, where its command line begins with a whole one."""
    return _first(command_line, _EXECUTABLE)


def host_user(context: Column) -> Column:
    r"""Account that runs it, ``DOMAIN\name``."""
    return _trimmed(_first(context, _USER))


def details_of(data: Column, message: Column) -> Column:
    """What an 800 executed: the line as typed, then the commands that it came to."""
    command = _trimmed(_first(message, _COMMAND))
    whole = F.when(F.endswith(command, F.lit(".")), F.left(command, F.length(command) - 1)).otherwise(command)
    typed = F.coalesce(data["param1"], whole)
    done = F.coalesce(data["param3"], _first(message, _DETAILS))
    both = F.concat_ws("\n", F.when(F.length(F.trim(typed)) > 0, F.rtrim(typed)), done)
    return F.when(F.length(both) > 0, both)


def _first(text: Column, pattern: str) -> Column:
    found = F.regexp_extract(text, pattern, 1)
    return F.when(F.length(found) > 0, found)


def _trimmed(text: Column) -> Column:
    """Without white space at its end; null where nothing else is in it."""
    trimmed = F.rtrim(text, F.lit(_SPACE))
    return F.when(F.length(trimmed) > 0, trimmed)
