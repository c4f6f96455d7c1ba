"""The API as a process of its own: ``python -m logster.serve``."""

import sys

import structlog
import uvicorn

from api.access.exposure import check_exposure
from api.app import create_app
from pipelines.errors import LogsterError
from pipelines.logs import configure_logs
from pipelines.settings import load_settings

__all__ = ["main"]


def main() -> None:
    """Serve until stopped; a setting that cannot be used is one line, not a traceback."""
    try:
        settings = load_settings()
        configure_logs(settings)
        who_may = check_exposure(settings)
        app = create_app(settings)
    except LogsterError as error:
        sys.exit(f"logster: {error}")
    structlog.get_logger("logster.api").info(who_may)
    uvicorn.run(
        app,
        host=settings.api_host,
        port=settings.api_port,
        log_level="info",
        server_header=False,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
