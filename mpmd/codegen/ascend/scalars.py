"""The last resort: the scalar unit computes a tile element by element. Slow, and right for all integers.

In:  values, an expression for an element. Out: one `Instruction` on pipe S, a nest of loops.
Not here: what the expressions mean (`include/mpmd/scalar.h`), which statements come here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mpmd.codegen.ascend.build import Build
from mpmd.codegen.ascend.instructions import Pipe
from mpmd.codegen.ascend.values import C_TYPES, Placed, Value, as_lanes
from mpmd.errors import Span
from mpmd.lang.index import ONE, ZERO, Index, symbol
from mpmd.lang.tile import TileType
from mpmd.lang.types import DType

Expression = Callable[[Sequence[str]], str]
WHY = "/* the scalar unit: no vector instruction does this */"


def each(
    build: Build, out: Placed, args: Sequence[Value], lanes: DType, made: Expression, span: Span
) -> Placed:
    """`out` from `args`, which broadcast; the expression is of elements that are of `lanes`."""
    axes = axes_of(build, out.type)
    elements = [element(build, arg, out.type, axes, lanes, span) for arg in args]
    target = address(build, out.type, axes, span)
    body = f"{out.buffer.name}.SetValue({target}, {made(elements)})"
    placed = tuple(arg.buffer for arg in args if isinstance(arg, Placed))
    build.issue(Pipe.S, f"{WHY} {loops(build, axes, out.type)}{body}", placed, (out.buffer,), span)
    return out


def axes_of(build: Build, type_: TileType, first: int = 0) -> tuple[Index, ...]:
    """A symbol for the place along each axis that has several; `build.scope` knows its name."""
    for number in range(first, first + type_.rank):
        build.scope.names[f"${number}"] = f"i{number}"
    return tuple(
        ZERO if extent == ONE else symbol(f"${number}")
        for number, extent in enumerate(build.settled(type_.shape), start=first)
    )


def loops(build: Build, axes: Sequence[Index], type_: TileType) -> str:
    """The heads of the loops over all places."""
    text = ""
    for axis, extent in zip(axes, build.settled(type_.shape), strict=True):
        if extent == ONE:
            continue
        name = build.scope.text(axis)
        text += f"for (mpmd::Word {name} = 0; {name} < {build.scope.text(extent)}; ++{name}) "
    return text


def address(build: Build, type_: TileType, axes: Sequence[Index], span: Span) -> str:
    """Where the element at a place stands in its tile."""
    at = Index(0)
    for axis, stride, extent in zip(
        axes, build.strides(type_, span), build.settled(type_.shape), strict=True
    ):
        at = at + (ZERO if extent == ONE else axis * stride)
    return build.scope.text(at)


def element(
    build: Build, value: Value, out: TileType, axes: Sequence[Index], lanes: DType, span: Span
) -> str:
    """The element of an operand that belongs to a place of the result, as one of `lanes`."""
    if not isinstance(value, Placed):
        return as_lanes(value, lanes)
    own = axes[out.rank - value.type.rank :]
    text = f"{value.buffer.name}.GetValue({address(build, value.type, own, span)})"
    return text if value.lanes == lanes else f"static_cast<{C_TYPES[lanes.name]}>({text})"
