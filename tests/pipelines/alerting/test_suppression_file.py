from datetime import UTC, datetime

import pytest

from pipelines.alerting.suppression_file import FILE_ACTOR, is_of_file, suppressions_of_file
from pipelines.errors import SettingsError

ENTRY = {
    "id": "scanner", "tenant": "acme", "endpoint": "SCAN-01", "reason": "weekly scan",
    "starts_at": "2026-03-01T00:00:00Z", "expires_at": "2026-03-02T02:00:00+02:00",
}  # fmt: skip


@pytest.fixture
def read(tmp_path, settings):
    def of(text):
        (tmp_path / "quiet.yml").write_text(text)
        return suppressions_of_file(settings.model_copy(update={"suppressions": str(tmp_path / "quiet.yml")}))

    return of


def written(**members):
    kept = {name: value for name, value in {**ENTRY, **members}.items() if value is not None}
    return "- " + "\n  ".join(f"{name}: {value}" for name, value in kept.items()) + "\n"


def test_no_file_is_no_suppressions(settings):
    assert suppressions_of_file(settings).num_rows == 0


def test_entries_become_rows(read):
    (row,) = read(written()).to_pylist()
    assert row == {
        "suppression_id": "file:scanner", "tenant": "acme", "endpoint": "scan-01", "technique": None, "rule_id": None,
        "max_severity": "HIGH", "reason": "weekly scan", "starts_at": datetime(2026, 3, 1, tzinfo=UTC),
        "expires_at": datetime(2026, 3, 2, tzinfo=UTC), "actor": FILE_ACTOR, "created_at": datetime(2026, 3, 1, tzinfo=UTC),
        "deleted_by": None, "deleted_at": None,
    }  # fmt: skip
    assert is_of_file(row["suppression_id"])
    assert not is_of_file("6c0f7a52-3c0b-4b4e-9b5e-5a1f0c1e7d11")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- 1\n", "entry 1: "),
        ("a: 1\n", "must be a list"),
        ("- {\n", "cannot be read"),
        (written(reason=None), "entry 1: reason: Field required"),
        (written(reason="''"), "entry 1: reason: "),
        (written(endpoint=None), "entry 1: Value error, name an endpoint, a technique or a rule_id"),
        (written(expires_at=None), "entry 1: expires_at: Field required"),
        (written(expires_at="2026-05-30T00:00:00Z"), None),  # 90 days to the second
        (written(expires_at="2026-05-30T00:00:01Z"), "expires_at must lie after starts_at, by 90 days at most"),
        (written(expires_at="2026-03-01T00:00:00Z"), "expires_at must lie after starts_at"),
        (written(technique="T10"), "entry 1: technique: "),
        (written(max_severity="LOW"), "entry 1: max_severity: "),
        (written(endpiont="x"), "entry 1: endpiont: Extra inputs"),
        (written() + written(), "entry 2: there is another of the id 'scanner'"),
    ],
)
def test_a_wrong_entry_is_one_line_that_names_it(read, text, told):
    if told is None:
        assert read(text).num_rows == 1
        return
    with pytest.raises(SettingsError) as refused:
        read(text)
    assert told in str(refused.value)
    assert "quiet.yml" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(settings):
    with pytest.raises(SettingsError, match=r"LOGSTER_SUPPRESSIONS /nowhere\.yml cannot be read"):
        suppressions_of_file(settings.model_copy(update={"suppressions": "/nowhere.yml"}))
