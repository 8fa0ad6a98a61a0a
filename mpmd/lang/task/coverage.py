"""Which elements of a tensor a task has surely written: definite assignment, by symbolic regions.

In:  statements, the `Facts` that hold there. Out: regions whose elements are written on every path.
Not here: the laws that need the answer (`task/check.py`), proofs of inequalities (`task/facts.py`).

Regions join where they touch along one axis, or interleave with one step. A loop's region grows from
one iteration to what all of its iterations write. What is not understood is not counted as written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from mpmd.lang.index import ONE, ZERO, Index, ceildiv, symbol
from mpmd.lang.task.facts import Facts, Values, condition_facts, loop_facts, value_facts
from mpmd.lang.task.join import defined_symbols, loop_symbols
from mpmd.lang.tile import Axis, Branch, Gather, Load, Loop, Param, Region, Stmt, Store

Regions = tuple[Region, ...]
Reader = Callable[[Load | Gather, Regions, Facts], None]

_MOST = 48
"""Joined regions that are kept; beyond, nothing more is joined."""
_UNROLL = 16
"""Constant loops up to this many iterations are also taken apart."""


def whole(param: Param) -> Region:
    return tuple(Axis(ZERO, extent) for extent in param.shape)


@dataclass(frozen=True, slots=True)
class Coverage:
    """The walk over a body for one tensor. `on_read` sees each read with what is written before it."""

    param: Param
    values: Values
    on_read: Reader

    def after(self, body: Iterable[Stmt], before: Regions, facts: Facts) -> Regions:
        """The regions written at the end of a block, given those at its start."""
        written = before
        for stmt in body:
            if isinstance(stmt, Store) and stmt.param == self.param.name:
                written = (*written, tuple(replace(axis, keep=True) for axis in stmt.region))
            elif isinstance(stmt, (Load, Gather)) and stmt.param == self.param.name:
                self.on_read(stmt, written, facts)
            elif isinstance(stmt, Loop):
                written = self._after_loop(stmt, written, facts)
            elif isinstance(stmt, Branch):
                written = self._after_branch(stmt, written, facts)
            facts = facts.with_(*value_facts(stmt, self.values))
        return written

    def _after_loop(self, loop: Loop, before: Regions, facts: Facts) -> Regions:
        inside = facts.with_(*loop_facts(loop))
        blind = replace(self, on_read=_ignore)
        once = joined(blind.after(loop.body, (), inside), inside, self.param)
        past = symbol(loop.name) if loop.tile is None else symbol(f"{loop.name}.start")
        earlier = _grown(once, loop, past, facts)
        self.after(loop.body, (*before, *earlier), inside)
        return (*before, *_grown(once, loop, loop.stop, facts))

    def _after_branch(self, branch: Branch, before: Regions, facts: Facts) -> Regions:
        sides = [
            self.after(body, before, facts.with_(*condition_facts(branch.condition, holds, self.values)))
            for body, holds in ((branch.then, True), (branch.otherwise, False))
        ]
        then, otherwise = (joined(side, facts, self.param) for side in sides)
        both = [r for r in then if covers(otherwise, r, facts, self.param)]
        return (*both, *(r for r in otherwise if covers(then, r, facts, self.param) and r not in both))


def _ignore(stmt: Load | Gather, written: Regions, facts: Facts) -> None:
    """Reads are looked at once, on the walk that knows what earlier iterations wrote."""


# -- one region within another ------------------------------------------------------------------------


def covers(written: Regions, region: Region, facts: Facts, param: Param) -> bool:
    """Whether every element of `region` is written."""
    return any(_within(region, box, facts) for box in joined(written, facts, param))


def _within(region: Region, box: Region, facts: Facts) -> bool:
    return all(_axis_within(a, b, facts) for a, b in zip(region, box, strict=True))


def _axis_within(axis: Axis, box: Axis, facts: Facts) -> bool:
    if axis == box:
        return True
    last = axis.start + (axis.extent - 1) * axis.step
    if not facts.proves(axis.start - box.start):
        return False
    if box.step == 1 or box.extent == ONE:
        return facts.proves(box.start + box.extent - 1 - last)
    offset = axis.start - box.start
    aligned = offset % box.step == ZERO and (axis.step % box.step == 0 or axis.extent == ONE)
    return aligned and facts.proves(box.start + (box.extent - 1) * box.step - last)


# -- regions that join --------------------------------------------------------------------------------


def joined(regions: Regions, facts: Facts, param: Param) -> Regions:
    """The regions and every larger one that they make up together."""
    found = list(dict.fromkeys(regions))
    fresh = True
    while fresh and len(found) < _MOST:
        fresh = False
        for box in [*_touching(found, facts), *_interleaved(found, facts, param)]:
            if len(found) < _MOST and not any(_within(box, known, facts) for known in found):
                found.append(box)
                fresh = True
    return tuple(found)


def _touching(regions: list[Region], facts: Facts) -> Iterator[Region]:
    for a in regions:
        for b in regions:
            for number in range(len(a)):
                if a is not b and (box := _touch(a, b, number, facts)) is not None:
                    yield box


def _touch(a: Region, b: Region, number: int, facts: Facts) -> Region | None:
    """`a` continued by `b` along one axis, over what they share of the others."""
    first, second = a[number], b[number]
    if first.step != 1 or second.step != 1 or not facts.proves(first.start + first.extent - second.start):
        return None
    axes: list[Axis] = []
    for other, (x, y) in enumerate(zip(a, b, strict=True)):
        if other == number:
            axes.append(Axis(x.start, y.start + y.extent - x.start))
        elif _axis_within(x, y, facts):
            axes.append(x)
        elif _axis_within(y, x, facts):
            axes.append(y)
        else:
            return None
    return tuple(axes)


def _interleaved(regions: list[Region], facts: Facts, param: Param) -> Iterator[Region]:
    """Strided regions that start one after the other fill the axis between them."""
    for region in regions:
        for number, axis in enumerate(region):
            if axis.step == 1:
                continue
            parts = [axis, *(_phase(regions, region, number, p) for p in range(1, axis.step))]
            for end in (param.shape[number], axis.start + axis.extent * axis.step):
                if all(p and facts.proves(p.start + p.extent * p.step - end) for p in parts):
                    filled = Axis(axis.start, end - axis.start)
                    yield (*region[:number], filled, *region[number + 1 :])
                    break


def _phase(regions: list[Region], region: Region, number: int, phase: int) -> Axis | None:
    for other in regions:
        axis = other[number]
        same = other[:number] == region[:number] and other[number + 1 :] == region[number + 1 :]
        if same and axis.step == region[number].step and axis.start == region[number].start + phase:
            return axis
    return None


# -- regions of all iterations ------------------------------------------------------------------------


def _grown(once: Regions, loop: Loop, stop: Index, facts: Facts) -> Regions:
    """What the iterations before `stop` write together, where `once` is what one of them writes."""
    local = defined_symbols(loop.body)
    found: list[Region] = []
    for region in once:
        if any(_symbols(axis) & local for axis in region):
            continue
        grown = _grow(region, loop, stop, facts)
        found += [grown] if grown is not None else _unrolled(region, loop, stop)
    return tuple(found)


def _symbols(axis: Axis) -> frozenset[str]:
    return axis.start.symbols() | axis.extent.symbols()


def _grow(region: Region, loop: Loop, stop: Index, facts: Facts) -> Region | None:
    moving = [n for n, axis in enumerate(region) if _symbols(axis) & loop_symbols(loop.name)]
    if not moving:
        return region if facts.proves(stop - 1 - loop.start) else None
    if len(moving) > 1:
        return None
    (number,) = moving
    for sweep in _sweeps(loop, stop):
        axis = _swept(region[number], sweep, facts)
        if axis is not None and not _symbols(axis) & _own(loop, stop):
            return (*region[:number], axis, *region[number + 1 :])
    return None


def _own(loop: Loop, stop: Index) -> frozenset[str]:
    """Symbols of an iteration that its sum over iterations must not contain."""
    return frozenset(loop_symbols(loop.name)) - stop.symbols()


@dataclass(frozen=True, slots=True)
class Sweep:
    """A variable that goes from `start` below `stop` in pieces of `size`."""

    variable: str
    start: Index
    stop: Index
    size: Index


def _sweeps(loop: Loop, stop: Index) -> tuple[Sweep, ...]:
    if loop.tile is None:
        return (Sweep(loop.name, loop.start, stop, Index(loop.step)),)
    name, index = loop.name, f"{loop.name}.index"
    pieces = ceildiv(stop, loop.tile) if stop == loop.stop else symbol(index)
    return Sweep(f"{name}.start", ZERO, stop, symbol(f"{name}.size")), Sweep(index, ZERO, pieces, ONE)


def _swept(axis: Axis, sweep: Sweep, facts: Facts) -> Axis | None:
    """What an axis that moves with the sweep's variable passes over."""
    pace = {str(atom): c for atom, c in axis.start.terms}.get(sweep.variable, 0)
    if pace == 0 or axis.step != 1:
        return None
    way = (sweep.stop - sweep.start) * abs(pace)
    first = sweep.start if pace > 0 else sweep.stop - 1
    start = axis.start.substitute({sweep.variable: first})
    if pace < 0 and sweep.size != ONE:
        return None
    if axis.extent == sweep.size * abs(pace) or facts.proves(axis.extent - sweep.size * abs(pace)):
        return Axis(start, way)
    if axis.extent == ONE and sweep.size == ONE and pace > 0:
        return Axis(start, sweep.stop - sweep.start, pace)
    return None


def _unrolled(region: Region, loop: Loop, stop: Index) -> list[Region]:
    """One region per iteration of a short constant loop."""
    if loop.tile is not None or not (loop.start.is_const and stop.is_const):
        return []
    steps = range(loop.start.const, stop.const, loop.step)
    return [_at(region, {loop.name: i}) for i in steps] if len(steps) <= _UNROLL else []


def _at(region: Region, values: Mapping[str, int]) -> Region:
    return tuple(
        replace(axis, start=axis.start.substitute(values), extent=axis.extent.substitute(values))
        for axis in region
    )
