"""What is installed: every package, and every file that a package reads."""

from __future__ import annotations

import fnmatch
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_every_package_is_installed() -> None:
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "mpmd").rglob("__init__.py")}
    assert set(SETUPTOOLS["packages"]) == found | {"mpmd.visual"}


def test_every_file_that_is_no_module_is_installed() -> None:
    missing = []
    for path in sorted((ROOT / "mpmd").rglob("*")):
        if path.is_dir() or path.suffix in (".py", ".pyc") or "__pycache__" in path.parts:
            continue
        package = path.parent
        while not (package / "__init__.py").exists():
            package = package.parent
        patterns = SETUPTOOLS["package-data"].get(".".join(package.relative_to(ROOT).parts), [])
        if not any(fnmatch.fnmatch(str(path.relative_to(package)), pattern) for pattern in patterns):
            missing.append(str(path.relative_to(ROOT)))
    assert not missing, "\n".join(missing)
