"""Imports run one way; this test is the rule."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
LAYERS = ("errors", "machine archive timeline", "lang", "partition", "schedule", "codegen", "runtime")
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names.split()}
RANK |= {"specs": 7, "dump": 7, "targets": 7, "tuned": 8, "tuning": 9, "pipeline": 8, "debug": 8, "search": 8, "doctor": 8, "calibration": 8, "calibrate": 8, "watch": 0}
RANK |= {"": 9, "calibration": 9, "calibrate": 9, "commands": 10, "cli": 10, "__main__": 10}
RANK |= {"ablation": 8, "measure": 8, "explain": 8, "explain_text": 8}
LIMITS = {"lib": RANK["lang"], "visual": RANK["runtime"]}  # what these may stand on


def imported(path: Path) -> set[str]:
    """The parts of mpmd that a file imports: `lang` for `mpmd.lang.types`, "" for mpmd itself."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {[*name.split("."), ""][1] for name in names if name.split(".")[0] == "mpmd"}


def test_imports_run_one_way():
    wrong = []
    for folder, package in ((ROOT / "mpmd", ""), (ROOT / "visual", "visual")):
        for path in sorted(folder.rglob("*.py")):
            part = package or path.relative_to(folder).parts[0].removesuffix(".py").replace("__init__", "")
            limit = LIMITS.get(part, RANK.get(part, -1))
            wrong += [
                f"{path} imports {p}" for p in sorted(imported(path) - {part}) if RANK.get(p, 99) > limit
            ]
    assert not wrong, "\n".join(wrong)
