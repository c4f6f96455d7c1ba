"""API keys: made, listed, revoked, and recognised. Only their digests are kept.

They are rows of a Delta table, since the lake is the one place that API processes on several machines share: a file by setting
would have to be copied to each of them, and a key that was revoked on one would still open the others. Rows are only ever
appended: one makes a key, another of the same `key_id` revokes it.
"""

import hmac
import re
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from api.snapshots import TROUBLE, first_line
from pipelines.errors import LakeError, QueryError
from pipelines.schemas.access import API_KEYS, Role
from pipelines.settings import Settings

__all__ = ["Key", "Keys", "create_key", "find_key", "list_keys", "revoke_key"]

_LOOK_SECONDS = 1.0
"""A key that was revoked opens nothing after so long, whatever machine it was revoked on."""

# the length of the secret is 256 bits: a digest without salt or stretching cannot be searched
_WRITTEN = re.compile(r"lgs_([0-9a-f]{12})_[0-9a-f]{64}")
_ATTEMPTS = 20
_NO_DIGEST = "0" * 64


@dataclass(frozen=True)
class Key:
    """One key, without its secret.

    Attributes:
        key_id: 12 hex digits, part of the key.
        name: who changes what is changed with it.
        tenant: whose data it opens; None: every tenant's.
        role: what it may do.
        sha256: of the whole key, 64 hex digits.
        created_at: when it was made.
        expires_at: from then on it opens nothing; None: never.
        revoked_at: when it was revoked; None: it was not.
    """

    key_id: str
    name: str
    tenant: str | None
    role: Role
    sha256: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def state(self, now: datetime) -> str:
        """`valid`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"


def create_key(
    settings: Settings, *, name: str, tenant: str | None, role: Role, now: datetime, expires_at: datetime | None = None
) -> tuple[Key, str]:
    """Make a key.

    Returns:
        The key as it is kept, and the key as its holder sends it, which is kept nowhere.

    Raises:
        LakeError: the table of keys cannot be written.
    """
    key_id = secrets.token_hex(6)
    written = f"lgs_{key_id}_{secrets.token_hex(32)}"
    key = Key(key_id, name, tenant, role, _digest(written), now, expires_at)
    _append(settings, key)
    return key, written


def list_keys(settings: Settings) -> list[Key]:
    """All keys that were ever made, oldest first.

    Raises:
        LakeError: the table of keys cannot be read.
    """
    return sorted(_read(settings).values(), key=lambda key: (key.created_at, key.key_id))


def revoke_key(settings: Settings, key_id: str, *, now: datetime) -> Key:
    """Revoke a key; one that was revoked before stays as it is.

    Raises:
        QueryError: there is no such key.
        LakeError: the table of keys cannot be read or written.
    """
    key = _read(settings).get(key_id)
    if key is None:
        raise QueryError(f"no key '{key_id}'; `logster keys list` shows those there are")
    if key.revoked_at is None:
        key = replace(key, revoked_at=now)
        _append(settings, key)
    return key


def find_key(keys: Mapping[str, Key], written: str) -> Key | None:
    """The key that a caller sent, valid or not; None where it is none of ours.

    Takes as long where the id is known as where it is not.
    """
    form = _WRITTEN.fullmatch(written)
    key = keys.get(form[1]) if form else None
    is_it = hmac.compare_digest(key.sha256 if key else _NO_DIGEST, _digest(written))
    return key if is_it else None


@dataclass(frozen=True)
class _Look:
    """What was found when the table was last looked at."""

    at: float
    keys: Mapping[str, Key]
    identity: tuple[str, int] | None
    trouble: str | None = None


class Keys:
    """All keys as they were a second ago at most; may be used by many threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._looking = threading.Lock()
        self._last: _Look | None = None  # set whole: who reads it must not see trouble gone before its keys are there

    @property
    def is_fresh(self) -> bool:
        """Say whether `by_id` answers at once."""
        return _is_fresh(self._last)

    def by_id(self) -> Mapping[str, Key]:
        """Keys by their id; empty where none was ever made.

        Raises:
            LakeError: the table cannot be read, or held keys before and is gone: that opens no door.
        """
        last = self._last
        if last is None or not _is_fresh(last):
            with self._looking:
                last = self._last
                if last is None or not _is_fresh(last):
                    last = self._last = self._look(last)
        if last.trouble is not None:
            raise LakeError(last.trouble)
        return last.keys

    def _look(self, before: _Look | None) -> _Look:
        """Read what is new; trouble is kept as long as keys are, so that a storm of requests does not ask a store that is down."""
        keys, identity, trouble = ({}, None, None) if before is None else (before.keys, before.identity, None)
        try:
            table = _table(self._settings)
            if table is None and identity is not None:
                raise LakeError(f"the table of API keys is gone from {self._settings.api_keys_path}")
            if table is not None and (found := (table.metadata().id, table.version())) != identity:
                keys, identity = _rows(table, self._settings), found
        except LakeError as error:
            trouble = str(error)
        return _Look(time.monotonic(), keys, identity, trouble)


def _is_fresh(look: _Look | None) -> bool:
    return look is not None and time.monotonic() - look.at < _LOOK_SECONDS


def _read(settings: Settings) -> dict[str, Key]:
    table = _table(settings)
    return {} if table is None else _rows(table, settings)


def _table(settings: Settings) -> DeltaTable | None:
    """The table of keys; None where none was ever made.

    Raises:
        LakeError: it cannot be read, or something else is in its place.
    """
    place = settings.api_keys_path
    try:
        if _is_absent(place):
            return None
        if DeltaTable.is_deltatable(place):
            return DeltaTable(place)
    except TROUBLE as error:
        raise _unreadable(place, error) from error
    if _folder(place) is None:
        return None  # an object store knows no empty folders, and says so itself where it refuses us
    raise LakeError(f"{place} holds something, but no table of API keys; `logster keys create` makes it one")


def _is_absent(place: str) -> bool:
    """Say whether nothing is there, of a folder of this machine's.

    delta-rs says no table as well where a folder above may not be searched: that would open the door.

    Raises:
        OSError: it may not be looked at.
    """
    folder = _folder(place)
    try:
        return folder is not None and not any(folder.iterdir())
    except FileNotFoundError:
        return True


def _folder(place: str) -> Path | None:
    """A place of this machine's as a path; None for an object store."""
    local = place.removeprefix("file://")
    return None if "://" in local else Path(local)


def _unreadable(place: str, error: Exception) -> LakeError:
    return LakeError(
        f"the table of API keys at {place} cannot be read: {first_line(error)}; this process's account must be able to"
    )


def _rows(table: DeltaTable, settings: Settings) -> dict[str, Key]:
    try:
        rows = table.to_pyarrow_table(columns=API_KEYS.names).cast(API_KEYS).to_pylist()
        found = [Key(**{**row, "role": Role(row["role"])}) for row in rows]
    except TROUBLE as error:
        raise _unreadable(settings.api_keys_path, error) from error
    keys = dict[str, Key]()
    for key in found:
        before = keys.get(key.key_id)
        # what is revoked stays so, in whatever order the rows come
        keys[key.key_id] = before if before is not None and before.revoked_at is not None else key
    return keys


def _append(settings: Settings, key: Key) -> None:
    row: dict[str, Any] = {**asdict(key), "role": str(key.role)}
    place = settings.api_keys_path
    new = pa.Table.from_pylist([row], API_KEYS.remove_metadata())
    # appends do not conflict with each other, but two that both make the table do: what failed has written nothing
    attempts = Retrying(
        retry=retry_if_exception_type(CommitFailedError),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.01, max=0.5),
        reraise=True,
    )
    try:
        if (folder := _folder(place)) is not None:
            # a new one for this account alone: who may add a row is let in; one that is there keeps its rights
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        attempts(write_deltalake, place, new, mode="append")
    except TROUBLE as error:
        raise LakeError(f"the table of API keys at {place} cannot be written: {first_line(error)}") from error


def _digest(written: str) -> str:
    return sha256(written.encode()).hexdigest()
