import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.access.keys import Keys, create_key, find_key, list_keys, revoke_key
from pipelines.errors import LakeError, QueryError
from pipelines.schemas.access import Role

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def made(settings, **more):
    return create_key(settings, **{"name": "wall", "tenant": "acme", "role": Role.READER, "now": NOON, **more})


def test_key_is_kept_as_a_digest_only(settings):
    key, written = made(settings)
    secret = written.rpartition("_")[2]
    assert written == f"lgs_{key.key_id}_{secret}"
    assert len(secret) == 64
    assert list_keys(settings) == [key]
    files = [file for file in Path(settings.api_keys_path).rglob("*") if file.is_file()]
    assert files
    assert [file for file in files if secret.encode() in file.read_bytes()] == []


def test_only_the_whole_key_is_recognised(settings):
    key, written = made(settings)
    made(settings, name="another's")
    keys = Keys(settings).by_id()
    assert find_key(keys, written) == key
    last = "0" if written[-1] != "0" else "1"
    wrong_ones = [
        "", "lgs_", key.key_id, written[:-1], written + "0", written[:-1] + last, written.upper(), f" {written}",
        f"{written}\n", written.replace(key.key_id, "0" * 12), key.sha256, f"lgs_{key.key_id}_{key.sha256}", "é" * 81,
    ]  # fmt: skip
    for wrong in wrong_ones:
        assert find_key(keys, wrong) is None, wrong


def test_revoked_key_stays_revoked_and_is_listed(settings):
    key, _ = made(settings)
    assert key.state(NOON) == "valid"
    first = revoke_key(settings, key.key_id, now=NOON + timedelta(hours=1))
    again = revoke_key(settings, key.key_id, now=NOON + timedelta(hours=2))
    assert first == again
    assert first.state(NOON) == "revoked"
    assert list_keys(settings) == [first]


def test_key_expires_at_its_time_and_not_before(settings):
    key, _ = made(settings, expires_at=NOON + timedelta(days=1))
    assert key.state(NOON + timedelta(days=1) - timedelta(microseconds=1)) == "valid"
    assert key.state(NOON + timedelta(days=1)) == "expired"


def test_unknown_key_cannot_be_revoked(settings):
    with pytest.raises(QueryError, match="no key 'nope'; `logster keys list`"):
        revoke_key(settings, "nope", now=NOON)


def test_keys_made_at_once_are_all_kept(settings):
    with ThreadPoolExecutor(6) as pool:
        keys = list(pool.map(lambda number: made(settings, name=f"{number}")[0], range(6)))
    assert {key.key_id for key in list_keys(settings)} == {key.key_id for key in keys}


def test_a_process_sees_a_revocation_by_another_within_a_second(settings, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("api.access.keys.time.monotonic", lambda: clock[0])
    key, _ = made(settings)
    keys = Keys(settings)
    assert keys.by_id()[key.key_id].revoked_at is None
    revoke_key(settings, key.key_id, now=NOON)
    clock[0] = 0.9
    assert keys.by_id()[key.key_id].revoked_at is None
    clock[0] = 1.0
    assert keys.by_id()[key.key_id].revoked_at == NOON


def test_table_that_vanishes_opens_nothing(settings, monkeypatch, tmp_path):
    monkeypatch.setattr("api.access.keys._LOOK_SECONDS", 0.0)
    made(settings)
    keys = Keys(settings)
    assert keys.by_id()
    Path(settings.api_keys_path).rename(tmp_path / "away")
    with pytest.raises(LakeError, match="table of API keys is gone"):
        keys.by_id()


@contextmanager
def another_account() -> Iterator[None]:
    """As an account that may see nothing of the test's folder."""
    was = os.geteuid()
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root may become another account: run the tests as root in a container"
)
def test_table_behind_a_folder_that_may_not_be_searched_is_not_taken_for_no_table(settings, tmp_path):
    made(settings)
    tmp_path.chmod(0o700)
    with another_account(), pytest.raises(LakeError, match=r"_access/keys cannot be read: .*Permission denied"):
        Keys(settings).by_id()


@pytest.mark.parametrize("place", ["_access", "_access/keys", "_access/keys/other"])
def test_what_is_no_table_is_not_taken_for_no_keys(settings, place):
    at = Path(settings.lake, place)
    at.parent.mkdir(parents=True)
    at.write_text("")
    with pytest.raises(LakeError, match="_access/keys"):
        Keys(settings).by_id()


def test_new_table_is_for_its_account_alone_and_one_with_other_rights_keeps_them(settings):
    umask = os.umask(0)
    try:
        made(settings)
    finally:
        os.umask(umask)
    folder = Path(settings.api_keys_path)
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o750)
    made(settings)
    assert folder.stat().st_mode & 0o777 == 0o750


def test_trouble_is_told_for_a_second_and_then_looked_at_anew(settings, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("api.access.keys.time.monotonic", lambda: clock[0])
    in_the_way = Path(settings.api_keys_path, "other")
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("")
    keys = Keys(settings)
    for clock[0] in (0.0, 0.9):
        with pytest.raises(LakeError, match="no table of API keys"):
            keys.by_id()
        in_the_way.unlink(missing_ok=True)
    clock[0] = 1.0
    assert keys.by_id() == {}


def test_damaged_table_is_named(settings):
    made(settings)
    for commit in Path(settings.api_keys_path, "_delta_log").glob("*.json"):
        commit.write_text(json.dumps({"nothing": 1}))
    with pytest.raises(LakeError, match=r"table of API keys at .*_access/keys cannot be read"):
        list_keys(settings)
