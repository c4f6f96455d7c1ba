"""`logster doctor`: whether everything that Logster needs is there, and what to do where it is not.

It changes nothing: a missing lake, registry or JAR that the first start makes or fetches is no problem.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
from deltalake import DeltaTable
from rich.table import Table

from logster.display import ERRORS, OUTPUT, plain
from logster.services import SUPERSET, port_problems
from pipelines.errors import LogsterError
from pipelines.jars import JARS, jar_conf
from pipelines.java import find_java_home
from pipelines.java_process import bare_java
from pipelines.lake_reader import delta_table
from pipelines.schemas.tables import TABLES
from pipelines.settings import Settings
from pipelines.sources.kafka_client import ask_brokers
from pipelines.sources.mapping import load_mapping

__all__ = ["CHECKS", "Finding", "examine"]

_GIB = 1 << 30
_SHOWN_TOPICS = 5
_LEAST_DISK = 5 * _GIB
_BESIDE_SPARK = 5 * _GIB // 2  # Python workers with the models, API, Dagster, MLflow, Superset
_MEMORY_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": _GIB, "t": 1 << 40}


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        what: how it stands.
        remedy: what to do; None where nothing needs to be done.
    """

    what: str
    remedy: str | None = None


def examine(settings: Settings) -> bool:
    """Check everything and print a row for each; True where there is no problem."""
    table = Table(title="Logster's needs", title_justify="left")
    for name in ("check", "", "found", "what to do"):
        table.add_column(name, overflow="fold")
    is_well = True
    for name, check in CHECKS.items():
        with ERRORS.status(f"checking {name}"):
            finding = _checked(check, settings)
        is_well = is_well and finding.remedy is None
        state = "[green]ok[/]" if finding.remedy is None else "[bold red]problem[/]"
        table.add_row(name, state, plain(finding.what), plain(finding.remedy or ""))
    OUTPUT.print(table)
    return is_well


def _checked(check: Callable[[Settings], Finding], settings: Settings) -> Finding:
    try:
        return check(settings)
    except LogsterError as error:
        return Finding("cannot be used", str(error))
    except Exception as error:  # whatever it is, the other checks are wanted, too
        return Finding(f"{type(error).__name__}: {error}", "please report this")


def _check_java(settings: Settings) -> Finding:
    if settings.spark_remote:
        return Finding(f"not needed: Spark is at {settings.spark_remote}")
    home = find_java_home(settings.java_home)
    answer = subprocess.run([str(home / "bin" / "java"), "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "([^"]+)"', answer.stderr + answer.stdout)
    if answer.returncode or not version:
        return Finding(f"{home} does not run", "install Java 17 or newer, or set LOGSTER_JAVA_HOME to one")
    return Finding(f"{version.group(1)} in {home}")


def _check_jars(settings: Settings) -> Finding:
    if settings.spark_remote:
        return Finding(f"not needed: Spark is at {settings.spark_remote}")
    files = jar_conf().get("spark.jars")
    if files:
        return Finding(f"{len(files.split(','))} files in {Path(files.split(',')[0]).parent}")
    group, name, version = JARS[0].split(":")
    address = f"https://repo1.maven.org/maven2/{group.replace('.', '/')}/{name}/{version}/{name}-{version}.pom"
    try:
        answer = httpx.head(address, timeout=10, follow_redirects=True)
    except httpx.HTTPError as error:
        found = f"not fetched yet, and repo1.maven.org does not answer ({type(error).__name__})"
    else:
        if answer.is_success:
            return Finding("not fetched yet; Maven Central has them, and the first start fetches them")
        found = f"not fetched yet, and repo1.maven.org answers {answer.status_code}"
    return Finding(found, "start once with access to Maven Central, or through Spark's own ~/.m2 or Ivy settings")


def _check_ports(settings: Settings) -> Finding:
    problems = port_problems(settings)
    if problems:
        return Finding("; ".join(problems), "stop what uses them (a running `logster up`?), or set others")
    return Finding(
        f"{settings.api_port}, {settings.dagster_port}, {settings.mlflow_port}, {settings.superset_port} are free"
    )


def _check_lake(settings: Settings) -> Finding:
    place = settings.lake_path
    if "://" not in place:
        there = next(folder for folder in (Path(place), *Path(place).parents) if folder.exists())
        if not there.is_dir() or not os.access(there, os.R_OK | os.W_OK | os.X_OK):
            return Finding(f"{there} cannot be read and written", "set LOGSTER_LAKE to a folder of your own")
    n_tables = 0
    for name, table in TABLES.items():
        found = delta_table(settings, name)
        if found is None:
            continue
        n_tables += 1
        if missing := set(table.schema.names) - _columns(found):
            return Finding(
                f"table {name} lacks {', '.join(sorted(missing))}", "set LOGSTER_LAKE to a new place, or move it away"
            )
    return Finding(
        f"{n_tables} of {len(TABLES)} tables in {place}" if n_tables else f"{place} is made by the first run"
    )


def _columns(table: DeltaTable) -> set[str]:
    return {field["name"] for field in json.loads(table.schema().to_json())["fields"]}


def _check_kafka(settings: Settings) -> Finding:
    if not settings.kafka_servers:
        return Finding("no Kafka source (LOGSTER_KAFKA_SERVERS is not set)")
    if settings.spark_remote:
        return Finding(f"not asked: the Spark at {settings.spark_remote} speaks to the brokers")
    conf = jar_conf()
    if "spark.jars" not in conf:
        return Finding("not asked: Kafka's client is among the JARs that the first start fetches")
    with bare_java(settings.java_home, conf) as jvm:
        brokers = ask_brokers(jvm, settings)
    if not brokers.topics:
        return Finding(
            f"cluster {brokers.cluster_id} answers, and no topic matches {settings.kafka_topics}",
            "none needs to be there yet; check LOGSTER_KAFKA_TOPICS and what the user may see if one should be",
        )
    shown = ", ".join(brokers.topics[:_SHOWN_TOPICS]) + (" …" if len(brokers.topics) > _SHOWN_TOPICS else "")
    return Finding(f"cluster {brokers.cluster_id} answers; {len(brokers.topics)} topics to read: {shown}")


def _check_alert_brokers(settings: Settings) -> Finding:
    if not settings.alerts_kafka_servers:
        return Finding("changes of alerts go nowhere (LOGSTER_ALERTS_KAFKA_SERVERS is not set)")
    from pipelines.sinks.kafka_client import ask_for_topic

    return Finding(f"topic {settings.alerts_topic} answers, with {ask_for_topic(settings)} partitions")


def _check_mappings(settings: Settings) -> Finding:
    mappings = [load_mapping(file) for file in settings.delta_mapping_files]
    if not mappings:
        return Finding("no Delta tables to read (LOGSTER_DELTA_SOURCES is not set)")
    shown = ", ".join(f"{mapping.name} of {mapping.table}" for mapping in mappings)
    return Finding(f"{shown}: whether they fit is told at start, by Spark")


def _check_registry(settings: Settings) -> Finding:
    from models.registry import Registry, shipped_weights  # takes seconds
    from models.weights import load_model
    from pipelines.schemas.telemetry import PLATFORMS

    uri = settings.tracking_uri
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        for platform in PLATFORMS:
            load_model(shipped_weights(platform), platform=platform)
        return Finding("empty; the first run puts the shipped models in, and they load")
    champions = Registry(settings).champions()
    if missing := set(PLATFORMS) - set(champions):
        return Finding(
            f"no champion for {', '.join(sorted(missing))}",
            "`logster models promote NAME VERSION`; a run seeds an empty one",
        )
    return Finding(", ".join(f"{ref.name} version {ref.version}" for ref in champions.values()) + " load")


def _check_sign_in(settings: Settings) -> Finding:
    from api.access.provider import read_provider
    from api.access.provider_keys import fetch_keys

    provider = read_provider(settings)
    if provider is None:
        return Finding("the API takes keys only (LOGSTER_OIDC_ISSUER is not set)")
    return Finding(f"{provider.issuer} answers, with {len(fetch_keys(provider))} keys that tokens are checked by")


def _check_superset(settings: Settings) -> Finding:
    if "://" in settings.lake:
        return Finding("its dashboards read no lake on an object store; docs/dashboards.md has other engines")
    lock = SUPERSET.with_name("requirements.lock")
    made_of = SUPERSET.parent.parent / ".venv-superset" / lock.name
    if made_of.exists() and made_of.read_bytes() == lock.read_bytes():
        return Finding(f"its environment is ready in {made_of.parent}")
    return Finding("`logster up` makes its environment (0.8 GB, from PyPI) and goes on without where it cannot")


def _check_memory(settings: Settings) -> Finding:
    available = _available_memory()
    if available is None:
        return Finding("cannot be told on this system")
    heap = 0 if settings.spark_remote else _bytes_of(settings.spark_driver_memory)
    found = f"{available / _GIB:.1f} GiB free"
    if available < heap + _BESIDE_SPARK:
        wanted = (heap + _BESIDE_SPARK) / _GIB
        return Finding(found, f"{wanted:.1f} GiB are wanted: end other programs, or lower LOGSTER_SPARK_DRIVER_MEMORY")
    return Finding(found)


def _check_disk(settings: Settings) -> Finding:
    if "://" in settings.lake:
        return Finding("the lake is not on this machine")
    path = Path(settings.lake_path)
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    found = f"{free / _GIB:.1f} GiB free at {there}"
    if free < _LEAST_DISK:
        return Finding(found, f"make room, or set LOGSTER_LAKE to a disk with {_LEAST_DISK / _GIB:.0f} GiB or more")
    return Finding(found)


def _available_memory() -> int | None:
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found.group(1)) * 1024 if found else None


def _bytes_of(size: str) -> int:
    """A heap's size as Java writes it (``3g``, ``512m``); a bare number is MiB, as Spark reads it."""
    found = re.fullmatch(r"(\d+)\s*([kmgt]?)b?", size.strip().lower())
    if found is None:
        raise LogsterError(f"LOGSTER_SPARK_DRIVER_MEMORY is '{size}': write it as 3g or 512m")
    return int(found.group(1)) * _MEMORY_UNITS[found.group(2) or "m"]


CHECKS: dict[str, Callable[[Settings], Finding]] = {
    "Java": _check_java,
    "JARs": _check_jars,
    "ports": _check_ports,
    "lake": _check_lake,
    "Kafka": _check_kafka,
    "alerts": _check_alert_brokers,
    "mappings": _check_mappings,
    "registry": _check_registry,
    "sign-in": _check_sign_in,
    "Superset": _check_superset,
    "memory": _check_memory,
    "disk": _check_disk,
}
