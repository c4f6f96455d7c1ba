"""Superset's settings, loaded through SUPERSET_CONFIG_PATH in Superset's own environment.

Everything that an operator may set comes from Logster's settings (``LOGSTER_*``); see docs/dashboards.md.
"""

from pathlib import Path

import duckdb_engine

from logster.superset_home import sign_in, superset_home
from pipelines.locked_lake import LockedLake, check_reads_only
from pipelines.settings import load_settings

_settings = load_settings()
_home = superset_home(_settings)

SECRET_KEY = sign_in(_settings).secret_key
DATA_DIR = str(_home)
SQLALCHEMY_DATABASE_URI = f"sqlite:///{_home / 'superset.db'}?check_same_thread=false"
SQLALCHEMY_EXAMPLES_URI = SQLALCHEMY_DATABASE_URI  # never loaded; the default would name a file in the home folder
APP_NAME = "Logster"
LOG_LEVEL = "WARNING"
ENABLE_TIME_ROTATE = False
FEATURE_FLAGS = {"DASHBOARD_RBAC": True, "ALERT_REPORTS": False, "ESCAPE_MARKDOWN_HTML": True}
DASHBOARD_AUTO_REFRESH_MODE = "fetch"
FAB_API_SWAGGER_UI = False

# a session lives as long as a shift; plain http, since it listens on this machine only
PERMANENT_SESSION_LIFETIME = 12 * 3600
SESSION_COOKIE_SAMESITE = "Lax"
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        # nothing from elsewhere: no maps, no fonts, and no pixel that tells Scarf of each page
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": False,
}

# "Last day" is the last 24 hours; by default it ends at midnight
DEFAULT_RELATIVE_START_TIME = "now"
DEFAULT_RELATIVE_END_TIME = "now"

# the engine itself has whole units only
TIME_GRAIN_ADDONS = {"PT5M": "5 minutes", "PT15M": "15 minutes"}
TIME_GRAIN_ADDON_EXPRESSIONS = {
    "duckdb": {
        "PT5M": "TIME_BUCKET(INTERVAL '5 minutes', {col})",
        "PT15M": "TIME_BUCKET(INTERVAL '15 minutes', {col})",
    }
}

# told apart by people who see red and green alike, in dark and light (Okabe and Ito 2008)
EXTRA_CATEGORICAL_COLOR_SCHEMES = [
    {
        "id": "logster",
        "label": "Logster",
        "description": "Okabe-Ito",
        "isDefault": True,
        "colors": ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999"],
    }
]

_LAKE_URI = "duckdb:///:memory:lake"
_views = {
    path.stem: path.read_text(encoding="utf-8") for path in sorted(Path(__file__).with_name("views").glob("*.sql"))
}
_lake: LockedLake | None = None


class _ReadingCursor(duckdb_engine.CursorWrapper):
    """Runs nothing but SELECT, whatever Superset's own check lets through."""

    def __init__(self, connection: object, wrapper: duckdb_engine.ConnectionWrapper) -> None:
        super().__init__(connection, wrapper)
        self._connection = connection

    def execute(self, statement: str, parameters: object = None, context: object = None) -> None:
        check_reads_only(self._connection, statement)
        super().execute(statement, parameters, context)


class _ReadingConnection(duckdb_engine.ConnectionWrapper):
    def __init__(self, connection: object) -> None:
        super().__init__(connection)
        self._connection = connection

    def cursor(self) -> _ReadingCursor:
        return _ReadingCursor(self._connection, self)


def _connect() -> _ReadingConnection:
    global _lake
    if _lake is None:
        _lake = LockedLake(_settings.lake_path, _views, api_url=_settings.api_address)
    return _ReadingConnection(_lake.cursor())


def DB_CONNECTION_MUTATOR(uri, params, username, security_manager, source):  # noqa: ANN001, ANN201 - Superset's name
    """Give the embedded lake a connection of this process's own DuckDB; leave every other database alone."""
    if str(uri) == _LAKE_URI:
        params.pop("connect_args", None)
        params["creator"] = _connect
    return uri, params
