"""Tensors as a kernel's Python handles them while it is traced: views that know their region.

In:  a registry of the kernel's tensors (`Tensors`), and what users index with.
Out: `TensorView`, from which a `View` of the program is made; `TileSpan`, the `t` of a loop over pieces.
Not here: calls (`kernel/binding.py`); whether runtime offsets stay inside (`partition` emits guards).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn, Protocol

from mpmd.errors import BoundsError, LanguageError, TypeMismatch
from mpmd.lang.frames import caller_span
from mpmd.lang.index import ONE, ZERO, Index, ceildiv, maximum, minimum
from mpmd.lang.kernel.ranges import OpenLoop, greatest, intervals, least
from mpmd.lang.kernel.symbolic import as_extent, simplest
from mpmd.lang.program import Tensor, View
from mpmd.lang.tile import Axis
from mpmd.lang.types import Direction, DType

REST = Index(-1)
"""The extent of a new shape that follows from the others."""


class Tensors(Protocol):
    """What a view needs to know of the trace that it belongs to."""

    @property
    def open_loops(self) -> Sequence[OpenLoop]: ...

    def reshaped(self, tensor: Tensor, shape: tuple[Index, ...]) -> Tensor: ...

    def same_storage(self, tensor: Tensor) -> frozenset[int]:
        """The tensors that are this one, or reshaped from the same."""
        ...


class TileSpan:
    """One symbolic piece of an axis: `start`, `size`, `index`; as an index it keeps the axis."""

    __slots__ = ("_index", "_inside", "_size", "_start", "_within", "axes", "name")

    def __init__(
        self,
        name: str,
        start: Index,
        size: Index,
        index: Index,
        *,
        within: tuple[Index, Index] | None,
        inside: TileSpan | None = None,
    ) -> None:
        self.name = name
        self._start, self._size, self._index = start, size, index
        self._within = within  # first and end of what is in pieces; None: only data know
        self._inside = inside  # the piece of which this one is a piece
        self.axes: list[int] = []  # extents, at most, of the axes that it was an index of

    def __repr__(self) -> str:
        return f"<tile {self.name}>"

    @property
    def start(self) -> Any:
        return simplest(self._start)

    @property
    def size(self) -> Any:
        return simplest(self._size)

    @property
    def index(self) -> Any:
        return simplest(self._index)

    @property
    def span(self) -> tuple[Index, Index]:
        """Start and extent."""
        return self._start, self._size

    def indexes(self, extent: int) -> None:
        """Notes that the piece is an index of an axis that has at most so many elements."""
        self.axes.append(extent)
        if self._inside is not None:
            self._inside.indexes(extent)

    def grow(self, before: int, after: int) -> TileSpan:
        """The piece with a halo of so many elements on each side, clipped to what is in pieces."""
        if self._within is None:
            raise LanguageError(
                f"'{self.name}' is a segment, which has no halo",
                span=caller_span(),
                label="grown here",
                hints=("its neighbours are other segments; take tiles of it, and grow those",),
            )
        lowest, end = self._within
        before, after = _halo(before), _halo(after)
        start = self._start - lowest  # a piece is inside of its axis: only what is added is clipped
        stop = start + self._size
        start = lowest + (maximum(start - before, 0) if before else start)
        stop = lowest + (minimum(stop + after, end - lowest) if after else stop)
        grown = TileSpan(
            self.name, start, stop - start, self._index, within=self._within, inside=self._inside
        )
        grown.axes = self.axes
        return grown

    def __iter__(self) -> NoReturn:
        raise self._refusal("iterated over")

    def __bool__(self) -> bool:
        raise self._refusal("tested as a condition")

    def __index__(self) -> int:
        raise self._refusal("used as an integer")

    def _arithmetic(self, *_: object) -> NoReturn:
        raise self._refusal("used in arithmetic")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __floordiv__ = __mod__ = _arithmetic
    __lt__ = __le__ = __gt__ = __ge__ = _arithmetic

    def _refusal(self, label: str) -> LanguageError:
        return LanguageError(
            f"'{self.name}' is a tile, not a number",
            span=caller_span(),
            label=label,
            hints=(f"use {self.name}.start, {self.name}.size or {self.name}.index",),
        )


def _halo(side: object) -> int:
    amount = as_extent(side)
    if amount is None or not amount.is_const or amount.const < 0:
        raise LanguageError(
            f"a halo is a constant number of elements, not {side!r}",
            span=caller_span(),
            hints=("t.grow(before, after) takes two integers that are not negative",),
        )
    return amount.const


class TensorView:
    """A region of one tensor, its axes in the order `axes` (numbers of the tensor's kept axes)."""

    __slots__ = ("axes", "direction", "name", "owner", "region", "tensor")

    def __init__(
        self,
        owner: Tensors,
        tensor: Tensor,
        region: tuple[Axis, ...],
        axes: tuple[int, ...],
        direction: Direction | None,
        name: str,
    ) -> None:
        self.owner = owner
        self.tensor = tensor
        self.region = region
        self.axes = axes
        self.direction = direction  # what may be done with it; None: anything
        self.name = name

    @staticmethod
    def whole(owner: Tensors, tensor: Tensor, direction: Direction | None, name: str) -> TensorView:
        region = tuple(Axis(ZERO, extent) for extent in tensor.actual)
        return TensorView(owner, tensor, region, tuple(range(len(region))), direction, name)

    def restricted(self, direction: Direction, name: str) -> TensorView:
        """The same region under the parameter of a kernel that this kernel calls."""
        return TensorView(self.owner, self.tensor, self.region, self.axes, direction, name)

    def __repr__(self) -> str:
        return f"<tensor {self.name}: {self.dtype}[{', '.join(map(str, self.extents))}]>"

    @property
    def extents(self) -> tuple[Index, ...]:
        return tuple(self.region[axis].extent for axis in self.axes)

    @property
    def shape(self) -> tuple[Any, ...]:
        return tuple(simplest(extent) for extent in self.extents)

    @property
    def ndim(self) -> int:
        return len(self.axes)

    @property
    def dtype(self) -> DType:
        return self.tensor.dtype

    @property
    def T(self) -> TensorView:
        return self._with(self.region, self.axes[::-1])

    @property
    def view(self) -> View:
        """This view as the program has it."""
        kept = sorted(self.axes)
        return View(self.tensor.id, self.region, tuple([kept.index(axis) for axis in self.axes]))

    @property
    def is_whole(self) -> bool:
        whole = tuple(Axis(ZERO, extent) for extent in self.tensor.actual)
        return self.region == whole and self.axes == tuple(range(len(whole)))

    def transpose(self, *order: Any) -> TensorView:
        """The axes in another order: `x.transpose(1, 0, 2)`; without arguments, reversed."""
        if not order:
            return self.T
        wanted = [as_extent(axis) for axis in _flat(order)]
        numbers = [axis.const if axis is not None and axis.is_const else None for axis in wanted]
        if sorted(n for n in numbers if n is not None) != list(range(self.ndim)) or None in numbers:
            raise TypeMismatch(
                f"{_flat(order)} is not an order of the {self.ndim} axes of '{self.name}'",
                span=caller_span(),
                hints=(f"name each of the axes {list(range(self.ndim))} once",),
            )
        return self._with(self.region, tuple(self.axes[n] for n in numbers if n is not None))

    def reshape(self, *shape: Any) -> TensorView:
        """A whole contiguous tensor under another shape; −1 stands for what is left."""
        strides = c_strides(self.tensor.shape)
        inner = zip(self.tensor.actual[1:], self.tensor.shape[1:], strict=True)
        if not self.is_whole or self.tensor.strides != strides or any(a != Index(n) for a, n in inner):
            raise TypeMismatch(
                f"'{self.name}' is {'not contiguous' if self.is_whole else 'a part of a tensor'}",
                span=caller_span(),
                label="cannot be reshaped",
                hints=("only whole contiguous tensors can be reshaped: reshape first, then index",),
            )
        extents = _new_shape(self, _flat(shape))
        tensor = self.owner.reshaped(self.tensor, extents)
        return TensorView.whole(self.owner, tensor, self.direction, tensor.name)

    def __getitem__(self, key: Any) -> TensorView:
        parts = _expanded(self, key if isinstance(key, tuple) else (key,))
        region = list(self.region)
        axes = []
        for position, (axis, part) in enumerate(zip(self.axes, parts, strict=True)):
            region[axis] = _indexed(self, position, region[axis], part)
            if region[axis].keep:
                axes.append(axis)
        return self._with(tuple(region), tuple(axes))

    def _with(self, region: tuple[Axis, ...], axes: tuple[int, ...]) -> TensorView:
        return TensorView(self.owner, self.tensor, region, axes, self.direction, self.name)

    # -- what kernels cannot do with tensors -------------------------------------------------

    def __setitem__(self, key: Any, value: Any) -> None:
        raise self._refusal("stored to", "stores belong in a task: y[:] = …")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        close = get_close_matches(name, ("shape", "dtype", "ndim", "T", "transpose", "reshape"), n=1)
        raise self._refusal(
            f"'.{name}' is not known",
            f"did you mean '.{close[0]}'?" if close else "compute with tiles, in a task",
        )

    def __iter__(self) -> NoReturn:
        raise self._refusal(
            "iterated over", f"use range({self.name}.shape[0]) or mpmd.tiles({self.name}.shape[0])"
        )

    def __bool__(self) -> bool:
        raise self._refusal("tested as a condition", "the elements are not known while the kernel is traced")

    def __array__(self, *_: object, **__: object) -> NoReturn:
        raise self._refusal("converted to an array", "the elements are not known while the kernel is traced")

    def _compute(self, *_: object) -> NoReturn:
        raise self._refusal(
            "used in an operation", "operations belong in a task; the kernel only calls tasks"
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __matmul__ = __rmatmul__ = _compute
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _compute
    __pow__ = __rpow__ = __neg__ = __invert__ = __abs__ = __lt__ = __le__ = __gt__ = __ge__ = _compute
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __lshift__ = __rshift__ = _compute

    def _refusal(self, label: str, hint: str) -> LanguageError:
        return LanguageError(
            f"'{self.name}' is a tensor of the kernel, not a tile",
            span=caller_span(),
            label=label,
            hints=(hint,),
        )


def _flat(items: tuple[Any, ...]) -> list[Any]:
    if len(items) == 1 and isinstance(items[0], (tuple, list)):
        return list(items[0])
    return list(items)


def c_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides: list[int] = []
    step = 1
    for extent in reversed(shape):
        strides.append(step)
        step *= extent
    return tuple(reversed(strides))


def _new_shape(view: TensorView, shape: list[Any]) -> tuple[Index, ...]:
    wanted = [as_extent(extent) for extent in shape]
    extents = [extent for extent in wanted if extent is not None]
    count, known = _product(view.tensor.actual), _product(e for e in extents if e != REST)
    rest = _quotient(count, known) if extents.count(REST) == 1 else None
    if rest is not None:
        extents[extents.index(REST)] = rest
        known = count
    constant = all(e.is_const and e.const >= 0 for e in (extents if count.is_const else extents[1:]))
    if len(extents) < len(wanted) or known != count or REST in extents or not constant:
        raise TypeMismatch(
            f"'{view.name}' has {count} elements, which do not fill the shape ({', '.join(map(str, shape))})",
            span=caller_span(),
            label="cannot be reshaped",
            hints=("extents are constants here, but for a dynamic first one; one of them may be -1",),
        )
    return tuple(extents)


def _quotient(count: Index, known: Index) -> Index | None:
    """What `known` is to be multiplied with to give `count`, if that is certain."""
    if known.is_const:
        divides = known.const != 0 and count % known == ZERO
        return count // known if divides else None
    factor = Index(count.terms[0][1] // known.terms[0][1]) if count.terms else ZERO
    return factor if known * factor == count else None


def _product(extents: Iterable[Index]) -> Index:
    count = ONE
    for extent in extents:
        count = count * extent
    return count


def _expanded(view: TensorView, parts: tuple[Any, ...]) -> list[Any]:
    """One index part for each axis: `...` and missing parts filled with whole slices."""
    given = sum(1 for part in parts if part is not Ellipsis)
    if given > view.ndim or len(parts) - given > 1:
        raise TypeMismatch(
            f"'{view.name}' has {view.ndim} axes but is indexed with {given}",
            span=caller_span(),
            hints=(f"its shape is ({', '.join(map(str, view.extents))})",),
        )
    fill = [slice(None)] * (view.ndim - given)
    out: list[Any] = []
    for part in parts:
        out += fill if part is Ellipsis else [part]
    return out if len(out) == view.ndim else out + fill


def _indexed(view: TensorView, position: int, axis: Axis, part: Any) -> Axis:
    if isinstance(part, slice):
        if part.start is None and part.stop is None and part.step is None:
            return axis
        return _sliced(view, position, axis, part)
    if isinstance(part, TileSpan):
        start, extent = part.span
        part.indexes(_longest(view, position, axis))
        if _leaves(view, axis, start, start + extent):
            raise _out_of_bounds(view, position, axis, repr(part))
        return _within(axis, start, extent)
    index = as_extent(part) if not isinstance(part, bool) else None
    if index is None:
        shown = part.name if isinstance(part, TensorView) else repr(part)
        raise LanguageError(
            f"'{view.name}' cannot be indexed with {shown} in a kernel",
            span=caller_span(),
            hints=("index with integers, slices and tiles; gathers (x[ids[:]]) and None belong in a task",),
        )
    start = _from_end(axis, index)
    if _leaves(view, axis, start, start + 1):
        raise _out_of_bounds(view, position, axis, f"index {index}")
    return _within(axis, start, ONE, keep=False)


def _longest(view: TensorView, position: int, axis: Axis) -> int:
    """The elements of an axis at most."""
    whole = view.tensor.shape[view.axes[position]]
    return min(whole, axis.extent.interval(intervals(view.owner.open_loops)).hi)


def _sliced(view: TensorView, position: int, axis: Axis, part: slice) -> Axis:
    start = _from_end(axis, _slice_part(view, part.start, ZERO))
    stop = _from_end(axis, _slice_part(view, part.stop, axis.extent))
    step = _slice_part(view, part.step, ONE)
    if not step.is_const or step.const < 1:
        raise LanguageError(
            f"the step of a slice is a constant of at least 1, not {step}",
            span=caller_span(),
            hints=("walk backwards, or with a runtime step, inside of a task",),
        )
    if _leaves(view, axis, start, stop):
        raise _out_of_bounds(view, position, axis, f"slice {start}:{stop}")
    return _within(axis, start, ceildiv(stop - start, step.const), step.const)


def _slice_part(view: TensorView, value: Any, default: Index) -> Index:
    if value is None:
        return default
    index = as_extent(value)
    if index is None:
        raise LanguageError(
            f"'{view.name}' is sliced with {value!r}",
            span=caller_span(),
            label="not an integer",
            hints=("the parts of a slice are integers, dims, runtime integers or t.start and the like",),
        )
    return index


def _from_end(axis: Axis, index: Index) -> Index:
    """A negative constant counts from the end."""
    return axis.extent + index if index.is_const and index.const < 0 else index


def _within(axis: Axis, start: Index, extent: Index, step: int = 1, *, keep: bool = True) -> Axis:
    """A part of an axis as a part of what the axis is itself a part of."""
    return Axis(axis.start + start * axis.step, extent, axis.step * step, keep)


def _leaves(view: TensorView, axis: Axis, start: Index, stop: Index) -> bool:
    """Whether a part leaves the axis in some iteration for certain; the rest is checked per instance."""
    loops = view.owner.open_loops
    low = least(start, loops)
    over = greatest(stop - axis.extent, loops)
    length = least(stop - start, loops)
    return (low or 0) < 0 or (over or 0) > 0 or (length or 0) < 0


def _out_of_bounds(view: TensorView, position: int, axis: Axis, what: str) -> BoundsError:
    return BoundsError(
        f"{what} is out of bounds for axis {position} of '{view.name}'",
        span=caller_span(),
        label=f"the axis has extent {axis.extent}",
        hints=("slices are not clipped: give a stop that is inside, or leave it out",),
    )


def first_symbol_outside(view: TensorView, known: frozenset[str]) -> str | None:
    """A symbol of the view's region whose loop is over, or None."""
    for axis in view.region:
        for name in sorted(axis.start.symbols() | axis.extent.symbols()):
            if name not in known:
                return name
    return None
