"""The API as a process of its own: ``python -m logster.serve``."""

import uvicorn

from api.app import create_app
from pipelines.logs import configure_logs
from pipelines.settings import load_settings

__all__ = ["main"]


def main() -> None:
    """Serve until stopped."""
    settings = load_settings()
    configure_logs(settings)
    uvicorn.run(
        create_app(settings),
        host=settings.api_host,
        port=settings.api_port,
        log_level="info",
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
