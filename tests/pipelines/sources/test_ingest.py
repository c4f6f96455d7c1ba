import gzip
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.errors import IngestError
from pipelines.settings import Settings
from pipelines.sources.ingest import files_under, ingest_file

pytestmark = pytest.mark.fast


def _file(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_file_lands_whole_under_its_tenant(tmp_path: Path, settings: Settings) -> None:
    source = _file(tmp_path, "my log.json", b'{"a": 1}\n')
    landed = ingest_file(source, settings, tenant="acme", endpoint="web-01", clock_offset=timedelta(hours=-5))
    assert landed.target.read_bytes() == source.read_bytes()
    assert "tenant=acme/format=auto/endpoint=web-01/clock=-18000" in str(landed.target)
    assert [path.name for path in landed.target.parent.iterdir()] == [landed.target.name]


def test_same_content_lands_once(tmp_path: Path, settings: Settings) -> None:
    first = ingest_file(_file(tmp_path, "a.log", b"x\n"), settings)
    second = ingest_file(_file(tmp_path, "b.log", b"x\n"), settings)
    assert second.was_there and second.target == first.target


def test_auditd_without_node_takes_the_files_name(tmp_path: Path, settings: Settings) -> None:
    line = b"type=SYSCALL msg=audit(1604996384.965:93777): arch=c000003e\n"
    assert ingest_file(_file(tmp_path, "db 02.audit.log", line), settings).endpoint == "db-02"
    assert ingest_file(_file(tmp_path, "c.log", b"node=h1 " + line), settings).endpoint is None


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty", b"", "empty"),
        ("blank", b"\n \n", "blank"),
        ("binary", bytes(range(32)) * 50, "binary"),
        ("cut.gz", gzip.compress(b"line\n" * 10)[:-6], "truncated"),
        ("latin", "größe\n".encode("latin-1"), "none of its 1 lines"),
        ("events.evtx", b"ElfFile\x00" + bytes(99), "evtx"),
    ],
)
def test_what_cannot_be_read_is_refused(
    tmp_path: Path, settings: Settings, name: str, content: bytes, reason: str
) -> None:
    with pytest.raises(IngestError, match=reason):
        ingest_file(_file(tmp_path, name, content), settings)
    assert not Path(settings.landing_path).exists()


def test_missing_file_is_refused(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(IngestError, match="No such file"):
        ingest_file(tmp_path / "nowhere", settings)


@pytest.mark.parametrize("tenant", ["", "../up", "a/b", "a b", "-x"])
def test_names_that_would_leave_the_landing_zone_are_refused(tmp_path: Path, settings: Settings, tenant: str) -> None:
    with pytest.raises(IngestError, match="tenant"):
        ingest_file(_file(tmp_path, "a", b"x\n"), settings, tenant=tenant)


def test_folders_are_searched_and_hidden_files_left_out(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b", "sub/a", ".hidden", "_tmp"):
        _file(tmp_path, name, b"x")
    assert list(files_under([tmp_path])) == [tmp_path / "b", tmp_path / "sub" / "a"]
