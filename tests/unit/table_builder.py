"""Tables by hand: `build(cores=[[run(0), signal(0)], [wait(0, 1), run(1)]], rows=[[...], [...]], ...)`.

In:  steps per core, the accesses of each row, sizes of bases, symbols, loops, late programs, drains, rings.
Out: table bytes, unchecked.

A loop is written `*loop(0, run(0), barrier(0))`. The terms of a `Sum` name launch scalars by their number and
what op k of a late program gives by `register(k)`; a row's words with such terms get PATCHes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from tests.tables import BARRIER, DRAIN, END, LOOP, PREFETCH, RUN, SIGNAL, WAIT, Sections, Step

REGISTER = 1000
"""Scalars from here on are registers of late programs."""


def local(number: int) -> int:
    """As the base of an access: a local tensor, whatever the number of arguments."""
    return -1 - number


@dataclass(frozen=True)
class Sum:
    """`const + Σ coefficient × launch scalar`."""

    const: int
    terms: Mapping[int, int] = field(default_factory=dict)


Number = int | Sum


@dataclass(frozen=True)
class Access:
    """One tensor parameter of one row: `shape` elements, `strides` in elements (C order if None)."""

    mode: int
    base: int
    offset: Number
    shape: tuple[Number, ...]
    strides: tuple[int, ...] | None = None
    item: int = 1
    tile: tuple[int, ...] | None = None  # the largest extents; needed where one is a `Sum`


def run(row: int) -> Step:
    return RUN, row, 0, -1


def signal(event: int, amount: int = 1) -> Step:
    return SIGNAL, event, amount, 0


def wait(event: int, count: int = 1) -> Step:
    return WAIT, event, count, 0


def barrier(ordinal: int) -> Step:
    return BARRIER, ordinal, 0, 0


def loop(number: int, *body: Step) -> list[Step]:
    return [(LOOP, number, 0, -1), *body, (END, number, len(body), -1)]


def prefetch(row: int, most: int = 64) -> Step:
    return PREFETCH, row, most, -1


def drain(number: int) -> Step:
    return DRAIN, number, 0, -1


@dataclass(frozen=True)
class Loop:
    """How often a loop runs, and its flag: (base, byte offset, item bytes)."""

    count: int | Sum
    until: tuple[int, int, int] | None = None


Op = tuple[object, ...]
"""An op of a late program, with `Sum`s in place of const and terms."""


def register(op: int) -> int:
    """The scalar that op number `op` of a late program gives."""
    return REGISTER + op


def derive(kind: int, lhs: Sum, rhs: Sum) -> Op:
    return kind, lhs, rhs, 0


def iteration() -> Op:
    return 5, 0, 0, 0, 0, 0, 0, 0


def element(base: int, offset: Sum, item: int = 4) -> Op:
    return 6, base, offset, item, 0, 0


def guard(value: Sum, low: int, high: int) -> Op:
    return 7, value, low, high, 0, 0


def skip(value: Sum) -> Op:
    """The row is not run unless the value is above zero."""
    return 8, value, 0, 0, 0, 0


def patch(word: int, value: Sum) -> Op:
    return 9, word, value, 0, 0, 0


@dataclass(frozen=True)
class Ring:
    """A channel's memory: cores at its ends, slots, and where it starts in the arena."""

    producer: int
    consumer: int
    depth: int
    offset: int
    slot: int = 128


def sends(row: int, ring: int, tokens: int) -> tuple[int, ...]:
    return row, ring, 0, tokens


def receives(row: int, ring: int, tokens: int) -> tuple[int, ...]:
    return row, ring, 1, tokens


def reads(base: int, offset: Number, *shape: Number, **more: object) -> Access:
    return Access(1, base, offset, shape, **more)  # type: ignore[arg-type]


def writes(base: int, offset: Number, *shape: Number, **more: object) -> Access:
    return Access(2, base, offset, shape, **more)  # type: ignore[arg-type]


def updates(base: int, offset: Number, *shape: Number, **more: object) -> Access:
    return Access(3, base, offset, shape, **more)  # type: ignore[arg-type]


def sections(
    *,
    cores: Sequence[Sequence[Step]],
    rows: Sequence[Sequence[Access]],
    arguments: Sequence[int] = (),
    tensors: Sequence[tuple[int, int]] = (),
    arena: int | None = None,
    scalars: int = 0,
    derived: Sequence[tuple[int, Sum, Sum]] = (),
    guards: Sequence[tuple[Sum, int, int]] = (),
    loops: Sequence[Loop] = (),
    late: Mapping[int, Sequence[Op]] = MappingProxyType({}),
    drains: Sequence[Sequence[int]] = (),
    rings: Sequence[Ring] = (),
    uses: Sequence[tuple[int, ...]] = (),
    primitives: Mapping[int, tuple[int, int]] = MappingProxyType({}),
) -> Sections:
    """The sections; every row has a function of its own, with fixed strides and extents in the function.

    `tensors` are the local ones as (place in the arena, bytes); without `arena` that is just large enough.
    `primitives` has of events that are no counters the primitive, and the flag or −1.
    `late` has the programs of rows, without the PATCHes that their words need.
    """
    ends = [place + size for place, size in tensors] + [r.offset + r.depth * r.slot for r in rings]
    local_bases = [(1, size, place) for place, size in tensors]
    events = 1 + max((a for core in cores for op, a, _, _ in core if op in (SIGNAL, WAIT)), default=-1)
    result = Sections(
        cores=[list(core) for core in cores],
        row_words=[],
        row_function=list(range(len(rows))),
        function_ptr=[0],
        events=events,
        scalars=scalars,
        arena=max(ends, default=0) if arena is None else arena,
        bases=np.array([*((0, size, 0) for size in arguments), *local_bases], np.int64).reshape(-1, 3),
    )
    patched: dict[int, list[Op]] = {}
    params: list[tuple[int, ...]] = []
    axes: list[tuple[int, ...]] = []
    patches: list[tuple[int, int, int]] = []
    at = 0
    for number, row in enumerate(rows):
        words: list[Number] = []
        for access in row:
            first = len(axes)
            base = _base(access.base, len(arguments))
            params.append((access.mode, access.item, len(words), len(words) + 1))
            words += [base, access.offset]
            for extent, stride, tile in zip(*_axes(access), strict=True):
                axes.append((-1 if isinstance(extent, int) else len(words), tile, -1, stride))
                words += [] if isinstance(extent, int) else [extent]
            params[-1] += (first, len(axes))
        for index, word in enumerate(words):
            if isinstance(word, Sum):
                patches += [(at + index, s, factor) for s, factor in word.terms.items() if s < REGISTER]
                if terms_late := {s: factor for s, factor in word.terms.items() if s >= REGISTER}:
                    patched.setdefault(number, []).append(patch(index, Sum(0, terms_late)))
        result.row_words.append([w.const if isinstance(w, Sum) else w for w in words])
        result.function_ptr.append(len(params))
        at += len(words)
    terms: list[tuple[int, int]] = []
    result.params = np.array(params, np.int64).reshape(-1, 6)
    result.axes = np.array(axes, np.int64).reshape(-1, 4)
    result.patches = np.array(patches, np.int64).reshape(-1, 3)
    lines = [(op, *_linear(lhs, terms), *_linear(rhs, terms)) for op, lhs, rhs in derived]
    result.derived = np.array(lines, np.int64).reshape(-1, 7)
    result.guards = np.array([(*_linear(g, terms), lo, hi) for g, lo, hi in guards], np.int64).reshape(-1, 5)
    _add_programs(result, late, patched, len(arguments), scalars + len(derived), terms)
    result.terms = np.array(terms, np.int64).reshape(-1, 2)
    until = [
        (-1, 0, 0) if one.until is None else (_base(one.until[0], len(arguments)), *one.until[1:])
        for one in loops
    ]
    result.loops = np.array(
        [
            (*_linear(Sum(one.count) if isinstance(one.count, int) else one.count, terms), *flag, 0, 0)
            for one, flag in zip(loops, until, strict=True)
        ],
        np.int64,
    ).reshape(-1, 8)
    result.terms = np.array(terms, np.int64).reshape(-1, 2)
    _find_loops(result)
    kinds = [primitives.get(event, (0, -1)) for event in range(events)]
    result.event_primitive, result.event_flag = np.array(kinds, np.int64).reshape(-1, 2).T[:, :, None]
    result.drain_ptr = np.cumsum([0, *map(len, drains)]).reshape(-1, 1)
    result.drain_rows = np.array([row for items in drains for row in items], np.int64).reshape(-1, 1)
    lines_of_rings = [(r.producer, r.consumer, r.slot, r.depth, r.offset, 0) for r in rings]
    result.rings = np.array(lines_of_rings, np.int64).reshape(-1, 6)
    result.uses = np.array(uses, np.int64).reshape(-1, 4)
    return result


def _base(base: int, arguments: int) -> int:
    return base if base >= 0 else arguments - 1 - base


def _add_programs(
    result: Sections,
    late: Mapping[int, Sequence[Op]],
    patched: Mapping[int, Sequence[Op]],
    arguments: int,
    launch: int,
    terms: list[tuple[int, int]],
) -> None:
    """One program per row that has one."""
    result.row_program = np.full((len(result.row_words), 1), -1, np.int64)
    lines: list[list[int]] = []
    ends = [0]
    for row in sorted({*late, *patched}):
        result.row_program[row] = len(ends) - 1
        for op in (*late.get(row, ()), *patched.get(row, ())):
            line: list[int] = []
            for part in op:
                if isinstance(part, Sum):
                    own = {s - REGISTER + launch if s >= REGISTER else s: c for s, c in part.terms.items()}
                    line += _linear(Sum(part.const, own), terms)
                else:
                    line.append(int(part))  # type: ignore[call-overload]
            if op[0] == 6:
                line[1] = _base(line[1], arguments)
            lines.append(line)
        ends.append(len(lines))
    result.program_ptr = np.array(ends).reshape(-1, 1)
    result.ops = np.array(lines, np.int64).reshape(-1, 8)


def _find_loops(result: Sections) -> None:
    """The loops of events, and the barriers of loops."""
    result.event_loop = np.full((result.events, 1), -1, np.int64)
    for core in result.cores:
        inside = -1
        for op, a, _, _ in core:
            if op in (LOOP, END):
                inside = a if op == LOOP else -1
            elif op in (SIGNAL, WAIT):
                result.event_loop[a] = inside
            elif op == BARRIER and inside >= 0 and core is result.cores[0]:
                result.loops[inside, 6] += 1


def build(**description: object) -> bytes:
    """The bytes of `sections(**description)`."""
    return sections(**description).store()  # type: ignore[arg-type]


def _axes(access: Access) -> tuple[tuple[Number, ...], tuple[int, ...], tuple[int, ...]]:
    tile = access.tile if access.tile is not None else tuple(int(e) for e in access.shape)  # type: ignore[arg-type]
    strides = access.strides
    if strides is None:
        strides = tuple(int(np.prod(tile[axis + 1 :], dtype=np.int64)) for axis in range(len(tile)))
    return access.shape, strides, tile


def _linear(value: Sum, terms: list[tuple[int, int]]) -> tuple[int, int, int]:
    first = len(terms)
    terms.extend(value.terms.items())
    return value.const, first, len(terms)
