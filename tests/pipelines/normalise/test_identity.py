"""Ids that records and events are known by."""

import hashlib

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines.normalise.identity import ID_DIGITS, content_id

pytestmark = pytest.mark.slow


def test_an_id_is_made_of_all_parts_that_are_there(spark: SparkSession) -> None:
    rows = [("ab", "c", "7"), ("a", "bc", "7"), ("ab", None, "7"), ("ab", "", "7"), ("", "ab", "7")]
    frame = spark.createDataFrame(rows, "first string, second string, number string")
    found = [row[0] for row in frame.select(content_id("first", F.col("second"), "number")).collect()]
    expected = [
        hashlib.sha256("\0".join(part for part in row if part is not None).encode()).hexdigest()[:ID_DIGITS]
        for row in rows
    ]
    assert found == expected
    assert len(set(found)) == len(rows)
