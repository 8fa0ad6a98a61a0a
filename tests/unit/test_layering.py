"""Imports run one way; this test is the rule."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LAYERS = (
    "errors uncollected", "machine archive timeline", "lang", "partition", "schedule",
    "codegen blame blame_causes blame_text blame_waits advice", "runtime"
)  # fmt: skip
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names.split()}
ABOVE = (
    "specs dump targets",
    "pipeline search tuned debug doctor",
    "visual calibration calibrate explain ablation explain_text measure tuning names",  # and `import mpmd`
    "commands cli __main__",
)
RANK |= {name: len(LAYERS) + rank for rank, names in enumerate(ABOVE) for name in names.split()}
RANK |= {"watch": RANK["errors"], "package": RANK["errors"], "": RANK["visual"]}
LIMITS = {"lib": RANK["lang"], "visual": RANK["runtime"]}  # what these may stand on


FORMATTERS = ("_repr_html_", "_repr_svg_")  # of notebooks: these alone load `visual`, when they are called


def imported(path: Path) -> set[str]:
    """The parts of mpmd that a file imports: `lang` for `mpmd.lang.types`, "" for mpmd itself."""
    names = set()
    for node in walked(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {[*name.split("."), ""][1] for name in names if name.split(".")[0] == "mpmd"}


def walked(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those within formatters."""
    yield tree
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.FunctionDef) and node.name in FORMATTERS):
            yield from walked(node)


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
