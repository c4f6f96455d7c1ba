"""What of a mapping file is refused without its table: one line that names the file, what is amiss, and the nearest."""

from pathlib import Path

import pytest

from pipelines.errors import SettingsError
from pipelines.settings import Settings
from pipelines.sources.mapping import FIELDS, REQUIRED, load_mapping, shipped_mappings
from pipelines.sources.streams import sources_of

pytestmark = pytest.mark.fast


def written(folder: Path, text: str, name: str = "defender.toml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


TAKEN = 'table = "/t"\nmapping = "sentinel-process"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("table = ", "is no TOML"),
        ('mapping = "sentinel-process"', "has no table"),
        ('table = "/t"\nmapping = "sentinel-proces"', "no mapping 'sentinel-proces' is shipped; did you mean 'sentinel-process'"),
        (TAKEN + 'tennant = "acme"', "there is no key 'tennant'; did you mean 'tenant'"),
        (TAKEN + "tenant = 7", "tenant must be text, not 7"),
        (TAKEN + 'tenant = "a b"', "tenant 'a b' cannot be used"),
        (TAKEN + 'tenant = "a"\n[columns]\ntenant = "TenantId"', "says tenant twice"),
        (TAKEN + 'begin = "latest"', "begin must be a whole number, not 'latest'"),
        (TAKEN + 'on_change = "ignore"', "on_change is 'ignore': stop, skip or feed"),
        (TAKEN + '[columns]\nproces_pid = "P"', "fills 'proces_pid', which is no field of events; did you mean 'process_pid'"),
        (TAKEN + '[columns]\nprocess_key = "ProcessId"', "fills 'process_key', which is no field of events"),
        (TAKEN + "[columns]\nprocess_pid = 7", "process_pid must be an SQL expression in quotes, not 7"),
        ('table = "/t"\n[columns]\nts = "a"', "lacks endpoint, platform, provider, event_code, category, action"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_the_nearest_name(tmp_path, text, told):
    file = written(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_mapping(file)
    assert told in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_has_no_usable_name_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"no\.toml \(LOGSTER_DELTA_SOURCES\): cannot be read: No such file"):
        load_mapping(tmp_path / "no.toml")
    with pytest.raises(SettingsError, match="its name names the source"):
        load_mapping(written(tmp_path, TAKEN, "a b.toml"))


def test_a_shipped_mapping_is_taken_and_changed(tmp_path):
    mapping = load_mapping(written(tmp_path, TAKEN + '[columns]\nts = "Timestamp"\nsyscall = "NULL"'))
    assert (mapping.name, mapping.table, mapping.begin, mapping.on_change) == ("defender", "/t", None, "stop")
    assert mapping.columns["ts"] == "Timestamp"
    assert mapping.columns["syscall"] == "NULL"
    assert mapping.columns["process_pid"] == shipped_mappings()["sentinel-process"]["process_pid"]


def test_shipped_mappings_fill_fields_that_there_are_and_all_that_are_needed():
    shipped = shipped_mappings()
    assert {
        "ecs",
        "databricks-audit",
        "vm-connection",
        *(f"sentinel-{kind}" for kind in ("registry", "image", "logon", "other")),
        *(f"{of}-{kind}" for of in ("ocsf", "sentinel") for kind in ("process", "file", "network")),
    } == set(shipped)
    for columns in shipped.values():
        assert set(columns) <= set(FIELDS)
        assert set(columns) >= set(REQUIRED)


def test_each_file_is_a_source_of_its_own(tmp_path):
    (tmp_path / "other").mkdir()
    files = [written(tmp_path, TAKEN), written(tmp_path, TAKEN, "audit.toml"), written(tmp_path / "other", TAKEN)]

    def settings(*given: Path) -> Settings:
        return Settings(delta_sources=", ".join(map(str, given)), _env_file=None)

    assert [one.name for one in sources_of(settings())] == ["files"]
    assert [one.name for one in sources_of(settings(*files[:2]))] == ["files", "delta-defender", "delta-audit"]
    with pytest.raises(SettingsError, match="two files have one name"):
        sources_of(settings(*files))
