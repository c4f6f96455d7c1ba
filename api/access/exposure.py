"""Who can reach the API: this machine only, or others as well, which takes a key."""

from ipaddress import ip_address

from api.access.keys import list_keys
from pipelines.errors import SettingsError
from pipelines.settings import Settings

__all__ = ["check_exposure", "is_loopback", "needs_keys"]


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches a host of that name or address; other names than `localhost` may be anything."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def needs_keys(settings: Settings) -> bool:
    """Say whether nobody is let in while there are no keys: others reach the API, or a table of keys was named."""
    return bool(settings.api_keys) or not is_loopback(settings.api_host)


def check_exposure(settings: Settings) -> str:
    """Make sure that only who may can ask.

    Returns:
        Who may, as a line to tell.

    Raises:
        SettingsError: there is no key, and the API would listen to other machines, or a table of keys was named.
        LakeError: the table of keys cannot be read.
    """
    if n_keys := len(list_keys(settings)):
        return f"the API asks for a key; {n_keys} were made"
    if not needs_keys(settings):
        return (
            "the API has no keys: it listens on this machine only, and answers everyone on it (`logster keys create`)"
        )
    if is_loopback(settings.api_host):
        raise SettingsError(
            f"LOGSTER_API_KEYS names {settings.api_keys_path}, and there is no API key: make one with "
            "`logster keys create NAME`, or leave LOGSTER_API_KEYS out"
        )
    raise SettingsError(
        f"LOGSTER_API_HOST is {settings.api_host}, where other machines reach the API, and there is no API key: make one with "
        "`logster keys create NAME`, or leave LOGSTER_API_HOST at 127.0.0.1"
    )
