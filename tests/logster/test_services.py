"""What the processes beside the pipeline are started with."""

import os
import socket
import subprocess
import time

import pytest
from pydantic import SecretStr

from logster.services import api_service, environment_of
from pipelines.settings import Settings


@pytest.mark.fast
def test_children_get_the_settings_of_this_process_secrets_as_they_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    settings = Settings(
        lake=str(tmp_path),
        api_port=8181,
        kafka_password="s3cret",
        collector_tokens="0123456789abcdef=acme",
        _env_file=None,
    )
    for variable, value in environment_of(settings).items():
        monkeypatch.setenv(variable, value)
    assert Settings(_env_file=None) == settings
    assert Settings(_env_file=None).kafka_password == SecretStr("s3cret")


@pytest.mark.fast
@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("[::1]", "[::1]"), ("::", "[::1]"), ("0.0.0.0", "127.0.0.1"),
        ("api.example", "api.example"), ("fd00::2", "[fd00::2]"),
    ],
)  # fmt: skip
def test_the_api_is_asked_where_it_listens(host, asked):
    settings = Settings(api_host=host, _env_file=None)
    assert settings.local_api_address == f"http://{asked}:8080"
    assert api_service(settings).answers_at == f"http://{asked}:8080/health"


@pytest.mark.slow
@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_the_api_listens_on_ipv6(host, tmp_path):
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as free:
            port = free.getsockname()[1]
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    service = api_service(Settings(lake=str(tmp_path / "lake"), api_host=host, api_port=port, _env_file=None))
    with (tmp_path / "api.log").open("wb") as log:
        process = subprocess.Popen(
            service.command, env={**os.environ, **service.environment}, stdout=log, stderr=log, cwd=tmp_path
        )
    try:
        end = time.monotonic() + 60
        while not service.answers:
            assert process.poll() is None, (tmp_path / "api.log").read_text()
            assert time.monotonic() < end, (tmp_path / "api.log").read_text()
            time.sleep(0.1)
    finally:
        process.terminate()
        process.wait(30)
