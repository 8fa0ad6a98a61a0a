"""What every row reads and writes: boxes of bytes within a base, each distinct one once.

In:  the straight steps, and what each instance of a row holds.
Out: `Accesses`: (instance, footprint, reads, writes) columns, and the distinct `Footprints`.
Raises `ScheduleCapacityError` where a row may leave its base, or exceed the tile its function is for.
Not here: which footprints overlap (`overlap`), which accesses are ordered (`races`).

Elements and flags that are read to decide something are accesses too. Footprints of later iterations are
kept apart from the others, as they are compared only with those. In the last copy of a body only rows with
late programs count: others touch what they touch in the copy before.

An extent that a launch decides counts as the largest value that the guards allow. An offset that it
decides has two forms: `relative`, its constant part, comparable between footprints whose `relation`
(the linear part of the offset) is the same; and `absolute`, in which each scalar is a further axis. For
what neither can tell there is `place`, the offset and extents as linear forms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import gcd
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from mpmd.errors import MalformedTableError, ScheduleCapacityError
from mpmd.schedule.proof.boxes import Boxes, Mask, normalise
from mpmd.schedule.proof.decode import Column
from mpmd.schedule.proof.iterations import COPIES
from mpmd.schedule.proof.late import Contents
from mpmd.schedule.proof.occurrences import Occurrences
from mpmd.schedule.proof.programs import LAUNCH, NEVER
from mpmd.schedule.proof.scalars import Form, Terms, collect
from mpmd.schedule.proof.straight import FLAG, Straight
from mpmd.schedule.proof.symbolic import Axes, Place

_LARGEST = 2**52
_FARTHEST = 2.0**60
_INT64 = np.iinfo(np.int64)


@dataclass(frozen=True, eq=False)
class Footprints:
    """Distinct regions of memory. `relation` is 0 for a fixed offset, else numbers its linear part;
    `shape` is 0 for fixed extents, else numbers the axes as forms, and `context` says what is known of
    what decides them (see `late`), if a launch does. `loop` is that of the rows that touch it
    (−1: none); `far` ones are of later iterations."""

    base: Column
    relation: Column
    shape: Column
    context: Column
    loop: Column
    far: Mask
    relative: Boxes
    absolute: Boxes
    relations: tuple[Terms, ...]
    shapes: tuple[Axes, ...]

    def __len__(self) -> int:
        return len(self.base)

    def together(self, index: Column, by: Column) -> Footprints:
        """The chosen ones, each moved by so many bytes, as if they were in one base."""
        relative, absolute = (boxes.take(index) for boxes in (self.relative, self.absolute))
        return replace(
            self,
            base=np.zeros_like(index),
            relation=self.relation[index],
            shape=self.shape[index],
            context=self.context[index],
            loop=self.loop[index],
            far=self.far[index],
            relative=replace(relative, offset=relative.offset + by),
            absolute=replace(absolute, offset=absolute.offset + by),
        )

    def place(self, index: int) -> Place:
        """The footprint as forms in the launch scalars."""
        offset = Form(int(self.relative.offset[index]), self.relations[self.relation[index]])
        if self.shape[index]:
            return Place(offset, self.shapes[self.shape[index]])
        axes = zip(self.relative.strides[index].tolist(), self.relative.extents[index].tolist(), strict=True)
        return Place(offset, tuple((stride, Form(extent)) for stride, extent in axes if stride))


@dataclass(frozen=True, eq=False)
class Accesses:
    """One entry per tensor parameter of an instance that touches memory, and per element it reads; ordered
    by instance (`row`). With `maybe` it may touch less, or nothing."""

    row: Column
    footprint: Column
    reads: Mask
    writes: Mask
    maybe: Mask

    def take(self, index: Column) -> Accesses:
        row, footprint, maybe = self.row[index], self.footprint[index], self.maybe[index]
        return Accesses(row, footprint, self.reads[index], self.writes[index], maybe)

    def text(self, access: int, prints: Footprints, places: Occurrences) -> str:
        """`writes bytes 0 to 64 of argument 1`."""
        verbs = {(True, False): "reads", (False, True): "writes", (True, True): "reads and writes"}
        verb = verbs[bool(self.reads[access]), bool(self.writes[access])]
        box = prints.absolute.take(self.footprint[[access]])
        base = places.base(int(prints.base[self.footprint[access]]))
        strided = " (strided)" if (box.extents[0, 1:] > 1).any() else ""
        return f"{verb} bytes {int(box.offset[0])} to {int(box.end[0])} of {base}{strided}"


@dataclass(frozen=True, slots=True)
class _Reach:
    """How far a linear part moves an offset: from `low` to `high`; and (coefficient, low, high) of each
    scalar. That is in launches that run the row, so that it may rely on what is required of it."""

    low: int
    high: int
    ends: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, eq=False)
class _Block:
    """The accesses of some instances by one parameter, before boxes are normalised. Strides in bytes."""

    row: Column
    mode: int
    item: int
    base: Column
    relation: int
    reach: int
    shape: int
    maybe: int
    offset: Column
    extents: Column
    strides: Column


def footprints(steps: Straight, held: Contents, places: Occurrences) -> tuple[Accesses, Footprints]:
    """All accesses of all instances."""
    reader = _Reader(steps, held, places)
    blocks = list(reader.blocks())
    row, mode, item, base, relation, reach, shape, maybe, offset = (
        _join([_spread(getattr(b, name), len(b.row)) for b in blocks])
        for name in ("row", "mode", "item", "base", "relation", "reach", "shape", "maybe", "offset")
    )
    rank = max((b.extents.shape[1] for b in blocks), default=0)
    extents = _stack([b.extents for b in blocks], rank, 1)
    strides = _stack([b.strides for b in blocks], rank, 0)
    boxes = normalise(offset, item, extents, strides)
    loop, far = steps.loop[row], (steps.copy[row] > 0).astype(np.int64)
    open_ = (relation > 0) | (shape > 0) | (maybe > 0)
    context = np.where(open_, np.maximum(held.context[row], LAUNCH), LAUNCH)
    columns = [
        base,
        relation,
        reach,
        shape,
        context,
        loop,
        far,
        boxes.offset,
        *boxes.extents.T,
        *boxes.strides.T,
    ]
    first, inverse = _distinct(columns)
    relative = boxes.take(first)
    absolute = _absolute(reach[first], relative, reader.reaches, steps.tables.bases[base[first], 1])
    prints = Footprints(
        base=base[first],
        relation=relation[first],
        shape=shape[first],
        context=context[first],
        loop=loop[first],
        far=far[first] > 0,
        relative=relative,
        absolute=absolute,
        relations=tuple(reader.relations),
        shapes=tuple(reader.shapes),
    )
    order = np.argsort(row, kind="stable")
    mode = mode[order]
    skipped = np.zeros(steps.instances, np.bool_)
    skipped[list(held.conditions)] = True
    maybe = (maybe[order] != 0) | skipped[row[order]]
    return Accesses(row[order], inverse[order], (mode & 1) != 0, (mode & 2) != 0, maybe), prints


class _Reader:
    """Walks the functions and their parameters; numbers the linear parts that words have."""

    def __init__(self, steps: Straight, held: Contents, places: Occurrences) -> None:
        self._steps = steps
        self._tables = steps.tables
        self._held = held
        self._bounds = held.known.of_context[LAUNCH]
        self._places = places
        self.relations: list[Terms] = [()]
        self.shapes: list[Axes] = [()]
        self.reaches: list[_Reach] = [_Reach(0, 0, ())]
        self._numbers: dict[Terms, int] = {(): 0}
        self._reaches = {self.reaches[0]: 0}
        self._relation_of_word = self._number_patches()

    def _number_patches(self) -> Column:
        """Per word the number of its linear part in `relations` (0: the word is fixed)."""
        terms_of: dict[int, list[tuple[int, int]]] = {}
        for word, scalar, coefficient in self._held.patches:
            terms_of.setdefault(word, []).append((scalar, coefficient))
        relation = np.zeros(len(self._held.words), np.int64)
        for word, terms in terms_of.items():
            relation[word] = self._number(collect(tuple(terms)))
        return relation

    def _number(self, terms: Terms) -> int:
        if terms not in self._numbers:
            self._numbers[terms] = len(self._numbers)
            self.relations.append(terms)
        return self._numbers[terms]

    def _reach(self, terms: Terms) -> int:
        """The number of how far a linear part moves an offset."""
        least, most = self._bounds.of(Form(0, terms))
        ends = [(c, self._bounds.of(Form(0, ((s, 1),)))) for s, c in terms]
        reach = _Reach(least, most, tuple((c, low, high) for c, (low, high) in ends))
        if reach not in self._reaches:
            self._reaches[reach] = len(self.reaches)
            self.reaches.append(reach)
        return self._reaches[reach]

    def blocks(self) -> Iterator[_Block]:
        t, row = self._tables, self._steps.row
        context = self._held.context
        counts = (row != FLAG) & (context != NEVER)
        counts &= (self._steps.copy < COPIES - 1) | (context != LAUNCH)
        instances = np.flatnonzero(counts)
        function_of = t.row_function[row[instances]]
        order = instances[np.argsort(function_of, kind="stable")]
        ends = np.searchsorted(np.sort(function_of), np.arange(len(t.function_ptr)))
        for function in np.unique(function_of).tolist():
            mine = order[ends[function] : ends[function + 1]]
            for param in range(t.function_ptr[function], t.function_ptr[function + 1]):
                yield from self._of_param(mine, t.params[param].tolist())
        yield from self._of_readings()

    def _of_readings(self) -> Iterator[_Block]:
        none = np.zeros((1, 0), np.int64)
        self._bounds = self._held.known.of_context[LAUNCH]  # what comes after a reading may pass over the row
        for instance, readings in self._held.readings.items():
            for reading in readings:
                base, offset = (np.array([value]) for value in (reading.base, reading.offset.const))
                relation, reach = self._number(reading.offset.terms), self._reach(reading.offset.terms)
                row = np.array([instance])
                yield _Block(row, 1, reading.item, base, relation, reach, 0, 0, offset, none, none)

    def _of_param(self, rows: Column, param: list[int]) -> Iterator[_Block]:
        """One block per combination of linear parts and, where there are any, strides and extents."""
        t = self._tables
        mode, item, base_word, offset_word, first, end = param
        axes = t.axes[first:end]
        starts = self._held.word_ptr[rows]
        extents = self._column(starts, axes[:, 0], axes[:, 1])
        strides = self._column(starts, axes[:, 2], axes[:, 3])
        words = self._held.words
        offset = words[starts + offset_word]
        self._sane(rows, np.concatenate([offset[:, None], extents, strides], axis=1))
        used = np.array([base_word, offset_word, *axes[:, 0], *axes[:, 2]], np.int64)
        linear = self._column(starts, used, np.zeros_like(used), self._relation_of_word)
        block = _Block(
            rows, mode, item, words[starts + base_word], 0, 0, 0, 0, offset, extents, strides * item
        )
        self._bases_exist(block)
        keys = np.concatenate([self._held.context[rows][:, None], linear], axis=1)
        for index in _split(keys, np.concatenate([strides, extents], axis=1)):
            part = _select(block, index)
            context, *numbers = keys[index[0]].tolist()
            if numbers[0] or any(numbers[2 + len(axes) :]):
                row = int(part.row[0])
                raise MalformedTableError(
                    f"a launch scalar patches the base or a stride of {self._places.instance(row)}",
                    span=self._places.span_of(row),
                )
            terms = [self.relations[n] for n in numbers]
            part = replace(part, relation=numbers[1])
            varying = terms[2 : 2 + len(axes)]
            self._bounds = self._held.known.of_context[context]
            yield from self._bounded(part, terms[1], varying, axes[:, 1])

    def _column(self, starts: Column, words: Column, fixed: Column, source: Column | None = None) -> Column:
        """Per row and axis: the row's word where `words` names one, else the fixed value."""
        source = self._held.words if source is None else source
        if not len(source):
            return np.broadcast_to(fixed, (len(starts), len(fixed)))
        at = starts[:, None] + np.maximum(words, 0)[None, :]
        return np.where(words[None, :] >= 0, source[np.minimum(at, len(source) - 1)], fixed[None, :])

    def _bounded(self, block: _Block, offset: Terms, extents: list[Terms], tile: Column) -> Iterator[_Block]:
        """The block with upper bounds for extents, without the rows that touch nothing; in bounds."""
        varying = [self._extent_form(block, k, terms) for k, terms in enumerate(extents)]
        upper = block.extents.copy()
        for axis, form in enumerate(varying):
            if form is not None:
                low, high = self._bounds.of(form)
                if low < _INT64.min or high > _LARGEST:
                    self._refuse(block, 0, f"has no proved bound for the extent of axis {axis}")
                upper[:, axis] += high
        self._fits_tile(block, upper, tile)
        kept = np.flatnonzero((upper >= 1).all(axis=1))
        if not len(kept):
            return
        block, upper = _select(block, kept), upper[kept]
        maybe = int(any(form is not None for form in varying))
        single = (upper == 1).all(axis=0)  # what is 1 at most is 1 where anything is touched at all
        block = replace(block, extents=np.where(single[None, :], 1, block.extents))
        varying = [None if one else form for one, form in zip(single, varying, strict=True)]
        self._in_base(block, upper, offset, varying)
        reach, shape = self._reach(offset), self._shape(block, varying)
        yield replace(block, extents=upper, reach=reach, shape=shape, maybe=maybe)

    def _shape(self, block: _Block, varying: list[Form | None]) -> int:
        """The number of the axes as forms; 0 where fixed boxes say as much (or strides are negative)."""
        if all(form is None for form in varying) or (block.strides < 0).any():
            return 0
        fixed = zip(block.strides[0].tolist(), block.extents[0].tolist(), varying, strict=True)
        axes = [(stride, Form(const).plus(form or Form(0))) for stride, const, form in fixed if stride]
        self.shapes.append(((1, Form(block.item)), *axes))
        return len(self.shapes) - 1

    def _extent_form(self, block: _Block, axis: int, terms: Terms) -> Form | None:
        """An extent that a launch decides, as it is where the access touches anything at all.

        The constant of the form stands for that of a row: it is added to the row's word.
        """
        if not terms:
            return None
        if not block.extents[:, axis].any():
            return self._bounds.when_positive(Form(0, terms))
        return Form(0, terms)

    def _in_base(self, block: _Block, upper: Column, offset: Terms, varying: list[Form | None]) -> None:
        """The law: no byte before the base or beyond it, in any launch that the guards let in."""
        extents = np.maximum(np.abs(upper), np.abs(block.extents)).astype(float)
        reach = np.abs(block.offset) + (extents * np.abs(block.strides)).sum(axis=1)
        for bad in np.flatnonzero(reach > _FARTHEST)[:1]:
            self._refuse(block, int(bad), "reaches farther than any memory")
        below, above = Form(0, offset), Form(block.item, offset)
        low, high = block.offset.copy(), block.offset.copy()
        for axis, form in enumerate(varying):
            strides = block.strides[:, axis]
            if form is None:
                low += (upper[:, axis] - 1) * np.minimum(strides, 0)
                high += (upper[:, axis] - 1) * np.maximum(strides, 0)
                continue
            stride = int(strides[0])  # one per block where anything is symbolic
            last = Form(form.const - 1, form.terms)
            low += block.extents[:, axis] * min(stride, 0)
            high += block.extents[:, axis] * max(stride, 0)
            below, above = below.plus(last, min(stride, 0)), above.plus(last, max(stride, 0))
        least, most = self._bounds.of(below)[0], self._bounds.of(above)[1]
        size = self._tables.bases[block.base, 1]
        if least < -_FARTHEST or most > _FARTHEST:
            self._refuse(block, 0, "has no proved bound for its place")
        bad = np.flatnonzero((low + least < 0) | (high + most > size))
        if len(bad):
            b = int(bad[0])
            reached = f"bytes {int(low[b]) + least} to {int(high[b]) + most}"
            self._refuse(block, b, f"may reach {reached}, outside the {int(size[b])} bytes")

    def _fits_tile(self, block: _Block, upper: Column, tile: Column) -> None:
        for bad in np.flatnonzero((upper > tile).any(axis=1))[:1]:
            axis = int(np.argmax(upper[bad] > tile))
            there, most = int(upper[bad, axis]), int(tile[axis])
            self._refuse(block, int(bad), f"has up to {there} elements on axis {axis}, its tile {most},")

    def _sane(self, rows: Column, values: Column) -> None:
        for bad in np.flatnonzero(((values > _LARGEST) | (values < -_LARGEST)).any(axis=1))[:1]:
            raise ScheduleCapacityError(
                f"{self._places.instance(int(rows[bad]))} has an offset, extent or stride that no memory has",
                span=self._places.span_of(int(rows[bad])),
            )

    def _bases_exist(self, block: _Block) -> None:
        for bad in np.flatnonzero((block.base < 0) | (block.base >= len(self._tables.bases)))[:1]:
            raise MalformedTableError(
                f"{self._places.instance(int(block.row[bad]))} names base {int(block.base[bad])} of "
                f"{len(self._tables.bases)}",
                span=self._places.span_of(int(block.row[bad])),
            )

    def _refuse(self, block: _Block, index: int, what: str) -> NoReturn:
        row = int(block.row[index])
        raise ScheduleCapacityError(
            f"{self._places.instance(row)} {what} of {self._places.base(int(block.base[index]))}",
            span=self._places.span_of(row),
        )


def _split(linear: Column, fixed: Column) -> list[npt.NDArray[np.intp]]:
    """Indices of rows that have the same linear parts (and fixed ones, if there are linear parts)."""
    if not linear.any():
        return [np.arange(len(linear))]
    _, inverse = _distinct([*linear.T, *fixed.T])
    order = np.argsort(inverse, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1)


def _select(block: _Block, index: npt.NDArray[np.intp]) -> _Block:
    if len(index) == len(block.row):
        return block
    return replace(
        block,
        row=block.row[index],
        base=block.base[index],
        offset=block.offset[index],
        extents=block.extents[index],
        strides=block.strides[index],
    )


def _spread(value: Any, length: int) -> Column:
    return np.broadcast_to(np.asarray(value, np.int64), (length,))


def _join(columns: list[Column]) -> Column:
    return np.concatenate(columns) if columns else np.zeros(0, np.int64)


def _stack(columns: list[Column], rank: int, fill: int) -> Column:
    padded = [np.pad(c, ((0, 0), (0, rank - c.shape[1])), constant_values=fill) for c in columns]
    return np.concatenate(padded) if padded else np.zeros((0, rank), np.int64)


def _distinct(columns: list[Column]) -> tuple[Column, Column]:
    """Of rows given as columns: the index of the first of each distinct one, and each row's number.

    Numbers rise with the values of the columns, the first column first.
    """
    key, keys = np.zeros(len(columns[0]), np.int64), 1
    for column in columns if len(key) else ():
        least, values = int(column.min()), int(column.max()) - int(column.min()) + 1
        if keys * values > _INT64.max:  # numbers without gaps take less room
            key, keys = _numbered(key)
        if keys * values > _INT64.max:
            column, values = _numbered(column)
            least = 0
        key, keys = key * values + (column - least), keys * values
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    return first, inverse


def _numbered(values: Column) -> tuple[Column, int]:
    """Numbers of the distinct values, ascending, and how many there are."""
    distinct, number = np.unique(values, return_inverse=True)
    return number, len(distinct)


def _absolute(reach: Column, relative: Boxes, reaches: list[_Reach], size: Column) -> Boxes:
    """The boxes with every scalar of the offset a further axis, or the hull where that is narrower."""
    if not reach.any():
        return relative
    parts, order = [], []
    for number in np.unique(reach).tolist():
        index = np.flatnonzero(reach == number)
        order.append(index)
        boxes = relative.take(index)
        parts.append(_freed(boxes, reaches[number], size[index]) if number else boxes)
    width = max(p.extents.shape[1] for p in parts)
    back = np.argsort(np.concatenate(order))
    return Boxes(
        np.concatenate([p.offset for p in parts])[back],
        _stack([p.extents for p in parts], width, 1)[back],
        _stack([p.strides for p in parts], width, 0)[back],
    )


def _freed(boxes: Boxes, reach: _Reach, size: Column) -> Boxes:
    ends = reach.ends
    free = sum(abs(c) * (high - low) for c, low, high in ends)
    possible = reach.low <= reach.high and all(low <= high for _, low, high in ends)
    if possible and reach.high - reach.low <= size.max() and abs(reach.low) < _FARTHEST:
        axes = [(abs(c), high - low + 1) for c, low, high in ends]
        if reach.high - reach.low < free:  # they cannot go as far together as each on its own
            step = gcd(*(c for c, _, _ in ends))
            axes = [(step, (reach.high - reach.low) // step + 1)]
        extents = np.concatenate([boxes.extents[:, 1:], _rows([n for _, n in axes], len(boxes))], axis=1)
        strides = np.concatenate([boxes.strides[:, 1:], _rows([c for c, _ in axes], len(boxes))], axis=1)
        return normalise(boxes.offset + reach.low, boxes.extents[:, 0], extents, strides)
    # Footprints were proved to lie within their base, so their hull may be cut there.
    first = np.array([max(0, reach.low + o) for o in boxes.offset.tolist()], np.int64)
    ends_of = zip(size.tolist(), boxes.end.tolist(), strict=True)
    last = np.array([min(s, reach.high + end) for s, end in ends_of], np.int64)
    none = np.zeros((len(boxes), 0), np.int64)
    return normalise(first, np.maximum(last - first, 1), none, none)


def _rows(values: list[int], count: int) -> Column:
    return np.broadcast_to(np.array(values, np.int64), (count, len(values)))
