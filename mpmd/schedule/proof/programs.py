"""Late programs, followed with forms in place of numbers.

In:  the straight steps, bounds of launch scalars, the symbols of iterations.
Out: what a program makes of the row of an instance (`Programs.run`), and what it proves.
Raises `ScheduleCapacityError` where it reads an element outside of its base.
Not here: the rows themselves (`late`).

An element is a symbol of its own for each place and version: how many rows that write to its base come
before, in program order. Rows that read it at one version read the same, since the order of these accesses
is proved too.

What a program requires of its row holds where that row is run: it proves what the row touches to lie
within its base. What is required in any case, before a SKIP, holds in every launch that does not end early,
and then it tells apart the places of different rows; of a launch that ends early only the former matters.
What rows of a loop require is of use for rows of that loop alone, as it may have no iterations; and copies
that stand for later iterations say nothing about others, as they need not exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mpmd.errors import MalformedTableError, ScheduleCapacityError, Span
from mpmd.schedule.proof.decode import ELEMENT, GUARD, ITERATION, PATCH, SKIP, Column, Tables
from mpmd.schedule.proof.iterations import Iterations
from mpmd.schedule.proof.occurrences import Occurrences
from mpmd.schedule.proof.scalars import FAR, FLOORDIV, MUL, Bounds, Form, Rising, Symbols, Terms, form_of
from mpmd.schedule.proof.straight import FLAG, Straight

LAUNCH = 0
_MANY = 4
"""Quotients that are fewer than this are compared one by one."""
STRAIGHT = -1
"""The loop of what is in none."""
NEVER = -1
"""Contexts of instances: of which launch scalars are all there is to know, and of a row that no launch runs
(the last piece of three, of at most two elements)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """An integer, or a flag, that is read to decide something: `item` bytes of a base, `offset` bytes in."""

    base: int
    offset: Form
    item: int


@dataclass(frozen=True, slots=True)
class Finished:
    """What a late program made of a row: what it adds to words, what it reads, what must be > 0 for the row
    to be run, and in which context it is."""

    patches: tuple[tuple[int, Form], ...]
    readings: tuple[Reading, ...]
    conditions: tuple[Form, ...]
    context: int


class Programs:
    """Follows late programs; each once for all instances that cannot differ."""

    def __init__(
        self, steps: Straight, loops: Sequence[Iterations], launch: Bounds, places: Occurrences
    ) -> None:
        self.contexts = [launch]
        self.launch = launch
        self.loops = loops
        self.places = places
        self._steps = steps
        self._facts: dict[int, list[tuple[Form, int, int]]] = {}
        self._elements: dict[tuple[int, int, int, int, Form], int] = {}
        self._known: dict[tuple[int, int, int, tuple[int, ...]], Finished] = {}
        self._bases = _bases_read(steps.tables)
        self._writers = _writers(steps, sorted({base for bases in self._bases for base in bases}))

    def run(self, instance: int) -> Finished:
        steps = self._steps
        program = int(steps.tables.row_program[steps.row[instance]])
        versions = tuple(int(np.searchsorted(self._writers[b], instance)) for b in self._bases[program])
        key = program, int(steps.loop[instance]), int(steps.copy[instance]), versions
        if key not in self._known:
            run = _Run(self, steps, instance, dict(zip(self._bases[program], versions, strict=True)))
            self._known[key] = run.finished(program)
        return self._known[key]

    def among(self, loop: int) -> Bounds:
        """What holds for rows of one loop (−1: of straight code) in every launch that does not end early."""
        facts = [*self._facts.get(STRAIGHT, ()), *(self._facts.get(loop, ()) if loop != STRAIGHT else ())]
        rows = self._rows()
        if not facts and not rows:
            return self.launch
        bounds = self.launch.further()
        for form, low, high in facts:
            bounds.learn(form, low, high)
        bounds.settle()
        bounds.combine()
        bounds.rising = Rising(rows, bounds) if rows else None
        return bounds

    def _rows(self) -> list[list[int]]:
        """Scalars that may rise: elements of one base and version, as they lie there; and quotients."""
        rows: dict[tuple[object, ...], list[tuple[int, int]]] = {}
        for (loop, base, item, version, offset), scalar in self._elements.items():
            rows.setdefault((loop, base, item, version, offset.terms), []).append((offset.const, scalar))
        found = [[scalar for _, scalar in sorted(row)] for row in rows.values() if len(row) > 1]
        return found + _quotients(self.launch.symbols)

    def element(self, loop: int, base: int, item: int, version: int, offset: Form) -> Form:
        key = loop, base, item, version, offset
        if key not in self._elements:
            limit = 2 ** (8 * item - 1)
            self._elements[key] = self.launch.symbols.plain((-limit, limit - 1))
        return Form(0, ((self._elements[key], 1),))

    def known(self, form: Form, low: int, high: int, loop: int) -> None:
        """What is required of an instance in any case."""
        self._facts.setdefault(loop, []).append((form, low, high))

    def context(self, own: Bounds) -> int:
        self.contexts.append(own)
        return len(self.contexts) - 1


class _Run:
    """One run of a program."""

    def __init__(self, programs: Programs, steps: Straight, instance: int, versions: dict[int, int]) -> None:
        self._programs = programs
        self._tables = steps.tables
        self._instance = instance
        self._versions = versions
        self._loop, self._copy = int(steps.loop[instance]), int(steps.copy[instance])
        self._bounds = programs.launch.further()
        self._registers: dict[int, Form] = {}
        self._patches: dict[int, Form] = {}
        self._readings: list[Reading] = []
        self._conditions: list[Form] = []
        if self._loop >= 0:
            for fact in programs.loops[self._loop].facts[self._copy]:
                self._bounds.learn(*fact)

    def finished(self, program: int) -> Finished:
        t = self._tables
        first, end = t.program_ptr[program : program + 2].tolist()
        for at, op in enumerate(t.ops[first:end].tolist()):
            self._follow(t.launch_scalars + at, *op)
            if op[0] == SKIP and self._bounds.of(self._conditions[-1])[1] <= 0:
                break
        self._bounds.combine()
        context = self._programs.context(self._bounds) if self._bounds.possible else NEVER
        patches = tuple(sorted(self._patches.items(), key=lambda patch: patch[0]))
        return Finished(patches, tuple(self._readings), tuple(self._conditions), context)

    def _follow(self, register: int, kind: int, *args: int) -> None:
        if kind == ITERATION:
            self._registers[register] = self._iteration()
        elif kind == ELEMENT:
            self._registers[register] = self._element(args[0], self._sum(*args[1:4]), args[4])
        elif kind == GUARD:
            self._require(self._sum(*args[:3]), args[3], args[4])
        elif kind == SKIP:
            self._conditions.append(self._sum(*args[:3]))
            self._bounds.learn(self._conditions[-1], 1, FAR)
        elif kind == PATCH:
            before = self._patches.get(args[0], Form(0))
            self._patches[args[0]] = before.plus(self._sum(*args[1:4]))
        else:
            self._registers[register] = self._derived(kind, self._sum(*args[:3]), self._sum(*args[3:6]))

    def _sum(self, const: int, first: int, end: int) -> Form:
        """A linear sum, with what earlier ops gave in place of their registers."""
        total = Form(const)
        for scalar, factor in form_of(self._tables, 0, first, end).terms:
            total = total.plus(self._registers.get(scalar, Form(0, ((scalar, 1),))), factor)
        return total

    def _iteration(self) -> Form:
        if self._loop < 0:
            raise MalformedTableError(
                f"{self._what} is in no loop and asks for the iteration", span=self._span
            )
        return self._programs.loops[self._loop].index[self._copy]

    def _element(self, base: int, offset: Form, item: int) -> Form:
        self._readings.append(Reading(base, offset, item))
        size = int(self._tables.bases[base, 1])
        low, high = self._bounds.of(offset)
        if low < 0 or high + item > size:
            raise ScheduleCapacityError(
                f"{self._what} may read an element at bytes {_shown(low)} to {_shown(high + item)}, outside "
                f"the {size} bytes of {self._programs.places.base(base)}",
                span=self._span,
            )
        return self._programs.element(self._loop, base, item, self._versions[base], offset)

    def _derived(self, op: int, lhs: Form, rhs: Form) -> Form:
        if op == MUL and not (lhs.terms and rhs.terms):
            return Form(0).plus(lhs, rhs.const) if not rhs.terms else Form(0).plus(rhs, lhs.const)
        form = Form(0, ((self._bounds.symbols.derived((op, lhs, rhs)), 1),))
        self._bounds.of(form)  # found in the order of the ops, so that none is a long way from what is known
        return form

    def _require(self, form: Form, low: int, high: int) -> None:
        self._bounds.learn(form, low, high)
        if not self._copy and not self._conditions:
            self._programs.known(form, low, high, self._loop)

    @property
    def _what(self) -> str:
        return self._programs.places.instance(self._instance)

    @property
    def _span(self) -> Span:
        return self._programs.places.span_of(self._instance)


def _quotients(symbols: Symbols) -> list[list[int]]:
    """Quotients by one number of multiples of the same scalars, as these multiples rise."""
    rows: dict[tuple[object, ...], list[tuple[Terms, int, int]]] = {}
    for scalar in symbols.computed:
        operation = symbols.operation(scalar)
        if operation is not None and operation[0] == FLOORDIV and not operation[2].terms:
            dividend, divisor = operation[1], operation[2].const
            key = divisor, *(s for s, _ in dividend.terms)
            rows.setdefault(key, []).append((dividend.terms, dividend.const, scalar))
    return [[scalar for *_, scalar in sorted(row)] for row in rows.values() if len(row) >= _MANY]


def _shown(value: int) -> str:
    return str(value) if abs(value) < FAR // 2 else "any"


def _bases_read(t: Tables) -> list[tuple[int, ...]]:
    """Per program the bases that its elements lie in, each once."""
    return [
        tuple(sorted({base for kind, base in t.ops[first:end, :2].tolist() if kind == ELEMENT}))
        for first, end in pairwise(t.program_ptr.tolist())
    ]


def _writers(steps: Straight, bases: Sequence[int]) -> dict[int, Column]:
    """Per base the instances of rows that write to it, ascending."""
    t = steps.tables
    writes = {base: np.zeros(t.rows, np.bool_) for base in bases}
    for function in np.unique(t.row_function).tolist() if bases else []:
        rows = np.flatnonzero(t.row_function == function)
        for mode, _, word, *_ in t.params[t.function_ptr[function] : t.function_ptr[function + 1]].tolist():
            if mode & 2:
                named = t.words[t.row_ptr[rows] + word]
                for base in bases:
                    writes[base][rows[named == base]] = True
    return {
        base: np.flatnonzero((steps.row != FLAG) & writes[base][steps.row]) if t.rows else steps.row[:0]
        for base in bases
    }
