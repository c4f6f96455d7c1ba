"""The folders are what they should be: our packages ours, MLflow's and Superset's names theirs."""

from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.fast
@pytest.mark.parametrize("name", ["pipelines", "models", "assets", "api", "logster"])
def test_our_packages_come_from_the_checkout(name: str) -> None:
    assert Path(import_module(name).__file__ or "").is_relative_to(ROOT / name)


@pytest.mark.fast
def test_mlflow_is_the_installed_package() -> None:
    assert "site-packages" in (import_module("mlflow").__file__ or "")


@pytest.mark.fast
@pytest.mark.parametrize("folder", ["mlflow", "superset", "dagster_home"])
def test_configuration_folders_hold_no_modules(folder: str) -> None:
    modules = [path.name for path in (ROOT / folder).glob("**/*.py")]
    assert modules in ([], ["superset_config.py"])
