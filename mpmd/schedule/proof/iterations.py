"""How often loops run, and the iterations that stand for all: any one, the next, and any later one.

In:  the decoded tables, bounds of their launch scalars.
Out: per loop its `Iterations`; their symbols are added to those of the bounds.
Not here: the steps of the iterations (`straight`).

An iteration i and the one after it stand for any two neighbours, i and i + d with d from 2 up for any two
that are farther apart. Two accesses conflict if they do in some pair of iterations; so it is enough to look
at pairs in which iteration i takes part. That what iteration i + 2 knows of iteration i is known later too
follows from the order of steps on each core.

That an iteration is run says something of the count, and of the other iterations. It may be relied on only
where rows of that iteration are looked at: others are run in launches in which there is no such iteration.
"""

from __future__ import annotations

from dataclasses import dataclass

from mpmd.schedule.proof.decode import Tables
from mpmd.schedule.proof.scalars import FAR, Bounds, Form, form_of

COPIES = 3
Fact = tuple[Form, int, int]
"""A form, and the least and the most that it is."""


@dataclass(frozen=True, slots=True)
class Iterations:
    """At most `most`. Per copy `index` has its iteration, and `facts` what holds where that is run."""

    most: int
    index: tuple[Form, ...]
    facts: tuple[tuple[Fact, ...], ...]

    @property
    def copies(self) -> int:
        return len(self.index)

    @property
    def more(self) -> bool:
        """Whether there can be more iterations than copies."""
        return self.most > self.copies


def iterations(tables: Tables, bounds: Bounds) -> tuple[Iterations, ...]:
    """Those of every loop."""
    return tuple(
        _of_loop(form_of(tables, const, first, end), bounds)
        for const, first, end, *_ in tables.loops.tolist()
    )


def _of_loop(count: Form, bounds: Bounds) -> Iterations:
    most = max(0, bounds.of(count)[1])
    index: list[Form] = []
    apart: list[Fact] = []
    if most > 0:
        index.append(_iteration(0, most, bounds))
        index.append(index[0].plus(Form(1)))
    if most > 2:
        index.append(_iteration(2, most, bounds))
        apart.append((index[2].plus(index[0], -1), 2, most - 1))
    index = index[: min(most, COPIES)]
    run = [(count.plus(at, -1), 1, FAR) for at in index]
    facts = [(fact, *(apart if copy == 2 else ())) for copy, fact in enumerate(run)]
    return Iterations(most, tuple(index), tuple(facts))


def _iteration(least: int, most: int, bounds: Bounds) -> Form:
    """A symbol for an iteration, from number `least` up."""
    return Form(0, ((bounds.symbols.plain((least, most - 1)), 1),))
