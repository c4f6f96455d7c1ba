"""Who can reach the API: this machine only, or others as well, which takes a key."""

from api.access.keys import list_keys
from api.access.loopback import is_loopback
from api.access.provider import read_provider
from pipelines.errors import SettingsError
from pipelines.settings import Settings

__all__ = ["check_exposure", "needs_keys"]


def needs_keys(settings: Settings) -> bool:
    """Say whether nobody is let in while there are no keys: others reach the API, or a table of keys or sign-in was set."""
    return bool(settings.api_keys) or read_provider(settings) is not None or not is_loopback(settings.api_host)


def check_exposure(settings: Settings) -> str:
    """Make sure that only who may can ask.

    Returns:
        Who may, as a line to tell.

    Raises:
        SettingsError: there is neither key nor sign-in, and the API would listen to other machines, or a table of keys was
            named; or sign-in is set by half.
        LakeError: the table of keys cannot be read.
    """
    provider, n_keys = read_provider(settings), len(list_keys(settings))
    if provider is not None:
        return f"the API asks for a token of {provider.issuer}, or for a key; {n_keys} were made"
    if n_keys:
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
        "`logster keys create NAME`, set sign-in up (docs/access.md), or leave LOGSTER_API_HOST at 127.0.0.1"
    )
