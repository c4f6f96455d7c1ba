import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines.lineage import released_after, settled

pytestmark = pytest.mark.fast


def kept(spark: SparkSession) -> set[int]:
    """RDDs whose rows the session holds."""
    return set(spark.sparkContext._jsc.getPersistentRDDs())


def test_what_a_scope_settled_is_given_back_at_its_end_and_no_other(spark: SparkSession) -> None:
    outside = settled(spark.range(10))
    before = kept(spark)
    with released_after():
        outer = settled(spark.range(20))
        with released_after():
            inner = settled(outer.where("id < 5"))
            assert inner.count() == 5 and len(kept(spark) - before) == 2
        assert len(kept(spark) - before) == 1
        assert outer.agg(F.sum("id")).first()[0] == 190
    assert kept(spark) == before
    assert outside.count() == 10


@released_after()
def fails_in_the_middle(spark: SparkSession) -> None:
    settled(spark.range(10))
    raise ValueError("why it failed")


def test_a_step_that_fails_gives_back_as_well_and_says_why(spark: SparkSession) -> None:
    before = kept(spark)
    for _ in range(2):
        with pytest.raises(ValueError, match="why it failed"):
            fails_in_the_middle(spark)
    assert kept(spark) == before
