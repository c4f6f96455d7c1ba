"""A Superset of the tests' own."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

from logster.superset_home import sign_in
from pipelines.settings import Settings

SUPERSET = Path(__file__).resolve().parents[2] / "superset"
VIEWS = {path.stem: path.read_text() for path in sorted((SUPERSET / "views").glob("*.sql"))}


class Superset:
    """A running Superset over a lake, and a signed-in caller of its REST API."""

    def __init__(self, lake: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("LOGSTER_")}
        self.environment |= {"LOGSTER_LAKE": str(lake), "LOGSTER_SUPERSET_PORT": str(port)}
        self.log = lake.parent / "superset.log"
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                [str(SUPERSET / "superset.sh"), "serve"], cwd=lake.parent, env=self.environment, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.sign_in = sign_in(Settings(lake=str(lake), _env_file=None))
        self._http = httpx.Client(base_url=self.address, timeout=60, trust_env=False)

    def wait(self, seconds: float = 300.0) -> None:
        deadline = time.monotonic() + seconds
        while True:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            try:
                if self._http.get("/health").is_success:
                    break
            except httpx.HTTPError:
                pass
            time.sleep(0.3)
        who = {"username": self.sign_in.user, "password": self.sign_in.password, "provider": "db"}
        answer = self._http.post("/api/v1/security/login", json=who)
        assert answer.is_success, answer.text
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def get(self, path: str, **parameters: Any) -> Any:
        answer = self._http.get(f"/api/v1/{path}", params=parameters)
        assert answer.is_success, answer.text
        return answer.json()

    def all_of(self, kind: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.get(f"{kind}/", q="(page_size:100)")["result"]
        return rows

    def query(self, dataset: int, **query: Any) -> httpx.Response:
        """Ask for a chart's data; every chart does it so."""
        context = {"datasource": {"id": dataset, "type": "table"}, "force": True, "queries": [query]}
        return self._http.post("/api/v1/chart/data", json={**context, "result_format": "json", "result_type": "full"})

    def post(self, path: str, **body: Any) -> httpx.Response:
        token = self.get("security/csrf_token/")["result"]
        return self._http.post(f"/api/v1/{path}", json=body, headers={"X-CSRFToken": token, "Referer": self.address})

    def bootstrap(self, assets: Path) -> None:
        """Bootstrap once more, with the YAML of another folder."""
        done = subprocess.run(
            [str(SUPERSET / "superset.sh"), "bootstrap", str(assets)], cwd=self.log.parent, env=self.environment,
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def stop(self) -> None:
        self._http.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(20)
