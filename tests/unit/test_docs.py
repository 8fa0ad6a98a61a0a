"""The law: every Python block of the README and the guides runs, in order, as a reader would run it."""

from __future__ import annotations

import linecache
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/language.md", "docs/measuring.md", "docs/add-a-target.md", "docs/visual.md")


@pytest.mark.parametrize("page", PAGES)
def test_python_blocks_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # some write files
    text = (ROOT / page).read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    namespace: dict[str, object] = {"__name__": "documentation"}
    for number, block in enumerate(blocks):
        name = f"<{page} block {number}>"
        linecache.cache[name] = (len(block), None, block.splitlines(keepends=True), name)
        exec(compile(block, name, "exec"), namespace)


def test_readme_has_exactly_two_commands() -> None:
    assert len(re.findall(r"^```sh$", (ROOT / "README.md").read_text(), flags=re.MULTILINE)) == 2
