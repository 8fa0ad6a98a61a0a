"""One C++ function per specialisation of a task.

In:  a `graph.Function`. Out: its text, the scratch memory it needs, its run-time checks.
Not here: the statements inside (`steps.py`), the file around (`emit.py`).

Where extents differ between instances the body is a template over those dims: it is instantiated once
with the full tile's extents as constants and once with extents that the row gives.
"""

from __future__ import annotations

from dataclasses import dataclass

from mpmd.codegen.cpp.dialect import Dialect
from mpmd.codegen.cpp.names import comment, ctype, quoted
from mpmd.codegen.cpp.scope import Scope
from mpmd.codegen.cpp.steps import StepText
from mpmd.codegen.cpp.storage import plan
from mpmd.codegen.emitter import Lines
from mpmd.codegen.fuse import fuse
from mpmd.codegen.source import StepNote
from mpmd.lang.index import Index, symbol
from mpmd.lang.tile import Param
from mpmd.partition.graph import Function, Word, WordKind

RESTORE = "#line restore"
"""A line that `restored` replaces by a `#line` back to the generated file."""


def restored(text: str, name: str) -> str:
    """The text of the file `name` with every mark replaced by a directive that returns to it."""
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if line == RESTORE:
            lines[number - 1] = f"#line {number + 1} {quoted(name)}"
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class FunctionText:
    lines: Lines
    scratch_bytes: int
    checks: tuple[StepNote, ...]


def write_function(function: Function, first_check: int, dialect: Dialect) -> FunctionText:
    """The text of one function. Its run-time checks are numbered from `first_check`."""
    scope = Scope.of(function, dialect)
    fusion = fuse(function.task, fixed=scope.fixed)
    storage = plan(scope, fusion)
    body = StepText(scope, fusion, storage, first_check)
    body.write(fusion.steps)
    varying = tuple(
        name for name, _ in function.dims if name not in function.fixed and _used(scope, name, body)
    )
    lines = Lines()
    for line in _signature(function):
        lines(comment(line))
    name = f"{function.name}_body" if varying else function.name
    if varying:
        lines(f"template <{', '.join(f'class {_type_of(scope, dim)}' for dim in varying)}>")
    params = "".join(f", const {_type_of(scope, dim)} {scope.names[dim]}" for dim in varying)
    with lines.block(f"{dialect.qualifiers} void {name}({_core(body)}, {_row(body, scope)}{params}) {{"):
        for line in _prologue(function, scope, body):
            lines(line)
        lines.extend(body.lines)
        lines(RESTORE)
    if varying:
        lines.extend(_dispatch(function, scope, varying))
    return FunctionText(lines, storage.bytes, tuple(body.checks))


def _type_of(scope: Scope, dim: str) -> str:
    return f"{scope.names[dim]}_extent"


def _used(scope: Scope, dim: str, body: StepText) -> bool:
    return body.lines.mentions(scope.names[dim])


def _core(body: StepText) -> str:
    uses = bool(body.scope.function.layouts) or body.lines.mentions("core")
    return "mpmd::Core& core" if uses else "mpmd::Core&"


def _row(body: StepText, scope: Scope) -> str:
    read = any(body.lines.mentions(scope.names[p.name]) for p in scope.function.task.params)
    strides = any(
        body.lines.mentions(scope.names[f"{w.name}.stride{w.axis}"])
        for w in scope.function.words
        if w.kind is WordKind.STRIDE
    )
    return "const mpmd::Word* row" if read or strides else "const mpmd::Word*"


def _signature(function: Function) -> list[str]:
    task = function.task
    params = ", ".join(map(_param_text, task.params))
    extents = "  ".join(
        f"{name} = {extent}" if name in function.fixed else f"{name} ≤ {extent}"
        for name, extent in function.dims
    )
    where = f"{task.span.file}:{task.span.line}  " if task.span.line else ""
    return [f"{task.name}({params})", f"{where}{extents}".rstrip()] if where or extents else [
        f"{task.name}({params})"
    ]  # fmt: skip


def _param_text(param: Param) -> str:
    if param.direction is None:
        return f"{param.name}: {param.dtype.name}"
    shape = "".join(f", {extent}" for extent in param.shape)
    return f"{param.name}: {param.direction.value}[{param.dtype.name}{shape}]"


def _prologue(function: Function, scope: Scope, body: StepText) -> list[str]:
    """Declarations of what the body mentions: tensors, strides, scalars."""
    lines = []
    for at, word in enumerate(function.words):
        text = _declaration(function, scope, at, word)
        if text is not None and body.lines.mentions(text[0]):
            lines.append(text[1])
    return lines


def _declaration(function: Function, scope: Scope, at: int, word: Word) -> tuple[str, str] | None:
    param = function.task.param(word.name)
    name, element = scope.names[word.name], ctype(param.dtype)
    if word.kind is WordKind.BASE:
        assert param.direction is not None
        const = "" if param.direction.writes else "const "
        return name, f"{const}{element}* const {name} = mpmd::tensor<{const}{element}>(core, row, {at});"
    if word.kind is WordKind.STRIDE:
        stride = scope.names[f"{word.name}.stride{word.axis}"]
        return stride, f"const mpmd::Word {stride} = row[{at}];"
    if word.kind is WordKind.CHANNEL:
        return name, f"const mpmd::Word {name} = row[{at}];"
    if word.kind is WordKind.SCALAR:
        if param.dtype.is_integer:
            return name, f"const mpmd::Word {name} = row[{at}];"
        return name, f"const {element} {name} = mpmd::number<{element}>(row[{at}]);"
    return None


def _dispatch(function: Function, scope: Scope, varying: tuple[str, ...]) -> Lines:
    lines = Lines()
    full = dict(function.dims)
    head = f"{scope.dialect.qualifiers} void {function.name}(mpmd::Core& core, const mpmd::Word* row) {{"
    with lines.block(head):
        for dim in varying:
            lines(f"const mpmd::Word {scope.names[dim]} = row[{_extent_word(function, dim)}];")
        is_full = " && ".join(f"{scope.names[dim]} == {full[dim]}" for dim in varying)
        constants = "".join(f", mpmd::Fixed<{full[dim]}>{{}}" for dim in varying)
        given = "".join(f", {scope.names[dim]}" for dim in varying)
        lines(f"if ({is_full}) return {function.name}_body(core, row{constants});")
        lines(f"{function.name}_body(core, row{given});")
    return lines


def _extent_word(function: Function, dim: str) -> int:
    """The word that holds a dim's extent: that of an axis whose extent is the bare dim."""
    wanted: Index = symbol(dim)
    for at, word in enumerate(function.words):
        if word.kind is WordKind.EXTENT and function.task.param(word.name).shape[word.axis] == wanted:
            return at
    raise AssertionError(f"dim {dim} of {function.name} varies, but no row holds it")
