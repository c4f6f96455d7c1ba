"""A Java with Spark's class path and further JARs, without a Spark session: to resolve JARs, or to ask Kafka's brokers."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pyspark import SparkConf
from pyspark.java_gateway import launch_gateway

from pipelines.java import find_java_home

__all__ = ["bare_java"]

_ENDS_WITHIN_SECONDS = 10


@contextmanager
def bare_java(java_home: str | None, conf: Mapping[str, str]) -> Iterator[Any]:
    """Start one and give py4j's view of it; it ends with the block.

    Args:
        java_home: Java to use; default as for Spark.
        conf: Spark's settings, such as those that name JARs (`pipelines.jars.jar_conf`).

    Raises:
        SessionError: there is no Java.
    """
    os.environ["JAVA_HOME"] = str(find_java_home(java_home))
    told = SparkConf(loadDefaults=False)
    for key, value in conf.items():
        told.set(key, value)
    gateway = launch_gateway(told, popen_kwargs={"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL})
    process: subprocess.Popen[bytes] = gateway.proc
    try:
        yield gateway.jvm
    finally:
        gateway.shutdown()
        if process.stdin:
            process.stdin.close()  # what it waits for
        try:
            process.wait(_ENDS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
