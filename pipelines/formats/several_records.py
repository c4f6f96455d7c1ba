r"""Whether a text that should be one record holds another one, which its parser would lose without a word.

Told by what a later line begins with; what only looks so within a message is refused with it, which loses nothing.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

__all__ = ["holds_several_records"]

# The quantifiers are possessive (+), so that a megabyte of blanks is passed once.
_OBJECTS = r"\}[ \t\r]*+\n\s*+\{"
_AUDIT = r"(?:node=\S++ )?type=\w++ msg=audit\("
# a header of RFC 5424 or 3164, or of a file with times of either kind
_SYSLOG = (
    r"(?:\d{1,7} (?=<))?(?:<\d{1,3}> ?(?:1 |[A-Z][a-z]{2} |\d{4}-)|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d |"
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d) )"
)
_LINE = f"(?:{_AUDIT}|{_SYSLOG})"


def holds_several_records(record: Column) -> Column:
    """Say whether a second JSON object, audit record or line of syslog begins on a line of its own; never null.

    In one record it would be lost without a word: parsers read the first JSON object and stop, auditd's pairs of two
    records would run into one, and a line of syslog would be part of the message of the one before.
    """
    has_lines = F.contains(record, F.lit("\n"))
    of_objects = F.startswith(record, F.lit("{")) & F.rlike(record, F.lit(_OBJECTS))
    of_lines = F.rlike(record, F.lit(rf"\A{_LINE}")) & F.rlike(record, F.lit(rf'\n(?:{_LINE}|\{{")'))
    return F.coalesce(has_lines & (of_objects | of_lines), F.lit(False))
