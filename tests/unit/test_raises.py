"""What the package raises is a `Diagnostic` with the user's place; what is not is listed, with its reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

import mpmd
from mpmd import errors

PACKAGE = Path(mpmd.__file__).parent

LAWS = {name for name, value in vars(errors).items() if isinstance(value, type)} - {"Span", "Note"}

WITHOUT_A_PLACE = {
    "runtime": "has arrays, bytes and compilers; `place` adds the user's line where a launch or compile ends",
    "codegen/cuda": "reads tables, which no line made",
    "codegen/sections.py": "reads tables, which no line made",
    "schedule/proof": "reads bytes that no line made; `place` adds the kernel's line where a compile ends",
    "machine": "has tables, and files that no line of the user's names",
    "targets": "is asked for code that a pipeline has placed; `place` adds the line where a compile ends",
    "commands": "has a command line, which is not in a file",
}
"""Folders and files whose diagnostics may have no place of their own."""

OTHER = {
    ("codegen/cpp/function.py", "AssertionError"): "a row lacks a dim: the partition is wrong, not the user",
    ("codegen/launch_values.py", "Refusal"): "caught where the launch is made, which names the scalars",
    ("lang/debug_tile.py", "AttributeError"): "Python's protocol for names that are asked for",
    ("lang/op_types.py", "OpTypeError"): "the parser catches it and adds the place",
    ("lang/kernel/symbolic.py", "NotImplementedError"): "an abstract method",
    ("lang/text/parser.py", "error.orig_exc"): "the Diagnostic inside of what the grammar wraps",
    ("lang/kernel/views.py", "AttributeError"): "Python's protocol for names that are asked for",
    ("cli.py", "BadParameter"): "how a wrong command line is told",
    ("cli.py", "Exit"): "how a command ends with a status",
    ("commands/options.py", "BadParameter"): "how a wrong command line is told",
    ("commands/options.py", "_unknown"): "a `BadParameter`",
    ("commands/script.py", "outcome.raised"): "the `Diagnostic` that ended the script",
    ("package.py", "AttributeError"): "Python's protocol for names that are asked for",
    ("machine/saved.py", "Unfit"): "caught where a calibration is looked for",
    ("machine/saved.py", "ValueError"): "caught where the file is read",
    (
        "machine/sources.py",
        "ValueError",
    ): "a table of figures lacks a source: the table is wrong, not the user",
    ("runtime/arrays.py", "AssertionError"): "asked why arguments overlap that do not",
    ("runtime/cache.py", "_Unsafe"): "caught where the cache is opened",
    ("runtime/dlpack.py", "BufferError"): "caught by `arrays.py`, which names the argument",
}
"""What else is raised, by file."""

ASSERTS = {
    "codegen/ascend/checks.py": "statements of a parsed task",
    "codegen/ascend/elementwise.py": "statements of a parsed task",
    "codegen/ascend/vector.py": "statements of a parsed task",
    "codegen/cpp/checks.py": "statements of a parsed task",
    "codegen/cpp/elements.py": "statements of a parsed task",
    "codegen/cpp/function.py": "directions of a bound call",
    "codegen/cpp/steps.py": "elements of a planned task",
    "codegen/cpp/storage.py": "statements of a parsed task",
    "codegen/fuse.py": "statements of a parsed task",
    "codegen/tables.py": "directions of a traced program",
    "lang/kernel/binding.py": "directions of a parsed signature",
    "lang/debug_tile.py": "directions of a parsed signature",
    "lang/debug.py": "arguments that a call has been checked for",
    "lang/evaluate_task.py": "dtypes of arrays that have been checked",
    "lang/text/parser.py": "the one other class that the grammar raises",
    "lang/kernel/trace.py": "specs that have been checked against the signature",
    "partition/accesses.py": "directions of a traced program",
    "partition/chains.py": "arguments of a bound call",
    "partition/affine.py": "values that expansion has made one for all instances",
    "partition/cost.py": "directions of a traced program",
    "partition/expand.py": "loops that the walk before has told apart",
    "partition/late.py": "scalars that only proofs have",
    "partition/engine_cuts.py": "statements of straight bodies",
    "partition/engine_loops.py": "statements of straight bodies",
    "partition/engines.py": "statements of straight bodies",
    "partition/hoist.py": "statements of straight bodies",
    "partition/straight.py": "loops that the walk before has told apart",
    "partition/regions.py": "frames that expansion has made",
    "partition/rewrite/excerpt.py": "places of calls that the walk before has found",
    "partition/rewrite/places.py": "places of calls that the walk before has found",
    "partition/rewrite/recompute.py": "calls that the proof before has matched",
    "partition/rewrite/split.py": "directions of a traced program",
    "schedule/simulation/launch.py": "steps that only cores with those pieces have",
}
"""Files with `assert` statements, and what those say: never something of the user's that is unchecked."""


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text())


def called(node: ast.expr) -> str:
    """`refusal` for `self.refusal(…)`; "" for what is no call."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)


def returns_a_diagnostic(node: ast.FunctionDef) -> bool:
    names = set() if node.returns is None else set(ast.unparse(node.returns).strip("'\"").split(" | "))
    return bool(names) and names <= LAWS


def makers() -> set[str]:
    """The functions that say of themselves that they return a diagnostic, and parameters that are laws."""
    found = set(LAWS)
    for _, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and returns_a_diagnostic(node):
                found.add(node.name)
            of_a_law = isinstance(node, ast.arg) and node.annotation is not None
            if of_a_law and ast.unparse(node.annotation) == "type[Diagnostic]":
                found.add(node.arg)
    return found


def test_what_is_raised_is_a_diagnostic():
    known, wrong, used = makers(), [], set()
    for file, tree in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Raise) or node.exc is None or called(node.exc) in known:
                continue
            raised = called(node.exc) or ast.unparse(node.exc)
            used.add((file, raised))
            if (file, raised) not in OTHER:
                wrong.append(f"{file}:{node.lineno} raises {raised}")
    assert not wrong, "\n".join(wrong)
    assert not OTHER.keys() - used, "listed, but no longer raised"


def test_every_diagnostic_has_the_users_place():
    wrong = []
    for file, tree in trees():
        exempt = any(f"{file}/".startswith(f"{folder}/") for folder in WITHOUT_A_PLACE)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or called(node) not in LAWS | {"error"} or file == "errors.py":
                continue
            span = next((ast.unparse(k.value) for k in node.keywords if k.arg == "span"), None)
            own = isinstance(node.func, ast.Attribute)  # `self.error(…)`: a method, which adds the place
            if (span is None and not own) or (span == "NO_SPAN" and not exempt):
                wrong.append(f"{file}:{node.lineno} {called(node)}: span={span}")
    assert not wrong, "\n".join(wrong)


def test_asserts_are_about_what_is_checked_already():
    files = {file for file, tree in trees() for node in ast.walk(tree) if isinstance(node, ast.Assert)}
    assert files == ASSERTS.keys()
