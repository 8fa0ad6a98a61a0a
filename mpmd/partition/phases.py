"""Phases: the stretches of straight code at a kernel's top level, and the loops between them.

In:  a `Program`; what its calls pass. Out: which loops repeat; the `Phase`s; guards of the loops' flags.
Not here: dependences within a phase (`conflicts.py`); loops in loops (`expand.py`).

A loop at top level repeats: its body is expanded once, so that compiling takes no longer for more
iterations. One that surely runs at most once is straight code. So is one of a known count on whose variable
it depends which pieces or iterations inner loops have: its iterations differ in their tasks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from mpmd.errors import LanguageError
from mpmd.lang.program import Call, Loop, Node, Program, Segments, View
from mpmd.partition.accesses import SiteArguments, root_of
from mpmd.partition.affine import Affine, LaunchScalars
from mpmd.partition.graph import Element, Guard, IntColumn, Linear, LoopInfo, Phase
from mpmd.partition.unroll import AnyLoop


def repeated(program: Program) -> frozenset[str]:
    """The names of the loops whose bodies are there once."""
    return frozenset(
        node.name
        for node in program.body
        if isinstance(node, Loop) and not (node.count.is_const and (node.count.const <= 1 or _varies(node)))
    )


def phases(
    program: Program, sites: Sequence[SiteArguments], tasks: int, launch: LaunchScalars
) -> tuple[Phase, ...]:
    """All tasks in phases, in order; a single empty phase where there are none."""
    loops = list(dict.fromkeys(a.site.repeated for a in sites if a.site.repeated is not None))
    number = {loop.name: place for place, loop in enumerate(loops)}
    of_task = np.full(tasks, -1, np.int64)
    for arguments in sites:
        if arguments.site.repeated is not None:
            of_task[arguments.site.ids] = number[arguments.site.repeated.name]
    infos = [_info(loop, program, launch) for loop in loops]
    return tuple(
        Phase(first, end, infos[of_task[first]] if first < end and of_task[first] >= 0 else None)
        for first, end in pairwise(_cuts(of_task))
    )


def _cuts(of_task: IntColumn) -> list[int]:
    changes = np.nonzero(of_task[1:] != of_task[:-1])[0] + 1
    return [0, *changes.tolist(), len(of_task)]


def _varies(loop: Loop) -> bool:
    """Whether inner loops run differently in different iterations, and cannot but be copied for each."""
    if loop.until is not None:
        return False
    return any(
        loop.name in (node.count if isinstance(node, Loop) else node.extent).symbols()
        for node in _inner(loop.body)
        if isinstance(node, Loop) or (not isinstance(node, Segments) and node.most is None)
    )


def _inner(body: tuple[Node, ...]) -> Iterator[AnyLoop]:
    for node in body:
        if not isinstance(node, Call):
            yield node
            yield from _inner(node.body)


def _info(loop: Loop, program: Program, launch: LaunchScalars) -> LoopInfo:
    count = launch.split(loop.count, {}, loop.span).linear
    until = None if loop.until is None else _flag(loop, loop.until, program, launch)
    return LoopInfo(loop.name, count, until, loop.span)


def _flag(loop: Loop, view: View, program: Program, launch: LaunchScalars) -> Element:
    tensor = program.tensors[view.tensor]
    offset = Affine(0)
    for place, stride in zip(_places(loop, view, launch), tensor.strides, strict=True):
        offset = offset + place * (stride * tensor.dtype.itemsize)
    return Element(root_of(tensor, program).id, offset.linear, tensor.dtype.itemsize)


def flag_guards(program: Program, launch: LaunchScalars) -> tuple[Guard, ...]:
    """That the flags of loops lie within their tensors, where a launch decides."""
    guards: list[Guard] = []
    for loop in program.body:
        if not isinstance(loop, Loop) or loop.until is None:
            continue
        tensor = program.tensors[loop.until.tensor]
        places = _places(loop, loop.until, launch)
        for number, (place, extent) in enumerate(zip(places, tensor.shape, strict=True)):
            if place.terms:
                text = (
                    f"index {loop.until.region[number].start} of axis {number} of '{tensor.name}' "
                    f"stays within {extent}"
                )
                const = place.linear.const
                guards.append(Guard(Linear(0, place.terms), -const, extent - 1 - const, loop.span, text))
    return tuple(guards)


def _places(loop: Loop, view: View, launch: LaunchScalars) -> list[Affine]:
    """Where a loop's flag lies along each axis: in one place for all iterations."""
    if any(loop.name in axis.start.symbols() for axis in view.region):
        raise LanguageError(
            f"which element ends loop '{loop.name}' depends on its own variable",
            span=loop.span,
            label="the flag of a loop is one element",
            hints=("let a task copy what it should look at to one element, and give that as until=",),
        )
    return [launch.split(axis.start, {}, loop.span) for axis in view.region]
