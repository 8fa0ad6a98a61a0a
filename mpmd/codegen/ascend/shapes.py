"""Elements of a tile in other places: broadcasts, transposes, slices, reshapes.

In:  a tile. Out: a tile, the same one where nothing has to move.
Not here: what a tile's bytes mean (`values.py`), copies from and to global memory (`transfers.py`).

Whatever moves along strides is picked row by row by the core's Gather: a row of the result has its columns
evenly apart in the operand, so that all rows share one list of places and differ in where it begins. Elements
of 8 bytes, which Gather does not take, and reshapes of rows that are not dense, are the scalar unit's.
"""

from __future__ import annotations

from collections.abc import Sequence

from mpmd.codegen.ascend.build import Build
from mpmd.codegen.ascend.instructions import Buffer, Pipe
from mpmd.codegen.ascend.scalars import WHY, address, axes_of, loops
from mpmd.codegen.ascend.values import Placed, unsigned
from mpmd.errors import Span
from mpmd.lang.index import ONE, ZERO, Index
from mpmd.lang.tile import Apply, TileType
from mpmd.lang.types import i32

MOST_COLUMNS = 255 * 8
"""What the stride from one repeat to the next, counted in blocks of 32 bytes, can skip."""


def reshaped(build: Build, stmt: Apply, a: Placed) -> Placed:
    """An op of kind SHAPE."""
    if stmt.op == "broadcast":
        return spread(build, a, stmt.type.shape, stmt.span)
    type_, strides = TileType(a.type.dtype, stmt.type.shape), build.strides(a.type, stmt.span)
    if stmt.op == "transpose":
        order: tuple[int, ...] = stmt.attr("order")  # type: ignore[assignment]
        return moved(build, a, type_, ZERO, tuple(strides[axis] for axis in order), stmt.span)
    if stmt.op == "slice":
        axis, step = int(stmt.attr("axis")), int(stmt.attr("step"))  # type: ignore[arg-type]
        start = build.scope.settle(stmt.attr("start")) * strides[axis]  # type: ignore[arg-type]
        strides = tuple(s * step if n == axis else s for n, s in enumerate(strides))
        return moved(build, a, type_, start, strides, stmt.span)
    return _regrouped(build, a, type_, stmt.span)


def spread(build: Build, a: Placed, shape: tuple[Index, ...], span: Span) -> Placed:
    """The tile with these extents, by NumPy's rules of broadcasting."""
    type_ = TileType(a.type.dtype, shape)
    own = (ONE,) * (len(shape) - a.type.rank) + build.settled(a.type.shape)
    wanted = build.settled(shape)
    if own == wanted:
        return Placed(a.buffer, type_, a.range)
    if fast := _spread_rows(build, a, type_, own, wanted, span):
        return fast
    strides = (ZERO,) * (len(shape) - a.type.rank) + build.strides(a.type, span)
    strides = tuple(ZERO if extent == ONE else s for s, extent in zip(strides, own, strict=True))
    return moved(build, a, type_, ZERO, strides, span)


def _spread_rows(
    build: Build, a: Placed, type_: TileType, own: Sequence[Index], wanted: Sequence[Index], span: Span
) -> Placed | None:
    """A number of each row along its row, or a row for every row."""
    to = build.shape(type_, span)
    kept = [x for x, y in zip(own, wanted, strict=True) if y != ONE]
    if a.lanes.itemsize != 4 or to.pitch > MOST_COLUMNS or to.most_rows > MOST_COLUMNS:
        return None
    if all(x == ONE for x in kept):
        count, rows = "1", 1
    elif all(x == ONE for x in kept[-1:]) and kept[:-1] == [y for y in wanted if y != ONE][:-1]:
        if len(kept) > 2:
            return None
        count, rows = to.rows, to.most_rows
    elif all(x == ONE for x in kept[:-1]):
        out = build.new(type_, "repeat", span, lanes=a.lanes, range_=a.range)
        text = f"mpmd::repeat({out.buffer.name}, {a.buffer.name}, {to.text})"
        build.issue(Pipe.V, text, (a.buffer,), (out.buffer,), span)
        return out
    else:
        return None
    out = build.new(type_, "spread", span, lanes=a.lanes, range_=a.range)
    whole = -(-rows // 8) * 8
    padded = build.scratch(whole, "a number for each row, and zeros", a.lanes)
    blocks = build.scratch(8 * whole, "a block for each row", a.lanes)
    build.issue(Pipe.V, f"mpmd::clear({padded.name})", (), (padded,), span)
    names = ", ".join((out.buffer.name, a.buffer.name, padded.name, blocks.name, to.text, unsigned(count)))
    build.issue(Pipe.V, f"mpmd::spread({names})", (a.buffer, padded), (out.buffer, padded, blocks), span)
    return out


def moved(
    build: Build, a: Placed, type_: TileType, start: Index, strides: tuple[Index, ...], span: Span
) -> Placed:
    """A tile whose elements stand in `a` from `start` on, so far apart along each axis."""
    if _lies_so(build, a, type_, start, strides, span):
        return Placed(a.buffer, type_, a.range)
    out = build.new(type_, "moved", span, lanes=a.lanes, range_=a.range)
    axes = axes_of(build, type_)
    if a.lanes.itemsize in (2, 4) and build.lying(type_.shape):
        return _picked(build, a, out, start, strides, axes, span)
    source = start
    for axis, stride in zip(axes, strides, strict=True):
        source = source + axis * stride
    body = f"{out.buffer.name}.SetValue({address(build, type_, axes, span)}, "
    body += f"{a.buffer.name}.GetValue({build.scope.text(source)}))"
    build.issue(Pipe.S, f"{WHY} {loops(build, axes, type_)}{body}", (a.buffer,), (out.buffer,), span)
    return out


def _lies_so(
    build: Build, a: Placed, type_: TileType, start: Index, strides: tuple[Index, ...], span: Span
) -> bool:
    """Whether nothing has to move: the places are those of a tile of that type in the same bytes."""
    own = zip(build.strides(type_, span), strides, build.settled(type_.shape), strict=True)
    return start == ZERO and all(extent == ONE or mine == there for mine, there, extent in own)


def _picked(
    build: Build,
    a: Placed,
    out: Placed,
    start: Index,
    strides: tuple[Index, ...],
    axes: Sequence[Index],
    span: Span,
) -> Placed:
    """Row by row, by the core's Gather."""
    last = len(build.lying(out.type.shape)) - 1
    columns = build.settled(out.type.shape)[last]
    steps = _steps(build, strides[last], columns, a.lanes.itemsize, span)
    outer = tuple(axis if number < last else ZERO for number, axis in enumerate(axes))
    source = start
    for axis, stride in zip(outer, strides, strict=True):
        source = source + axis * stride
    rows = TileType(out.type.dtype, out.type.shape[:last])
    target = address(build, out.type, outer, span)
    names = f"{out.buffer.name}[{target}], {a.buffer.name}, {steps.name}"
    text = f"mpmd::pick({names}, {build.scope.text(source)}, {build.scope.text(columns)})"
    text = loops(build, axes[:last], rows) + text
    build.issue(Pipe.V, text, (a.buffer, steps), (out.buffer,), span)
    return out


def _steps(build: Build, stride: Index, columns: Index, itemsize: int, span: Span) -> Buffer:
    """The places of a row's columns, in bytes; made once for all rows that are alike."""
    key = build.scope.text(stride * itemsize), build.scope.text(columns)
    if key not in build.steps:
        most = max(build.unit, build.scope.bound(columns, span))
        build.steps[key] = made = build.scratch(most, f"columns {key[0]} bytes apart", i32)
        text = f"mpmd::steps({made.name}, {key[0]}, {key[1]})"
        build.issue(Pipe.S, text, (), (made,), span)
    return build.steps[key]


def _regrouped(build: Build, a: Placed, type_: TileType, span: Span) -> Placed:
    """The same elements in the same order under other extents."""
    before, after = build.shape(a.type, span), build.shape(type_, span)
    dense = all(s.columns == str(s.pitch) or s.most_rows == 1 for s in (before, after))
    if (before.rows, before.columns) == (after.rows, after.columns) or dense:
        return Placed(a.buffer, type_, a.range)
    out = build.new(type_, "reshape", span, lanes=a.lanes, range_=a.range)
    count = f"mpmd::Word{{{after.rows}}} * ({after.columns})"
    places = (f"i0 / ({s.columns}) * {s.pitch} + i0 % ({s.columns})" for s in (after, before))
    to, from_ = places
    body = f"{out.buffer.name}.SetValue({to}, {a.buffer.name}.GetValue({from_}))"
    head = f"for (mpmd::Word i0 = 0; i0 < {count}; ++i0)"
    build.issue(Pipe.S, f"{WHY} {head} {body}", (a.buffer,), (out.buffer,), span)
    return out


__all__ = ["MOST_COLUMNS", "moved", "reshaped", "spread"]
