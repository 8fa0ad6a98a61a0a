"""The loops of a kernel: what each was given, checked, and what it is in the program.

In:  the arguments of `tiles`, `split`, `segments` and `loop`, as the kernel's Python passes them.
Out: a head per loop: its symbols (`OpenLoop`), its symbolic iteration, and its node once the body is known.
Not here: running the body (`kernel/trace.py` once, `debug.py` for real); intervals (`kernel/ranges.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mpmd.errors import DirectionError, LanguageError, Span, TypeMismatch
from mpmd.lang.frames import caller_span, user_frame
from mpmd.lang.index import INT_MAX, ZERO, Index, symbol
from mpmd.lang.kernel.binding import views_of
from mpmd.lang.kernel.bytecode import iterated_as
from mpmd.lang.kernel.ranges import UNKNOWN, Kind, OpenLoop, intervals, opened
from mpmd.lang.kernel.symbolic import SymInt, as_extent
from mpmd.lang.kernel.views import TensorView, TileSpan
from mpmd.lang.program import Call, Loop, Node, Segments, Split, TileLoop, calls
from mpmd.lang.types import Direction

Body = tuple[Node, ...]


class Head(Protocol):
    """A loop whose body was not run yet."""

    @property
    def span(self) -> Span: ...

    @property
    def is_empty(self) -> bool:
        """Whether it has no iteration for certain."""
        ...

    def opened(self, name: str) -> OpenLoop: ...

    def iteration(self, loop: OpenLoop) -> Any:
        """What the loop's variable is in the body."""
        ...

    def node(self, loop: OpenLoop, item: Any, body: Body, outer: Sequence[OpenLoop]) -> Node: ...


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a loop over pieces divides: `extent` elements from `origin`, perhaps a piece of its own.

    `most` is the bound that the user gives for a runtime extent.
    """

    what: str
    extent: Index
    origin: Index
    whole: TileSpan | None
    most: int | None
    span: Span

    def piece(self, loop: OpenLoop, size: int | None) -> TileSpan:
        """The symbolic piece; `size` where all have the same."""
        start, varying, index = map(symbol, loop.symbols)
        return TileSpan(
            loop.name,
            self.origin + start,
            varying if size is None else Index(size),
            index,
            within=(self.origin, self.origin + self.extent),
            inside=self.whole,
        )

    def bound(self, piece: TileSpan, outer: Sequence[OpenLoop]) -> int | None:
        """The static bound of a runtime extent, once it is known which axes the body indexes."""
        if self.extent.is_const or self.most is not None:
            return self.most
        known = self.extent.interval(intervals(outer)).hi
        bounds = [*piece.axes, *(() if self.whole is None else self.whole.axes), known]
        if min(bounds) < INT_MAX:
            return max(0, min(bounds))
        raise LanguageError(
            f"the extent {self.extent} of mpmd.{self.what} has no bound",
            span=self.span,
            label="known only at launch, and the body indexes no axis with the piece",
            hints=(f"say how many elements it has at most: mpmd.{self.what}(…, most=4096)",),
        )


@dataclass(frozen=True, slots=True)
class TilesHead:
    stretch: Stretch
    size: int | None
    drain: bool

    @property
    def span(self) -> Span:
        return self.stretch.span

    @property
    def is_empty(self) -> bool:
        return self.stretch.extent == ZERO

    def opened(self, name: str) -> OpenLoop:
        return OpenLoop(name, Kind.TILES, self.stretch.extent, size=self.size, most=self.stretch.most)

    def iteration(self, loop: OpenLoop) -> TileSpan:
        extent = self.stretch.extent
        even = self.size is not None and extent.is_const and extent.const % self.size == 0
        return self.stretch.piece(loop, self.size if even else None)

    def node(self, loop: OpenLoop, item: TileSpan, body: Body, outer: Sequence[OpenLoop]) -> TileLoop:
        most = self.stretch.bound(item, outer)
        return TileLoop(loop.name, self.stretch.extent, self.size, body, self.span, most, self.drain)


@dataclass(frozen=True, slots=True)
class SplitHead:
    stretch: Stretch
    parts: int
    drain: bool

    @property
    def span(self) -> Span:
        return self.stretch.span

    @property
    def is_empty(self) -> bool:
        return self.stretch.extent == ZERO

    def opened(self, name: str) -> OpenLoop:
        return OpenLoop(name, Kind.SPLIT, self.stretch.extent, pieces=self.parts, most=self.stretch.most)

    def iteration(self, loop: OpenLoop) -> TileSpan:
        extent = self.stretch.extent
        even = extent.is_const and extent.const % self.parts == 0
        return self.stretch.piece(loop, extent.const // self.parts if even else None)

    def node(self, loop: OpenLoop, item: TileSpan, body: Body, outer: Sequence[OpenLoop]) -> Split:
        most = self.stretch.bound(item, outer)
        return Split(loop.name, self.stretch.extent, self.parts, body, self.span, most, self.drain)


@dataclass(frozen=True, slots=True)
class SegmentsHead:
    offsets: TensorView
    count: int
    capacity: int
    span: Span

    @property
    def is_empty(self) -> bool:
        return self.count == 0 or self.capacity == 0

    def opened(self, name: str) -> OpenLoop:
        return OpenLoop(name, Kind.SEGMENTS, UNKNOWN, size=self.capacity, pieces=self.count)

    def iteration(self, loop: OpenLoop) -> TileSpan:
        start, size, index = map(symbol, loop.symbols)
        return TileSpan(loop.name, start, size, index, within=None)

    def node(self, loop: OpenLoop, item: TileSpan, body: Body, outer: Sequence[OpenLoop]) -> Segments:
        return Segments(loop.name, self.offsets.view, self.count, self.capacity, body, self.span)


@dataclass(frozen=True, slots=True)
class LoopHead:
    count: Index
    until: TensorView | None
    span: Span

    @property
    def is_empty(self) -> bool:
        return self.count.is_const and self.count.const <= 0

    def opened(self, name: str) -> OpenLoop:
        return OpenLoop(name, Kind.REPEAT, self.count)

    def iteration(self, loop: OpenLoop) -> SymInt:
        return SymInt(symbol(loop.name))

    def node(self, loop: OpenLoop, item: SymInt, body: Body, outer: Sequence[OpenLoop]) -> Loop:
        if self.until is not None and not _writes(body, self.until):
            raise LanguageError(
                f"no call in the body of the loop writes '{self.until.name}', on which its end depends",
                span=self.span,
                label="'until' stays what it is",
                hints=("pass it to a task of the body, as Out or InOut",),
            )
        return Loop(loop.name, self.count, body, self.span, None if self.until is None else self.until.view)


def _writes(body: Body, flag: TensorView) -> bool:
    """Whether a call may write the flag's tensor (or one that is the same under another shape)."""
    tensors = flag.owner.same_storage(flag.tensor)
    return any(
        param.direction is not None and param.direction.writes and view.tensor in tensors
        for call in calls(body)
        for param, view in views_of(call)
    )


def tightened(body: Body, outer: tuple[OpenLoop, ...] = ()) -> Body:
    """Bounds of inner extents, now that those of the loops around them are known."""
    nodes: list[Node] = []
    for node in body:
        if isinstance(node, Call):
            nodes.append(node)
            continue
        if isinstance(node, (TileLoop, Split)) and node.most is not None:
            known = node.extent.interval(intervals(outer)).hi
            node = replace(node, most=max(0, min(node.most, known)))
        nodes.append(replace(node, body=tightened(node.body, (*outer, opened(node)))))
    return tuple(nodes)


# -- arguments ------------------------------------------------------------------------------------


def loop_variable(what: str) -> str:
    """The variable of the `for` statement that iterates over the running call, which nothing may wrap."""
    name = iterated_as(user_frame())
    if name is None:
        raise LanguageError(
            f"{what} is not itself what a 'for' iterates over",
            span=caller_span(),
            hints=(f"write 'for t in {what}(…):', without enumerate, zip, list or a variable",),
        )
    return name


def tiles_head(extent: Any, size: Any, most: Any, drain: bool) -> TilesHead:
    """`mpmd.tiles(extent, size)`."""
    span = caller_span()
    stretch = _stretch("tiles", extent, most, span)
    step = None if size is None else static(size, span, CONSTANT_SIZES)
    if step is not None and step < 1:
        raise LanguageError(f"a tile has at least 1 element, not {step}", span=span)
    return TilesHead(stretch, step, bool(drain))


def split_head(extent: Any, parts: Any, most: Any, drain: bool) -> SplitHead:
    """`mpmd.split(extent, parts)`."""
    span = caller_span()
    stretch = _stretch("split", extent, most, span)
    number = static(parts, span, CONSTANT_SIZES)
    if number < 1:
        raise LanguageError(
            f"mpmd.split makes at least 1 part, not {number}",
            span=span,
            hints=("give the number of parts: mpmd.split(n, 8)",),
        )
    return SplitHead(stretch, number, bool(drain))


def _stretch(what: str, extent: Any, most: Any, span: Span) -> Stretch:
    bound = None if most is None else static(most, span, CONSTANT_SIZES)
    if isinstance(extent, TileSpan):
        start, size = extent.span
        return Stretch(what, size, start, extent, _checked(what, size, bound, span), span)
    length = as_extent(extent)
    if length is None or (length.is_const and length.const < 0):
        raise LanguageError(
            f"mpmd.{what} is given {extent!r}, which is not an extent",
            span=span,
            hints=("an extent is an integer or a dim, such as x.shape[0]",),
        )
    return Stretch(what, length, ZERO, None, _checked(what, length, bound, span), span)


def _checked(what: str, extent: Index, most: int | None, span: Span) -> int | None:
    """The user's bound, which a constant extent must keep and then has no need of."""
    if most is None or not extent.is_const:
        return most
    if extent.const > most:
        raise LanguageError(
            f"mpmd.{what} has {extent} elements, but 'most' says {most}",
            span=span,
            label=f"most={most}",
            hints=("leave 'most' out: it bounds an extent that is known only at launch",),
        )
    return None


def segments_head(offsets: Any, capacity: Any) -> SegmentsHead:
    """`mpmd.segments(offsets, capacity)`."""
    span = caller_span()
    if not isinstance(offsets, TensorView):
        raise LanguageError(
            f"mpmd.segments is given {offsets!r}, which is not a tensor of the kernel",
            span=span,
            hints=("the offsets are a tensor of i32 or i64, one more than there are segments",),
        )
    if offsets.dtype.name not in ("i32", "i64") or offsets.ndim != 1:
        raise TypeMismatch(
            f"the offsets of mpmd.segments are {offsets.dtype} with {offsets.ndim} axes",
            span=span,
            label=f"'{offsets.name}' is given here",
            hints=("offsets have one axis, of i32 or i64: segment k is offsets[k] to offsets[k + 1]",),
        )
    _check_fixed("the offsets of mpmd.segments", offsets, span)
    _check_readable("the offsets of mpmd.segments", offsets, span)
    count = offsets.extents[0].const - 1
    if count < 0:
        raise TypeMismatch(
            "mpmd.segments is given no offsets",
            span=span,
            label=f"'{offsets.name}' has no elements",
            hints=("n segments have n + 1 offsets",),
        )
    return SegmentsHead(offsets, count, static(capacity, span, CONSTANT_SIZES), span)


def loop_head(count: Any, until: Any) -> LoopHead:
    """`mpmd.loop(count, until=flag)`."""
    span = caller_span()
    number = as_extent(count)
    if number is None or (number.is_const and number.const < 0):
        raise LanguageError(
            f"{count!r} is not a number of iterations",
            span=span,
            hints=("give an integer, a dim, or an integer scalar of the kernel",),
        )
    return LoopHead(number, None if until is None else _flag(until, span), span)


def _flag(until: Any, span: Span) -> TensorView:
    if not isinstance(until, TensorView):
        raise LanguageError(
            f"'until' is {until!r}, which is not an element of a tensor",
            span=span,
            hints=("give the element that a task of the body sets: until=done[0]",),
        )
    single = all(extent == Index(1) for extent in until.extents)
    if not single or until.dtype.is_float:
        shape = f"{until.dtype}[{', '.join(map(str, until.extents))}]"
        raise TypeMismatch(
            f"'until' is {shape}, not one integer or bool",
            span=span,
            label=f"'{until.name}' is given here",
            hints=("give one element: until=done[0]; the loop ends when it is not zero",),
        )
    _check_fixed("'until'", until, span)
    _check_readable("'until'", until, span)
    return until


def _check_fixed(what: str, view: TensorView, span: Span) -> None:
    """Its place must be known: it is read by the launch itself, and by no task."""
    if view.tensor.extents:
        raise LanguageError(
            f"{what} must lie in a tensor whose extents every launch shares",
            span=span,
            label=f"'{view.tensor.name}' has the extents ({', '.join(map(str, view.tensor.extents))})",
            hints=("have a task copy it to a tensor of its own, made with constant extents",),
        )
    for axis in view.region:
        if not (axis.start.is_const and axis.extent.is_const):
            raise LanguageError(
                f"{what} must lie at a place that is known while the kernel is traced",
                span=span,
                label=f"'{view.name}' is taken from {axis.start}",
                hints=("index it with constants, or have a task copy it to a tensor of its own",),
            )


def _check_readable(what: str, view: TensorView, span: Span) -> None:
    if view.direction is Direction.ACCUM:
        raise DirectionError(
            f"'{view.name}' is Accum, but {what} must be read",
            span=span,
            label=f"'{view.name}' is read here",
            hints=(f"an Accum tensor is only added to; declare '{view.name}' as InOut in the kernel",),
        )


CONSTANT_SIZES = "sizes, bounds and numbers of pieces are constants; only the extent may be known at launch"


def static(value: Any, span: Span, otherwise: str) -> int:
    """A number that must be known while the kernel is traced; `otherwise` is what helps where it is not."""
    index = as_extent(value)
    if index is not None and index.is_const and index.const >= 0:
        return index.const
    symbolic = index is not None and not index.is_const
    raise LanguageError(
        f"'{value}' is not known while the kernel is traced" if symbolic else f"{value!r} is not an extent",
        span=span,
        label="must be a constant",
        hints=(otherwise if symbolic else "an extent is a dim or an integer that is not negative",),
    )
