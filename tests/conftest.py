from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from pipelines.schemas.tables import table_named
from pipelines.session import start_session
from pipelines.settings import Settings
from tests.kafka_broker import KafkaBroker

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One session for the whole run: UTC, two threads, one shuffle partition, no UI."""
    session = start_session(
        Settings(spark_master="local[2]", spark_driver_memory="2g", _env_file=None),
        app_name="logster-tests",
        overrides={
            "spark.sql.shuffle.partitions": "1",
            "spark.sql.adaptive.enabled": "false",
            # a test's frames are small: Java's second compiler costs more than it saves (85 to 57 seconds of processor
            # time for a first micro-batch). With one compiler there are 48 MB for its code, and once they are full the
            # rest of the run is interpreted
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=1g -XX:+UseSerialGC",
        },
    )
    yield session
    session.stop()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """One real broker for the whole run; tests make topics of their own."""
    broker = KafkaBroker(tmp_path_factory.mktemp("kafka"))
    yield broker
    broker.kill()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The development telemetry beside the checkout; tests that need it are skipped where it is not."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the development telemetry in ../shared/data")
    return SHARED_DATA


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a lake of the test's own."""
    return Settings(lake=str(tmp_path / "lake"), _env_file=None)


@pytest.fixture
def write(settings: Settings) -> Callable[..., None]:
    """Append rows to a table, from its declared schema."""

    def append(name: str, *rows: dict[str, Any]) -> None:
        table = table_named(name)
        new = pa.Table.from_pylist(list(rows), table.schema.remove_metadata())
        write_deltalake(f"{settings.lake}/{name}", new, mode="append", configuration=table.properties)

    return append
