"""What runs share: the lake, opened through Spark only when a run asks for it."""

from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr
from pyspark.sql import SparkSession

from pipelines.lake import Lake
from pipelines.session import start_session
from pipelines.settings import Settings, load_settings

__all__ = ["LakeResource"]


class LakeResource(dg.ConfigurableResource[Lake]):
    """The lake that the settings name.

    A run that only looks at tables without Spark starts none; the assets of one run share one session.
    """

    _own_session: SparkSession | None = PrivateAttr(default=None)

    @property
    def settings(self) -> Settings:
        """The settings, read late: importing definitions reads no environment."""
        return load_settings()

    def opened(self) -> Lake:
        """The lake with all its tables; joins the session that runs, or starts one."""
        session = SparkSession.getActiveSession()
        if session is None:
            session = self._own_session = start_session(self.settings, app_name="logster-dagster")
        lake = Lake(session, self.settings)
        if "://" not in self.settings.lake:
            Path(self.settings.lake).mkdir(parents=True, exist_ok=True)
        lake.create_tables()
        return lake

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Stop the session that the run started, and no other."""
        if self._own_session is not None:
            self._own_session.stop()
            self._own_session = None
