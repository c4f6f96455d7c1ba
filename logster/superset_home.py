"""Where Superset keeps its state: a folder beside the lake, with the secrets that the first start makes up.

Read by ``superset/superset_config.py`` in Superset's own environment, and by `logster up`, which shows the sign-in.
"""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from pipelines.settings import Settings

__all__ = ["SignIn", "sign_in", "superset_home"]


@dataclass(frozen=True)
class SignIn:
    """What protects one Superset.

    Attributes:
        user: name of the administrator.
        password: theirs.
        secret_key: signs sessions and encrypts what Superset stores.
    """

    user: str
    password: str
    secret_key: str


def superset_home(settings: Settings) -> Path:
    """Folder of Superset's metadata and secrets beside the lake; made where it is not there, for its owner alone."""
    parent = Path.cwd() if "://" in settings.lake else Path(settings.lake).resolve().parent
    home = parent / "superset_home"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home


def sign_in(settings: Settings) -> SignIn:
    """The secrets of this Superset, made at random where there are none yet.

    Whoever calls it first makes them; a process that calls it at the same time gets the same ones.
    """
    path = superset_home(settings) / "secrets.json"
    if not path.exists():
        made = {"user": "admin", "password": secrets.token_urlsafe(15), "secret_key": secrets.token_urlsafe(48)}
        draft = path.with_name(f"secrets-{secrets.token_hex(4)}")
        draft.touch(mode=0o600, exist_ok=False)
        draft.write_text(json.dumps(made, indent=2), encoding="utf-8")
        try:
            path.hardlink_to(draft)  # whole, or not at all where another was first
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return SignIn(**json.loads(path.read_text(encoding="utf-8")))
