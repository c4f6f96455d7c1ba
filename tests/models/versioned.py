"""Files of what a version stands for: they change with the version alone."""

import json
import os
from pathlib import Path
from typing import Any

import pytest


def check_versioned(file: Path, version: int, now: Any, *, way_out: str) -> None:
    """Hold a value to the file; with ``LOGSTER_TEST_REWRITE`` set, write the file of a version that was raised.

    Args:
        file: JSON with the version and the value under it.
        version: as the code has it.
        now: the value, plain types.
        way_out: what to do where the value has changed.
    """
    before = json.loads(file.read_text()) if file.exists() else {"version": 0}
    if version == before["version"]:
        assert now == before["value"], way_out
    elif os.environ.get("LOGSTER_TEST_REWRITE"):
        file.write_text(json.dumps({"version": version, "value": now}, indent=1) + "\n")
    else:
        pytest.fail(f"{file} is of version {before['version']}: rewrite it, and review the difference")
