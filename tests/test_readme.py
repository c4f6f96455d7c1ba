"""The README says what is true: its settings, its two commands, its links."""

import re
from pathlib import Path

import pytest

from pipelines.schemas.tables import TABLES
from pipelines.settings import settings_table

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()

pytestmark = pytest.mark.fast


def test_settings_table_is_the_one_that_the_class_gives():
    assert f"\n\n{settings_table()}\n\n" in README, "python -m pipelines.settings prints it"


def test_first_code_block_is_the_two_commands():
    block = re.search(r"```\w*\n(.*?)```", README, re.DOTALL)
    assert block
    assert [" ".join(line.split()[:2]) for line in block[1].splitlines()] == ["make up", "make test"]


def test_links_lead_to_files_that_are_there():
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", README)
    assert targets
    assert [target for target in targets if "://" not in target and not (ROOT / target).exists()] == []


@pytest.mark.parametrize("name", [name for name, table in TABLES.items() if table.is_public])
def test_every_public_table_is_named(name):
    assert f"\n| `{name}` |" in README
