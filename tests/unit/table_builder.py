"""Tables by hand: `build(cores=[[run(0), signal(0)], [wait(0, 1), run(1)]], rows=[[...], [...]], ...)`.

In:  steps per core, the accesses of each row, sizes of bases, symbols. Out: table bytes, unchecked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tests.tables import BARRIER, RUN, SIGNAL, WAIT, Sections, Step


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
) -> Sections:
    """The sections; every row has a function of its own, with fixed strides and extents in the function.

    `tensors` are the local ones as (place in the arena, bytes); without `arena` that is just large enough.
    """
    local_bases = [(1, size, place) for place, size in tensors]
    events = 1 + max((a for core in cores for op, a, _, _ in core if op in (SIGNAL, WAIT)), default=-1)
    result = Sections(
        cores=[list(core) for core in cores],
        row_words=[],
        row_function=list(range(len(rows))),
        function_ptr=[0],
        events=events,
        scalars=scalars,
        arena=max((place + size for place, size in tensors), default=0) if arena is None else arena,
        bases=np.array([*((0, size, 0) for size in arguments), *local_bases], np.int64).reshape(-1, 3),
    )
    params: list[tuple[int, ...]] = []
    axes: list[tuple[int, ...]] = []
    patches: list[tuple[int, int, int]] = []
    at = 0
    for row in rows:
        words: list[Number] = []
        for access in row:
            first = len(axes)
            base = access.base if access.base >= 0 else len(arguments) - 1 - access.base
            params.append((access.mode, access.item, len(words), len(words) + 1))
            words += [base, access.offset]
            for extent, stride, tile in zip(*_axes(access), strict=True):
                axes.append((-1 if isinstance(extent, int) else len(words), tile, -1, stride))
                words += [] if isinstance(extent, int) else [extent]
            params[-1] += (first, len(axes))
        for index, word in enumerate(words):
            if isinstance(word, Sum):
                patches += [(at + index, scalar, factor) for scalar, factor in word.terms.items()]
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
    result.terms = np.array(terms, np.int64).reshape(-1, 2)
    return result


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
