"""What a launch must know of a kernel, the same for every target.

In:  a `Schedule`, what its text needs of a core's scratch memory, the run-time checks in the text.
Out: `LaunchInfo`. Not here: text (each target's emitter), tables (`tables.py`).
"""

from __future__ import annotations

from mpmd.codegen.notes import guard_notes, late_guard_notes, step_notes
from mpmd.codegen.source import ArgumentInfo, FirstExtent, LaunchInfo, ScalarInfo, StepNote
from mpmd.lang.program import Program, Tensor
from mpmd.lang.types import Direction
from mpmd.schedule.steps import Schedule


def launch_info(schedule: Schedule, scratch_bytes: int, checks: tuple[StepNote, ...]) -> LaunchInfo:
    graph = schedule.graph
    return LaunchInfo(
        kernel=graph.program.name,
        order=graph.program.params,
        arguments=_arguments(graph.program),
        scalars=tuple(ScalarInfo(s.name, s.dtype, s.span, s.most) for s in graph.program.scalars),
        cores=schedule.cores,
        arena_bytes=schedule.memory.arena_bytes,
        scratch_bytes=scratch_bytes,
        guards=guard_notes(graph),
        steps=step_notes(schedule),
        checks=(*checks, *late_guard_notes(graph)),
    )


def _first(tensor: Tensor) -> FirstExtent | None:
    if not tensor.extents:
        return None
    (atom, factor), *_ = tensor.extents[0].terms
    return FirstExtent(str(atom), factor, tensor.extents[0].const)


def _arguments(program: Program) -> tuple[ArgumentInfo, ...]:
    return tuple(
        ArgumentInfo(t.name, t.dtype, t.shape, t.strides, t.direction or Direction.IN, t.span, _first(t))
        for t in program.arguments
        if t.base is None
    )
