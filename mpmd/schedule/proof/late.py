"""What each instance of a row holds: its words, as sums of scalars, after late programs have run.

In:  the straight steps, bounds of launch scalars, the symbols of iterations. Out: `Contents`.
Not here: late programs (`programs`), where parameters lie (`footprints`), in which order rows run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpmd.schedule.proof.decode import Column, Tables
from mpmd.schedule.proof.iterations import Fact, Iterations
from mpmd.schedule.proof.occurrences import Occurrences
from mpmd.schedule.proof.programs import LAUNCH, STRAIGHT, Programs, Reading
from mpmd.schedule.proof.scalars import Bounds, Form
from mpmd.schedule.proof.straight import FLAG, Straight


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What may be relied on: `of_context[c]` by a row in context `c` where it is run; `among[loop]` by any
    two rows of a loop, in launches that do not end early (−1, the last: of straight code, or any two).
    `run[loop]` are the contexts of any row of an iteration, and of one of a later iteration."""

    of_context: tuple[Bounds, ...]
    among: tuple[Bounds, ...]
    run: tuple[tuple[int, ...], ...]

    def of_rows(self, loop: int, contexts: Sequence[int]) -> Bounds:
        """What rows may rely on, in these contexts, where all are run."""
        return self.among[loop].together(*(self.of_context[c] for c in contexts))


@dataclass(frozen=True, eq=False)
class Contents:
    """Per instance `words[word_ptr[i]:word_ptr[i + 1]]`, to which `patches` (word, scalar, coefficient) add.

    `known` says what the instance may rely on, by `context[i]`. `readings` and
    `conditions` (the row is not run unless each is > 0) are given for instances that have some.
    """

    word_ptr: Column
    words: Column
    patches: list[tuple[int, int, int]]
    context: Column
    known: Knowledge
    readings: dict[int, tuple[Reading, ...]]
    conditions: dict[int, tuple[Form, ...]]


def contents(steps: Straight, loops: Sequence[Iterations], launch: Bounds, places: Occurrences) -> Contents:
    """What all instances hold."""
    t = steps.tables
    late = _late(steps)
    if len(late) or len(loops):
        word_ptr, words, patches = _copied(t, steps.row)
    else:
        word_ptr, words, patches = t.row_ptr, t.words, t.patches.tolist()
    programs = Programs(steps, loops, launch, places)
    context = np.full(steps.instances, LAUNCH, np.int64)
    readings: dict[int, tuple[Reading, ...]] = {}
    readings |= {i: (_flag(t, int(steps.loop[i])),) for i in np.flatnonzero(steps.row == FLAG).tolist()}
    conditions: dict[int, tuple[Form, ...]] = {}
    for instance in late.tolist():
        finished = programs.run(instance)
        context[instance] = finished.context
        start = int(word_ptr[instance])
        for word, form in finished.patches:
            words[start + word] = _clipped(int(words[start + word]) + form.const)
            patches += [(start + word, scalar, factor) for scalar, factor in form.terms]
        if finished.readings:
            readings[instance] = finished.readings
        if finished.conditions:
            conditions[instance] = finished.conditions
    run = tuple(tuple(programs.context(_of_copy(launch, f)) for f in one.facts[:2]) for one in loops)
    of_context = tuple(programs.contexts)
    among = tuple(programs.among(loop) for loop in [*range(len(loops)), STRAIGHT])
    return Contents(
        word_ptr, words, patches, context, Knowledge(of_context, among, run), readings, conditions
    )


def _late(steps: Straight) -> Column:
    """The instances whose rows have late programs."""
    if not len(steps.tables.ops):
        return np.zeros(0, np.int64)
    return np.flatnonzero((steps.row != FLAG) & (steps.tables.row_program[steps.row] >= 0))


def _flag(t: Tables, loop: int) -> Reading:
    base, offset, item = t.loops[loop, 3:6].tolist()
    return Reading(base, Form(offset), item)


def _clipped(value: int) -> int:
    """A word that no parameter may have is as good as another one."""
    return max(-(2**62), min(2**62, value))


def _copied(t: Tables, row: Column) -> tuple[Column, Column, list[tuple[int, int, int]]]:
    """Words and patches of a launch for each instance."""
    length = np.where(row == FLAG, 0, np.diff(t.row_ptr)[row]) if t.rows else np.zeros(len(row), np.int64)
    word_ptr = np.concatenate([[0], np.cumsum(length)])
    moved = np.repeat(word_ptr[:-1] - np.where(row == FLAG, 0, t.row_ptr[row]), length)
    words = t.words[np.arange(len(moved)) - moved]
    by_row = np.flatnonzero(row != FLAG)
    by_row = by_row[np.argsort(row[by_row], kind="stable")]
    instances = np.bincount(row[by_row], minlength=t.rows)
    patch_row = np.searchsorted(t.row_ptr, t.patches[:, 0], side="right") - 1
    count = instances[patch_row]
    nth = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    patch = np.repeat(np.arange(len(patch_row)), count)
    instance = by_row[(np.cumsum(instances) - instances)[patch_row[patch]] + nth]
    word = t.patches[patch, 0] - t.row_ptr[patch_row[patch]] + word_ptr[instance]
    columns = word.tolist(), t.patches[patch, 1].tolist(), t.patches[patch, 2].tolist()
    return word_ptr, words, list(zip(*columns, strict=True))


def _of_copy(launch: Bounds, facts: Sequence[Fact]) -> Bounds:
    """What follows from an iteration being run."""
    bounds = launch.further()
    for fact in facts:
        bounds.learn(*fact)
    bounds.combine()
    return bounds
