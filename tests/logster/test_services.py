"""What the processes beside the pipeline are started with."""

import pytest
from pydantic import SecretStr

from logster.services import environment_of
from pipelines.settings import Settings

pytestmark = pytest.mark.fast


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
