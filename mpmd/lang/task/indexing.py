"""What stands in brackets: regions of tensors, gathers, pieces of tiles, and stores.

In:  evaluated bracket items with their spans. Out: `Load`, `Gather`, `Store` and slices in the builder.
Not here: evaluating the items (`task/expr.py`); whether a region lies within its tensor (`task/check.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import EllipsisType

from mpmd.errors import LanguageError, Note, Span, TypeMismatch
from mpmd.lang.index import ONE, ZERO, Index, ceildiv
from mpmd.lang.op_types import OpTypeError, broadcast_shapes, shape_text
from mpmd.lang.task.operators import broadcast, reshape
from mpmd.lang.task.values import (
    Builder,
    SliceItem,
    Tile,
    TileSpan,
    Value,
    as_tile,
    common_dtype,
    constant_int,
    describe,
    index_of,
    is_number,
    not_a_tile,
)
from mpmd.lang.tile import Axis, Gather, Load, Param, Region, Store, TileType, kept_shape
from mpmd.lang.types import DType, bool_


@dataclass(frozen=True, slots=True)
class Item:
    """One thing between the commas of `x[…]`."""

    value: Value
    span: Span


_ALL = SliceItem(None, None, None)


def load(builder: Builder, param: Param, items: Sequence[Item], span: Span) -> Tile:
    """`x[items]` as a tile."""
    items = _filled(items, len(param.shape), f"'{param.name}'", span)
    first = next((at for at, item in enumerate(items) if item.value is not None), None)
    if first is not None and isinstance(vector := items[first].value, Tile) and vector.type.rank:
        rows = _gather(builder, param, vector, items[first].span, span)
        rest = [*items[:first], Item(_ALL, span), *items[first + 1 :]]
        return piece(builder, rows, rest, span)
    tile = load_region(builder, param, _region(items, param.shape, f"'{param.name}'"), span)
    return _with_new_axes(builder, tile, items, span)


def load_region(builder: Builder, param: Param, region: Region, span: Span) -> Tile:
    tile = Tile(builder.fresh(), TileType(param.dtype, kept_shape(region)))
    builder.emit(Load(tile.id, tile.type, param.name, region, span))
    return tile


def piece(builder: Builder, tile: Tile, items: Sequence[Item], span: Span) -> Tile:
    """`value[items]`: slices of a tile value, one axis at a time."""
    items = _filled(items, tile.type.rank, f"the tile {tile.type}", span)
    region = _region(items, tile.type.shape, "a tile value")
    for number, (axis, extent) in enumerate(zip(region, tile.type.shape, strict=True)):
        if axis != Axis(ZERO, extent):
            attrs = (("axis", number), ("start", axis.start), ("extent", axis.extent), ("step", axis.step))
            shape = (*tile.type.shape[:number], axis.extent, *tile.type.shape[number + 1 :])
            type_ = TileType(tile.type.dtype, shape)
            tile = builder.define("slice", (tile.id,), type_, attrs, span, weak=tile.weak)
    tile = reshape(builder, tile, kept_shape(region), span)
    return _with_new_axes(builder, tile, items, span)


def target_region(param: Param, items: Sequence[Item], span: Span) -> Region:
    """The region that `y[items] = …` writes."""
    items = _filled(items, len(param.shape), f"'{param.name}'", span)
    for item in items:
        if item.value is None:
            raise LanguageError(
                "a store cannot insert axes",
                span=item.span,
                hints=("reshape the value instead: y[:] = value[:, None]",),
            )
        if isinstance(item.value, Tile) and item.value.type.rank:
            raise LanguageError(
                "a store cannot scatter by a vector of indices",
                span=item.span,
                hints=("write a loop: for i in range(n): y[ids[i]] = value[i]",),
            )
    return _region(items, param.shape, f"'{param.name}'")


def store(builder: Builder, param: Param, region: Region, value: Value, accumulate: bool, span: Span) -> None:
    """Writes a value into a region: cast to the tensor's dtype, repeated to the region's shape."""
    tile = narrowed(builder, param, value, "store", span)
    shape = kept_shape(region)
    try:
        fits = broadcast_shapes(tile.type.shape, shape) == shape
    except OpTypeError:
        fits = False
    if not fits:
        raise TypeMismatch(
            f"a value of shape {shape_text(tile.type.shape)} is stored into "
            f"{shape_text(shape)} of '{param.name}'",
            span=span,
            label="the shapes differ",
            related=(Note(param.span, f"declares '{param.name}' as {shape_text(param.shape)}"),),
        )
    tile = broadcast(builder, tile, shape, span)
    builder.emit(Store(param.name, region, tile.id, accumulate, span))


def narrowed(builder: Builder, param: Param, value: Value, verb: str, span: Span) -> Tile:
    """The value in the dtype of the parameter that it goes to, if that changes only its width.

    `verb` is "store" or "send".
    """
    if not isinstance(value, Tile) and not is_number(value):
        raise not_a_tile(value, span)
    natural = value.type.dtype if isinstance(value, Tile) else common_dtype((value,))[0]
    if not _storable(natural, param.dtype):
        raise TypeMismatch(
            f"{natural.name} is {_GOES[verb]} '{param.name}' of {param.dtype.name}",
            span=span,
            label=f"only a width may change in a {verb}",
            related=(Note(param.span, f"declares '{param.name}' as {param.dtype.name}"),),
            hints=(
                "compare first: x != 0"
                if param.dtype == bool_
                else f"cast it: value.astype(mpmd.{param.dtype.name})",
            ),
        )
    return as_tile(builder, value, span, param.dtype)


_GOES = {"store": "stored into", "send": "sent through"}


def _storable(value: DType, target: DType) -> bool:
    """Stores change the width of floats and integers, and widen bool → integer → float."""
    order = {"b": 0, "u": 1, "i": 1, "f": 2}
    return order[value.kind] <= order[target.kind]


# -- items into axes ----------------------------------------------------------------------------


def _filled(items: Sequence[Item], rank: int, what: str, span: Span) -> list[Item]:
    """One item per axis (and the `None`s): `...` and what is left off are full slices."""
    used = sum(item.value is not None and not isinstance(item.value, EllipsisType) for item in items)
    if used > rank:
        plural = "axis" if rank == 1 else "axes"
        raise TypeMismatch(
            f"{what} has {rank} {plural}, but {used} are indexed",
            span=span,
            hints=("a 0-d tensor has one element, at [()]",) if rank == 0 else (),
        )
    dots = [i for i, item in enumerate(items) if isinstance(item.value, EllipsisType)]
    if len(dots) > 1:
        raise LanguageError("'...' stands once in an index", span=items[dots[1]].span)
    at = dots[0] if dots else len(items)
    fill = [Item(_ALL, span)] * (rank - used)
    return [*items[:at], *fill, *items[at + 1 :]]


def _region(items: Sequence[Item], shape: tuple[Index, ...], what: str) -> Region:
    picks = [item for item in items if item.value is not None]
    return tuple(_axis(item, extent, what) for item, extent in zip(picks, shape, strict=True))


def _axis(item: Item, extent: Index, what: str) -> Axis:
    value = item.value
    if isinstance(value, TileSpan):
        return Axis(value.start, value.size)
    if isinstance(value, SliceItem):
        return _slice_axis(value, extent, item.span)
    if isinstance(value, Tile) and value.type.rank:
        raise _vector_index(value, what, item.span)
    return Axis(_from_end(index_of(value, item.span, "an index"), extent), ONE, keep=False)


def _slice_axis(item: SliceItem, extent: Index, span: Span) -> Axis:
    step = 1 if item.step is None else constant_int(item.step)
    if step is None or step < 1:
        raise LanguageError(
            "the step of a slice is a positive constant",
            span=span,
            label=f"here it is {describe(item.step)}",
        )
    start = ZERO if item.start is None else _from_end(index_of(item.start, span, "a slice bound"), extent)
    stop = extent if item.stop is None else _from_end(index_of(item.stop, span, "a slice bound"), extent)
    return Axis(start, ceildiv(stop - start, step), step)


def _from_end(index: Index, extent: Index) -> Index:
    """A negative constant counts from the end."""
    return index + extent if index.is_const and index.const < 0 else index


def _vector_index(value: Tile, what: str, span: Span) -> LanguageError | TypeMismatch:
    if value.type.dtype == bool_:
        return LanguageError(
            "a mask is not an index",
            span=span,
            label=f"this is {value.type}",
            hints=("choose values instead: mpmd.where(mask, a, b)",),
        )
    return LanguageError(
        f"{what} is indexed by {describe(value)}",
        span=span,
        hints=("rows of a tensor are gathered by a vector in the first index: table[ids]",),
    )


def _gather(builder: Builder, param: Param, index: Tile, span: Span, whole: Span) -> Tile:
    if not index.type.dtype.is_integer:
        raise _vector_index(index, f"'{param.name}'", span)
    if index.type.rank != 1:
        raise TypeMismatch(
            f"rows of '{param.name}' are gathered by a vector, not by {describe(index)}",
            span=span,
            hints=("reshape the indices to one axis, and the rows afterwards",),
        )
    tile = Tile(builder.fresh(), TileType(param.dtype, (index.type.shape[0], *param.shape[1:])))
    builder.emit(Gather(tile.id, tile.type, param.name, index.id, whole))
    return tile


def _with_new_axes(builder: Builder, tile: Tile, items: Sequence[Item], span: Span) -> Tile:
    """Inserts an axis for every `None`."""
    axis = 0
    for item in items:
        if item.value is None:
            tile = builder.apply("expand", (tile,), span, (("axis", axis),), weak=tile.weak)
        if item.value is None or isinstance(item.value, (SliceItem, TileSpan)):
            axis += 1
    return tile
