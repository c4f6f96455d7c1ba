"""Cutting a plan short: frames that later steps start from are computed once and forget what they were made of."""

from pyspark.sql import DataFrame

__all__ = ["settled"]


def settled(frame: DataFrame) -> DataFrame:
    """Compute a frame now and give its rows as a frame without a history.

    A persisted frame keeps its whole plan, and every plan built on it holds that plan again: nested a few times, Spark
    takes longer to optimise and print the plan than to run it, and in the end all of the heap. The rows lie in memory
    or on the executors' disks until nothing refers to them. Should an executor that holds some be lost, the step fails
    and is repeated as a whole, as after a crash.

    Args:
        frame: any frame that is small against the memory and scratch disk of the executors.
    """
    return frame.localCheckpoint(eager=True)
