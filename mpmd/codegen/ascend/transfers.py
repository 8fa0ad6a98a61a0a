"""Tiles from and to global memory: which copies a region takes.

In:  a parameter, a region, a tile. Out: `Instruction`s on MTE2 and MTE3, and what turns elements into lanes.
Not here: proofs that regions are inside (`lang/task/check.py`), how long copies may be (vector.h).

A copy takes rows of neighbours, evenly apart; further axes are loops around it. Where neighbours lie along
another axis than the last, the tile is copied with that axis last and then transposed; where there are none
at all, each element is copied into a block of its own, or out of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mpmd.codegen.ascend.build import BLOCK, Build
from mpmd.codegen.ascend.casts import bytes_of, cast, from_memory, in_memory
from mpmd.codegen.ascend.instructions import Buffer, Pipe
from mpmd.codegen.ascend.scalars import WHY, address, axes_of, loops
from mpmd.codegen.ascend.shapes import moved
from mpmd.codegen.ascend.values import Placed, range_of
from mpmd.errors import Span
from mpmd.lang.index import ONE, ZERO, Index, symbol
from mpmd.lang.tile import Gather, Region, TileType
from mpmd.lang.types import DType


@dataclass(frozen=True, slots=True)
class Lying:
    """A region in memory: where it begins, its extents, elements from one place to the next along each.

    Of rows that are looked up one by one, `asked` is the tile that says which.
    """

    param: str
    dtype: DType
    start: Index
    extents: tuple[Index, ...]
    strides: tuple[Index, ...]
    asked: Buffer | None = None

    def swapped(self, order: tuple[int, ...]) -> Lying:
        extents, strides = (tuple(of[axis] for axis in order) for of in (self.extents, self.strides))
        return replace(self, extents=extents, strides=strides)


def lying(build: Build, param: str, region: Region) -> Lying:
    layout, scope = build.scope.layout(param), build.scope
    start, extents, strides = Index(0), list[Index](), list[Index]()
    for number, axis in enumerate(region):
        stride = scope.stride(layout, number)
        start = start + axis.start * stride
        if axis.keep:
            extents.append(axis.extent)
            strides.append(scope.settle(stride * axis.step))
    return Lying(param, build.function.task.param(param).dtype, start, tuple(extents), tuple(strides))


def load(build: Build, there: Lying, span: Span) -> Placed:
    """The region as a tile of its type."""
    order = _neighbours_last(build, there)
    if order is None:
        return _scattered(build, there, span)
    seen = there.swapped(order)
    raw = build.new(
        TileType(there.dtype, seen.extents), f"{there.param}[…]", span, lanes=bytes_of(there.dtype)
    )
    _copy(build, seen, raw, span, loads=True)
    tile = from_memory(build, Placed(raw.buffer, raw.type, range_of(there.dtype)), span)
    if order == tuple(range(len(order))):
        return tile
    strides = build.strides(tile.type, span)
    back = tuple(strides[order.index(axis)] for axis in range(len(order)))
    return moved(build, tile, TileType(there.dtype, there.extents), ZERO, back, span)


def load_rows(build: Build, stmt: Gather, rows: Placed) -> Placed:
    """`table[rows]`: a copy for each row, which the scalar unit looks up as it issues them."""
    layout, span, name = build.scope.layout(stmt.param), stmt.span, "$row"
    place = "0" if build.scope.settle(stmt.type.shape[0]) == ONE else "i0"
    build.scope.names[name] = f"{rows.buffer.name}.GetValue({place})"
    strides = tuple(build.scope.settle(build.scope.stride(layout, n)) for n in range(len(layout.strides)))
    dtype = build.function.task.param(stmt.param).dtype
    start = symbol(name) * strides[0]
    there = Lying(stmt.param, dtype, start, stmt.type.shape, (ZERO, *strides[1:]), rows.buffer)
    return load(build, there, span)


def store(build: Build, there: Lying, value: Placed, span: Span) -> None:
    order = _neighbours_last(build, there)
    value = cast(build, value, there.dtype, span)
    if order is None:
        return _scatter(build, there, in_memory(build, value, there.dtype, span), span)
    seen = there.swapped(order)
    if order != tuple(range(len(order))):
        strides = build.strides(value.type, span)
        swapped = tuple(strides[axis] for axis in order)
        value = moved(build, value, TileType(there.dtype, seen.extents), ZERO, swapped, span)
    return _copy(build, seen, in_memory(build, value, there.dtype, span), span, loads=False)


def _neighbours_last(build: Build, there: Lying) -> tuple[int, ...] | None:
    """The axes with one along which elements are neighbours at the end; None if there is none."""
    axes = range(len(there.extents))
    long = [axis for axis in axes if build.scope.settle(there.extents[axis]) != ONE]
    if there.asked is not None and not any(long):
        return None if long else tuple(axes)
    if not long or there.strides[long[-1]] == ONE:
        return tuple(axes)
    for axis in reversed(long):
        if there.strides[axis] == ONE:
            return (*(other for other in axes if other != axis), axis)
    return None


def _copy(build: Build, there: Lying, tile: Placed, span: Span, *, loads: bool) -> None:
    """Rows of neighbours, under loops over what is not evenly apart."""
    long = [n for n, extent in enumerate(build.settled(there.extents)) if extent != ONE]
    *outer, _ = long or [0]
    inner = [n for n in outer[_uneven(build, there, outer) :] if n or there.asked is None]
    outer = [n for n in outer if n not in inner]
    axes = axes_of(build, tile.type)
    target, start = Index(0), there.start
    strides = build.strides(tile.type, span)
    for n in outer:
        target, start = target + axes[n] * strides[n], start + axes[n] * there.strides[n]
    kept = tuple(there.extents[n] for n in (*inner, *long[-1:]))
    shape = build.shape(TileType(tile.type.dtype, kept), span)
    apart = there.strides[inner[-1]] if inner else there.strides[long[-1]] if long else ONE
    name = build.scope.names[there.param]
    at = build.scope.text(start)
    far = name if at == "0" else f"{name} + {at}"
    near = build.scope.text(target)
    local = tile.buffer.name if near == "0" else f"{tile.buffer.name}[{near}]"
    first, second = (local, far) if loads else (far, local)
    heads = "".join(
        loops(build, axes[n : n + 1], TileType(tile.type.dtype, there.extents[n : n + 1])) for n in outer
    )
    call = f"mpmd::{'load' if loads else 'store'}({first}, {second}, {shape.text}, "
    text = f"{heads}{call}{build.scope.text(apart)})"
    if loads:
        build.issue(Pipe.MTE2, text, (), (tile.buffer,), span, loaded=there.param, asked=_asked(there))
    else:
        build.issue(Pipe.MTE3, text, (tile.buffer,), (), span, stored=there.param)


def _asked(there: Lying) -> tuple[Buffer, ...]:
    return () if there.asked is None else (there.asked,)


def _uneven(build: Build, there: Lying, outer: list[int]) -> int:
    """How many of the outer axes are not as far apart as the rows within them are long."""
    for place in range(len(outer) - 1, 0, -1):
        axis, above = outer[place], outer[place - 1]
        whole = build.scope.settle(there.extents[axis] * there.strides[axis])
        if whole != build.scope.settle(there.strides[above]):
            return place
    return 0


# -- elements apart ---------------------------------------------------------------------------------


def _blocks(build: Build, there: Lying, span: Span) -> TileType:
    """The region's elements one behind the other, each with a block to itself."""
    per_block = BLOCK // there.dtype.itemsize
    return TileType(there.dtype, (*there.extents, Index(per_block)))


def _scattered(build: Build, there: Lying, span: Span) -> Placed:
    type_ = TileType(there.dtype, there.extents)
    blocks = _one_by_one(build, there, None, span)
    out = build.new(type_, f"{there.param}[…]", span, lanes=bytes_of(there.dtype))
    _between_blocks(build, out, blocks, span, out_of=True)
    return from_memory(build, Placed(out.buffer, type_, range_of(there.dtype)), span)


def _scatter(build: Build, there: Lying, value: Placed, span: Span) -> None:
    count = build.shape(value.type, span)
    per_block = BLOCK // there.dtype.itemsize
    buffer = build.scratch(count.most_rows * count.most_columns * per_block, "a block for each", value.lanes)
    blocks = Placed(buffer, value.type)
    _between_blocks(build, value, blocks, span, out_of=False)
    _one_by_one(build, there, blocks, span)


def _between_blocks(build: Build, tile: Placed, blocks: Placed, span: Span, *, out_of: bool) -> None:
    axes = axes_of(build, tile.type)
    per_block = BLOCK // blocks.lanes.itemsize
    near, far = (
        address(build, tile.type, axes, span),
        build.scope.text(_flat(build, tile.type, axes) * per_block),
    )
    (to, at), (from_, source) = (tile, near), (blocks, far)
    if not out_of:
        (to, at), (from_, source) = (from_, source), (to, at)
    body = f"{to.buffer.name}.SetValue({at}, {from_.buffer.name}.GetValue({source}))"
    text = f"{WHY} {loops(build, axes, tile.type)}{body}"
    build.issue(Pipe.S, text, (from_.buffer,), (to.buffer,), span)


def _flat(build: Build, type_: TileType, axes: tuple[Index, ...]) -> Index:
    """The number of a place, in order."""
    number = Index(0)
    for axis, extent in zip(axes, build.settled(type_.shape), strict=True):
        number = number * extent + axis
    return number


def _one_by_one(build: Build, there: Lying, blocks: Placed | None, span: Span) -> Placed:
    """Elements along the last axis that is longer than 1, under loops over the rest."""
    type_ = TileType(there.dtype, there.extents)
    count = build.shape(type_, span)
    per_block, loads = BLOCK // there.dtype.itemsize, blocks is None
    if blocks is None:
        elements = count.most_rows * count.most_columns * per_block
        buffer = build.scratch(elements, "a block for each element", bytes_of(there.dtype))
        blocks = Placed(buffer, type_)
    *_, last = [n for n, extent in enumerate(build.settled(there.extents)) if extent != ONE] or [0]
    alone = there.asked is not None and not last  # each has to be looked up
    axes = axes_of(build, type_)
    outer = tuple(axis if n < last or alone else ZERO for n, axis in enumerate(axes))
    start = there.start
    for axis, stride in zip(outer, there.strides, strict=True):
        start = start + axis * stride
    name, scope = build.scope.names[there.param], build.scope
    far = f"{name} + {scope.text(start)}"
    near = f"{blocks.buffer.name}[{scope.text(_flat(build, type_, outer) * per_block)}]"
    first, second = (near, far) if loads else (far, near)
    around = last + alone
    heads = loops(build, axes[:around], TileType(there.dtype, there.extents[:around]))
    extent, apart = scope.text(ONE if alone else there.extents[last]), scope.text(there.strides[last])
    verb = "load" if loads else "store"
    text = f"{heads}mpmd::{verb}_apart({first}, {second}, {extent}, {apart})"
    if loads:
        build.issue(Pipe.MTE2, text, (), (blocks.buffer,), span, loaded=there.param, asked=_asked(there))
    else:
        build.issue(Pipe.MTE3, text, (blocks.buffer,), (), span, stored=there.param)
    return blocks
