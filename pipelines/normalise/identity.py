"""Ids made of what they name: the same telemetry gives the same id, whoever reads it and however often."""

from pyspark.sql import Column
from pyspark.sql import functions as F

__all__ = ["ID_DIGITS", "content_id"]

ID_DIGITS = 32
"""Hexadecimal digits of an id. 128 bits: among the records of a year at 10 TB a day (some 2e13) two share one with a
probability below 1e-12. An id packs to half its digits at best and stands in ``raw`` once and in ``events`` three times,
which for records of 200 bytes is what decides how much is stored."""


def content_id(*parts: Column | str) -> Column:
    """SHA-256 of the parts with a null byte between them, cut to `ID_DIGITS`; null parts are left out."""
    return F.substring(F.sha2(F.concat_ws("\u0000", *parts), 256), 1, ID_DIGITS)
