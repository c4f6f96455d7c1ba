"""A lake whose process ends in the middle of its work."""

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession

from pipelines.lake import Lake
from pipelines.settings import Settings


class Killed(BaseException):
    """Stands for the end of the process."""


class MortalLake(Lake):
    """A lake whose process ends before its n-th write, or before the first of a kind (`append events`)."""

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        super().__init__(spark, settings)
        self.ends_before: int | None = None
        self.ends_before_step: str | None = None
        self.writes: list[str] = []

    def append(self, name: str, rows: DataFrame, *, app_id: str | None = None, version: int | None = None) -> None:
        self._write(f"append {name}")
        super().append(name, rows, app_id=app_id, version=version)

    def delta(self, name: str) -> DeltaTable:
        self._write(f"change {name}")
        return super().delta(name)

    def _write(self, what: str) -> None:
        if len(self.writes) + 1 == self.ends_before or what == self.ends_before_step:
            raise Killed(what)
        self.writes.append(what)
