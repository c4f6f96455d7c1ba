"""Who can reach the API: this machine only, or others as well, which takes a key."""

from ipaddress import ip_address

from api.access.keys import list_keys
from pipelines.errors import SettingsError
from pipelines.settings import Settings

__all__ = ["check_exposure", "is_loopback"]


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches a host of that name or address; other names than `localhost` may be anything."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check_exposure(settings: Settings) -> str:
    """Make sure that only who may can ask.

    Returns:
        Who may, as a line to tell.

    Raises:
        SettingsError: the API would listen to other machines, and nobody has to show a key.
        LakeError: the table of keys cannot be read.
    """
    if n_keys := len(list_keys(settings)):
        return f"the API asks for a key; {n_keys} were made"
    if is_loopback(settings.api_host):
        return (
            "the API has no keys: it listens on this machine only, and answers everyone on it (`logster keys create`)"
        )
    raise SettingsError(
        f"LOGSTER_API_HOST is {settings.api_host}, where other machines reach the API, and there is no API key: make one with "
        "`logster keys create NAME`, or leave LOGSTER_API_HOST at 127.0.0.1"
    )
