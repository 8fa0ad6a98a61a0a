"""The law of local tensors with common bytes: one is done with before the other begins.

In:  all accesses, and per instance how many steps of each core have surely happened before it.
Out: nothing; raises `RaceError` where two conflicting accesses have no order, else `ReuseError`.
Not here: the order of accesses to one tensor (`races`); tensors that a loop makes anew (`anew`).

Two accesses to different tensors conflict if they share a byte and one of them writes. For each pair
of tensors all conflicts must have one direction. Then between an access and an earlier one to the same
tensor nobody else has written their common bytes, so what is read is what the program wrote.

All uses of X come before all uses of Y iff for each core the last step that uses X is among those that
have happened before every use of Y. So two vectors per tensor tell most pairs apart, and the same
vectors per footprint, of all uses and of the writes, decide the rest; no two instances are compared.

Of a loop this is about one iteration. Where a loop has more and uses both tensors, each must be made anew
in every iteration, and no iteration may begin with one before the last is done with the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from mpmd.errors import NO_SPAN, Note, RaceError, ReuseError, Span
from mpmd.schedule.proof.anew import made_anew
from mpmd.schedule.proof.boxes import Mask
from mpmd.schedule.proof.decode import Column, Tables
from mpmd.schedule.proof.footprints import Accesses, Footprints
from mpmd.schedule.proof.occurrences import Occurrences
from mpmd.schedule.proof.overlap import Judge, Pairs, overlapping
from mpmd.schedule.proof.passed import Passed
from mpmd.schedule.proof.straight import Straight

Clock = npt.NDArray[np.int32]

_LATEST = np.iinfo(np.int32).max
_CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class _Uses:
    """Per key and core: the last step that uses it, and the steps done before all of its uses."""

    last: Clock
    known: Clock

    def before(self, other: _Uses, one: Column, two: Column) -> Mask:
        """Whether all uses of keys `one` come before all uses of the `other`'s keys `two`."""
        result = np.ones(len(one), np.bool_)
        for core in range(self.last.shape[1]):
            result &= self.last[one, core] <= other.known[two, core]
        return result


def taken(
    steps: Straight,
    accesses: Accesses,
    prints: Footprints,
    written: Mask,
    happened: Clock,
    judge: Judge,
    places: Occurrences,
) -> None:
    """Raise unless local tensors with common bytes take turns, each pair in one direction."""
    one, two = _sharing(steps.tables)
    if not len(one):
        return
    rows = Passed.of(steps, happened)
    every, accesses = accesses, accesses.take(np.flatnonzero(~prints.far[accesses.footprint]))
    bases = _uses(prints.base[accesses.footprint], accesses.row, len(steps.tables.bases), rows)
    _across_iterations(steps, every, prints, rows, bases, (one, two), places)
    apart = bases.before(bases, one, two) | bases.before(bases, two, one)
    open_ = _Pairing(len(steps.tables.bases), one[~apart], two[~apart])
    if not len(open_.keys):
        return
    a, b = _meeting(steps.tables, prints, written, judge, open_)
    every, writes = _uses_of_prints(accesses, len(prints), rows)
    forward, backward = _directions(every, writes, a, b)
    witness = _Witness(rows, accesses, prints, places)
    for neither in np.flatnonzero(~(forward | backward))[:1]:
        witness.refuse(int(a[neither]), int(b[neither]))
    there, back = (np.flatnonzero(mask) for mask in (forward, backward))
    keys = open_.key(prints.base[a], prints.base[b])
    for key in np.intersect1d(keys[there], keys[back])[:1]:
        first, other = (int(way[np.argmax(keys[way] == key)]) for way in (there, back))
        witness.both_ways((int(a[first]), int(b[first])), (int(a[other]), int(b[other])))


def _sharing(tables: Tables) -> Pairs:
    """Pairs of local tensors that have bytes of the arena in common."""
    local = np.flatnonzero((tables.bases[:, 0] == 1) & (tables.bases[:, 1] > 0))
    local = local[np.argsort(tables.bases[local, 2], kind="stable")]
    start = tables.bases[local, 2]
    beyond = np.searchsorted(start, start + tables.bases[local, 1])
    count = beyond - np.arange(len(local)) - 1
    one = np.repeat(np.arange(len(local)), count)
    two = one + 1 + np.arange(len(one)) - np.repeat(np.cumsum(count) - count, count)
    return np.minimum(local[one], local[two]), np.maximum(local[one], local[two])


def _across_iterations(
    steps: Straight,
    accesses: Accesses,
    prints: Footprints,
    rows: Passed,
    here: _Uses,
    sharing: Pairs,
    places: Occurrences,
) -> None:
    """Raise unless tensors that one loop uses can share bytes from one iteration to the next."""
    bases = len(steps.tables.bases)
    of_access, loop = prints.base[accesses.footprint], steps.loop[accesses.row]
    later = accesses.take(np.flatnonzero(prints.far[accesses.footprint]))
    after = _uses(prints.base[later.footprint], later.row, bases, rows)
    one, two = sharing
    for number in np.unique(steps.loop[later.row]).tolist():
        used = np.bincount(of_access[loop == number], minlength=bases) > 0
        both = np.flatnonzero(used[one] & used[two])
        if not len(both):
            continue
        made = made_anew(steps, accesses, prints, number, np.unique([one[both], two[both]]))
        for kept in np.flatnonzero(~(made[one[both]] & made[two[both]]))[:1].tolist():
            first, other = int(one[both[kept]]), int(two[both[kept]])
            raise _carried(other if made[first] else first, first if made[first] else other, number, places)
        ordered = here.before(after, one[both], two[both]) & here.before(after, two[both], one[both])
        for early in np.flatnonzero(~ordered)[:1].tolist():
            pair = int(one[both[early]]), int(two[both[early]])
            raise ReuseError(
                f"{places.base(pair[0])} and {places.base(pair[1])} share bytes, and an iteration of loop "
                f"{number} may begin with one before the last is done with the other",
                span=NO_SPAN,
            )


def _carried(kept: int, other: int, loop: int, places: Occurrences) -> ReuseError:
    return ReuseError(
        f"{places.base(kept)} shares bytes with {places.base(other)}, which loop {loop} uses too, and an "
        "iteration may read what an earlier one has left there",
        span=NO_SPAN,
        hints=("of what a loop leaves to its next iteration, the bytes are its own",),
    )


def _uses(key: Column, row: Column, count: int, rows: Passed) -> _Uses:
    """Of `count` keys, each entry of the columns `key` and `row` (an instance) one use."""
    cores = rows.happened.shape[1]
    last = np.zeros(count * cores, np.int32)
    shown, use = rows.shown(row)
    np.maximum.at(last, key[use] * cores + rows.core[shown], rows.step[shown].astype(np.int32))
    known = np.full((count, cores), _LATEST, np.int32)
    if len(key):
        order = np.argsort(key, kind="stable")
        used, starts = np.unique(key[order], return_index=True)
        known[used] = np.minimum.reduceat(rows.happened[row[order]], starts, axis=0)
    return _Uses(last.reshape(count, cores), known)


def _uses_of_prints(accesses: Accesses, count: int, rows: Passed) -> tuple[_Uses, _Uses]:
    """All uses of each footprint, and the writes."""
    writes = np.flatnonzero(accesses.writes)
    return (
        _uses(accesses.footprint, accesses.row, count, rows),
        _uses(accesses.footprint[writes], accesses.row[writes], count, rows),
    )


class _Pairing:
    """Some pairs of bases, to be asked whether a pair is one of them."""

    def __init__(self, bases: int, one: Column, two: Column) -> None:
        self._bases = bases
        self.keys = np.sort(self.key(one, two))

    def key(self, one: Column, two: Column) -> Column:
        return np.minimum(one, two) * self._bases + np.maximum(one, two)

    def contains(self, one: Column, two: Column) -> Mask:
        key = self.key(one, two)
        return self.keys[np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)] == key

    @property
    def members(self) -> Column:
        return np.unique(np.divmod(self.keys, self._bases))


def _meeting(tables: Tables, prints: Footprints, written: Mask, judge: Judge, open_: _Pairing) -> Pairs:
    """Pairs of footprints, of tensors paired in `open_`, that share bytes of the arena; lower base first.

    Not those of later iterations, which `_across_iterations` has looked at.
    """
    index = np.flatnonzero(np.isin(prints.base, open_.members) & ~prints.far)
    base = prints.base[index]

    def wanted(i: Column, j: Column) -> Mask:
        return open_.contains(base[i], base[j])

    a, b = overlapping(prints.together(index, tables.bases[base, 2]), written[index], judge, wanted)
    swapped = base[a] > base[b]
    return index[np.where(swapped, b, a)], index[np.where(swapped, a, b)]


def _directions(every: _Uses, writes: _Uses, a: Column, b: Column) -> tuple[Mask, Mask]:
    """Per pair of footprints whether all conflicts go from `a` to `b`, and whether all go back."""
    forward, backward = np.zeros(len(a), np.bool_), np.zeros(len(a), np.bool_)
    for at in range(0, len(a), _CHUNK):
        part = slice(at, at + _CHUNK)
        i, j = a[part], b[part]
        forward[part] = writes.before(every, i, j) & every.before(writes, i, j)
        backward[part] = writes.before(every, j, i) & every.before(writes, j, i)
    return forward, backward


@dataclass(frozen=True, eq=False)
class _Witness:
    """Finds the accesses that show a broken law, and raises."""

    rows: Passed
    accesses: Accesses
    prints: Footprints
    places: Occurrences

    def refuse(self, a: int, b: int) -> NoReturn:
        """Of two footprints whose conflicts have no one direction."""
        i, j = self._conflicts(a, b)
        row_i, row_j = self.accesses.row[i], self.accesses.row[j]
        there, back = self.rows.before(row_i, row_j), self.rows.before(row_j, row_i)
        for at in np.flatnonzero(~(there | back) & (row_i != row_j))[:1]:
            self._race(int(i[at]), int(j[at]))
        for at in np.flatnonzero(row_i == row_j)[:1]:
            self._at_once(int(i[at]), int(j[at]))
        self.both_ways((a, b), (a, b))

    def both_ways(self, forward: tuple[int, int], backward: tuple[int, int]) -> NoReturn:
        """Of two pairs of footprints, (of one tensor, of the other): conflicts that go there, and back."""
        i, j = self._conflicts(*forward)
        at = int(np.argmax(self.rows.before(self.accesses.row[i], self.accesses.row[j])))
        first, second = int(i[at]), int(j[at])
        i, j = self._conflicts(*backward)
        at = int(np.argmax(self.rows.before(self.accesses.row[j], self.accesses.row[i])))
        last, between = int(i[at]), int(j[at])
        one, two = self._base(first), self._base(second)
        raise ReuseError(
            f"{one} and {two} share bytes, and neither is done with before the other begins",
            span=self._span(last),
            label=f"{self._step(last)} {self._text(last)}",
            related=(
                self._note(between, "comes before it and"),
                self._note(second),
                self._note(first, "comes before that and"),
            ),
        )

    def _race(self, one: int, two: int) -> NoReturn:
        row, other = (int(self.accesses.row[access]) for access in (one, two))
        core, known, needed = self.rows.not_before(other, row)
        raise RaceError(
            f"{self._step(one)} and {self._step(two)} use common bytes of {self._base(one)} and "
            f"{self._base(two)} unordered",
            span=self._span(one),
            label=self._text(one),
            related=(self._note(two),),
            hints=(self.places.unknown(row, core, known, needed),),
        )

    def _at_once(self, one: int, two: int) -> NoReturn:
        raise ReuseError(
            f"{self._step(one)} uses {self._base(one)} and {self._base(two)} at once, which share bytes",
            span=self._span(one),
            label=f"{self._text(one)}, {self._text(two)}",
        )

    def _conflicts(self, a: int, b: int) -> Pairs:
        """All pairs of accesses to two footprints of which one writes."""
        of_a, of_b = (np.flatnonzero(self.accesses.footprint == f) for f in (a, b))
        i, j = (grid.ravel() for grid in np.meshgrid(of_a, of_b, indexing="ij"))
        writes = self.accesses.writes[i] | self.accesses.writes[j]
        return i[writes], j[writes]

    def _base(self, access: int) -> str:
        return self.places.base(int(self.prints.base[self.accesses.footprint[access]]))

    def _step(self, access: int) -> str:
        return self.places.instance(int(self.accesses.row[access]))

    def _span(self, access: int) -> Span:
        return self.places.span_of(int(self.accesses.row[access]))

    def _text(self, access: int) -> str:
        return self.accesses.text(access, self.prints, self.places)

    def _note(self, access: int, relation: str = "") -> Note:
        return Note(self._span(access), " ".join([self._step(access), *relation.split(), self._text(access)]))
