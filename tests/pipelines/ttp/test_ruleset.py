"""Reading and compiling rules: what is left out and why, and what stops the start."""

from pathlib import Path

import pytest

from pipelines.errors import RuleError
from pipelines.settings import Settings
from pipelines.ttp import ruleset
from pipelines.ttp.ruleset import load_rules, rules_in_use

pytestmark = pytest.mark.fast

GOOD = """
title: A good rule
id: 11111111-1111-4111-8111-111111111111
logsource: {product: windows, category: process_creation}
tags: [attack.t1059, attack.initial_access, detection.emerging]
detection:
  selection: {Image|endswith: '\\a.exe'}
  condition: selection
"""
WITHOUT_SELECTION = GOOD.replace("condition: selection", "condition: nothing").replace("1111-1111-4", "1111-2222-4")


def put(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    return folder


def test_a_rule_that_cannot_be_used_is_listed_and_the_others_go_on(tmp_path: Path) -> None:
    put(
        tmp_path, good=GOOD, no_yaml="title: [", condition=WITHOUT_SELECTION, empty="",
        cloud=GOOD.replace("windows", "aws").replace("1111-1111-4", "1111-3333-4"),
        correlation="title: Many\ncorrelation: {type: event_count, rules: [a], timespan: 5m, condition: {gte: 5}}\n",
        regex=GOOD.replace("endswith: '\\a.exe'", "re: '(('").replace("1111-1111-4", "1111-4444-4"),
        again=GOOD.replace("A good rule", "The same id"), binary="\x00",
    )  # fmt: skip
    rules = load_rules([tmp_path], with_starter=False)
    assert [rule.title for rule in rules.rules] in (["A good rule"], ["The same id"])
    reasons = {one.path.stem: one.reason for one in rules.refused}
    assert set(reasons) >= {"no_yaml", "condition", "cloud", "correlation", "regex", "binary"}
    assert reasons["cloud"] == "events hold nothing of the log source aws/process_creation"
    assert "its id is that of a rule in" in reasons["good"]
    assert all("\n" not in reason for reason in reasons.values())


def test_techniques_and_tactics_are_read_off_the_tags(tmp_path: Path) -> None:
    (rule,) = load_rules([put(tmp_path, good=GOOD)], with_starter=False).rules
    assert (rule.techniques, rule.tactics, rule.level) == (("T1059",), ("initial-access",), "informational")
    untagged = GOOD.replace("attack.initial_access, ", "")
    (rule,) = load_rules([put(tmp_path, good=untagged)], with_starter=False).rules
    assert rule.tactics == ("execution",)


def test_a_broken_starter_rule_stops_the_start_with_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ruleset, "STARTER_RULES", put(tmp_path, broken=WITHOUT_SELECTION))
    with pytest.raises(RuleError, match=r"starter rule 'A good rule': .*nothing.* in .*broken\.yml$"):
        load_rules()


def test_a_folder_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="LOGSTER_TTP_RULES"):
        rules_in_use(Settings(ttp_rules=str(tmp_path / "none"), _env_file=None))


def test_the_analyzer_can_be_off() -> None:
    assert rules_in_use(Settings(ttp=False, _env_file=None)) is None


def test_a_field_name_is_never_sql(tmp_path: Path) -> None:
    evil = GOOD.replace("Image|endswith", '"x\'] IS NULL OR true --"')
    (rule,) = (rules := load_rules([put(tmp_path, evil=evil)], with_starter=False)).rules
    assert list(rules.inputs.values()) == [r"lower(fields['x\'] IS NULL OR true --'])"]
    assert rule.condition == r"(_in0 = '\\a.exe')"
