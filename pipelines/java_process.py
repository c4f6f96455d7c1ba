"""Java as a process: started with Spark's class path and further JARs, with a Spark session in it or without, and ended."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pyspark import SparkConf
from pyspark.java_gateway import launch_gateway

from pipelines.java import find_java_home

__all__ = ["bare_java", "end_process", "launch_java"]


def launch_java(conf: Mapping[str, str], **popen: Any) -> Any:  # noqa: ANN401 - py4j has no types
    """Start the Java of ``JAVA_HOME`` and give py4j's gateway to it.

    Args:
        conf: Spark's settings, such as those that name JARs (`pipelines.jars.jar_conf`).
        popen: what `subprocess.Popen` takes, such as where its errors go.
    """
    told = SparkConf(loadDefaults=False)
    for key, value in conf.items():
        told.set(key, value)
    return launch_gateway(told, popen_kwargs=popen)


def end_process(java: "subprocess.Popen[bytes]", *, patience_seconds: float = 10.0) -> None:
    """End a Java that was started by `launch_java`; one that does not go by itself is killed."""
    if java.stdin:
        java.stdin.close()  # what it waits for
    try:
        java.wait(patience_seconds)
    except subprocess.TimeoutExpired:
        java.kill()
        java.wait()


@contextmanager
def bare_java(java_home: str | None, conf: Mapping[str, str]) -> Iterator[Any]:
    """Start one without a Spark session, to resolve JARs or to ask Kafka's brokers; it ends with the block.

    Args:
        java_home: Java to use; default as for Spark.
        conf: see `launch_java`.

    Yields:
        py4j's view of it.

    Raises:
        SessionError: there is no Java.
    """
    os.environ["JAVA_HOME"] = str(find_java_home(java_home))
    gateway = launch_java(conf, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield gateway.jvm
    finally:
        gateway.shutdown()
        end_process(gateway.proc)
