from datetime import UTC, datetime

import pytest

from api.access.exposure import check_exposure
from api.access.keys import create_key
from api.access.loopback import is_loopback
from pipelines.errors import SettingsError
from pipelines.schemas.access import Role


@pytest.mark.fast
@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("[::1]", True), ("localhost", True), ("LocalHost", True),
        ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("localhost.example", False), ("127.0.0.1.example", False),
        ("", False),
    ],
)  # fmt: skip
def test_loopback_is_told_from_what_others_reach(host, is_local):
    assert is_loopback(host) == is_local


def test_without_keys_only_loopback_may_be_listened_to(settings):
    assert "no keys: it listens on this machine only" in check_exposure(settings)
    for host in ("0.0.0.0", "::", "10.1.2.3", "logster.example"):
        with pytest.raises(SettingsError, match=f"LOGSTER_API_HOST is {host}.*`logster keys create NAME`"):
            check_exposure(settings.model_copy(update={"api_host": host}))


def test_named_table_must_hold_a_key_on_loopback_too(settings, tmp_path):
    named = settings.model_copy(update={"api_keys": str(tmp_path / "typo")})
    with pytest.raises(SettingsError, match=r"LOGSTER_API_KEYS names .*typo.*`logster keys create NAME`"):
        check_exposure(named)
    create_key(named, name="wall", tenant=None, role=Role.READER, now=datetime.now(UTC))
    assert "asks for a key" in check_exposure(named)


def test_with_a_key_any_host_may(settings):
    create_key(settings, name="wall", tenant=None, role=Role.READER, now=datetime.now(UTC))
    assert "asks for a key" in check_exposure(settings.model_copy(update={"api_host": "0.0.0.0"}))
