"""Properties of Kafka's clients as an operator writes them into one setting: a JSON object, or ``key=value`` lines."""

import json

from pydantic import SecretStr

from pipelines.errors import SettingsError

__all__ = ["properties_of"]


def properties_of(setting: SecretStr | None, variable: str) -> dict[str, str]:
    """Read the properties; values may be secrets and are in no message.

    Args:
        setting: what the operator wrote; None: nothing.
        variable: its name, for the words.

    Raises:
        SettingsError: it is neither.
    """
    if setting is None:
        return {}
    text = setting.get_secret_value().strip()
    if text.startswith("{"):
        try:
            found = json.loads(text)
        except ValueError:
            raise SettingsError(f"{variable} starts like a JSON object and is none") from None
        return {str(name): value if isinstance(value, str) else json.dumps(value) for name, value in found.items()}
    pairs = [line.strip().partition("=") for line in text.splitlines() if line.strip()]
    if not all(equals and name.strip() for name, equals, _ in pairs):
        raise SettingsError(f"{variable}: each line is `key=value`, or all of it one JSON object")
    return {name.strip(): value.strip() for name, _, value in pairs}
