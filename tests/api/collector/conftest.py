import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from api.collector.app import create_collector
from pipelines.settings import Settings

TOKEN, OTHER_TOKEN = "acme-0123456789abcdef", "globex-0123456789abcdef"


@contextmanager
def served(settings: Settings) -> Iterator[httpx.Client]:
    """A collector behind a real server and socket, in a thread."""
    server = uvicorn.Server(uvicorn.Config(create_collector(settings), log_level="warning"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = listening.getsockname()[1]
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Splunk {TOKEN}"}, trust_env=False
            ) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def collector(settings: Settings) -> Iterator[Callable[..., httpx.Client]]:
    """Starts a collector over the landing zone of the test's own."""
    with ExitStack() as running:

        def start(**changed: object) -> httpx.Client:
            tokens = f"{TOKEN}=acme\n{OTHER_TOKEN}=globex"
            own = {"lake": settings.lake, "collector_tokens": tokens, "collector_commit_interval": 0, **changed}
            return running.enter_context(served(Settings(_env_file=None, **own)))

        yield start


@pytest.fixture
def landed(settings: Settings) -> Callable[[], dict[str, list[str]]]:
    """Lines in the landing zone by folder, in the order in which they came."""

    def read() -> dict[str, list[str]]:
        root, found = Path(settings.landing_path), dict[str, list[str]]()
        for file in sorted(root.rglob("[!.]*.log"), key=lambda path: path.name):
            lines = file.read_bytes().decode().removesuffix("\n").split("\n")
            found.setdefault(str(file.parent.relative_to(root)), []).extend(lines)
        return found

    return read
