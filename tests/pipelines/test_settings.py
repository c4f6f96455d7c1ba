"""Settings that are made of others, and values that are refused."""

import pytest
from pydantic import ValidationError

from pipelines.settings import Settings

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"api_port": 9000}, "http://127.0.0.1:9000"),
        ({"api_host": "0.0.0.0"}, "http://127.0.0.1:8080"),
        ({"api_host": "::"}, "http://[::1]:8080"),
        ({"api_host": "::1"}, "http://[::1]:8080"),
        ({"api_host": "[::1]"}, "http://[::1]:8080"),
        ({"api_host": "siem-1"}, "http://siem-1:8080"),
        ({"api_url": "https://soc.example/logster/", "api_port": 9000}, "https://soc.example/logster"),
    ],
)
def test_browsers_reach_the_api_by_its_own_name_unless_told_otherwise(given, expected):
    assert Settings(_env_file=None, **given).api_address == expected


@pytest.mark.parametrize(
    "address", ["soc.example", "javascript:alert(1)", 'https://a"b', "https://a b", "https://a<b", ""]
)
def test_address_that_would_be_no_link_is_refused(address):
    with pytest.raises(ValidationError, match="api_url"):
        Settings(api_url=address, _env_file=None)
