"""Schedules of one kernel, launched in turns on this CPU.

In:  a kernel, arrays for it, `Schedule`s of it. Out: seconds of a launch of each.
Not here: which schedules (`ablation.py`); what the figures say (`explain.py`); time inside a launch
(`runtime/profile.py`).

In turns, because a shared machine is slower at some times than at others: what disturbs one disturbs all.
Each turn is several launches, of which the fastest counts: those before it wake workers that the schedule
before left asleep, and find the caches as that left them. Who begins changes from round to round.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from statistics import median
from time import perf_counter
from typing import Any

from mpmd.errors import ArgumentError
from mpmd.lang.frames import caller_span
from mpmd.lang.types import TensorSpec
from mpmd.pipeline import CompiledKernel, Kernel, arguments, compile_specs, specs_of
from mpmd.schedule.check import check
from mpmd.schedule.steps import Schedule
from mpmd.search import Choice
from mpmd.specs import ScalarSpec
from mpmd.targets import target

ROUNDS = 9
"""Turns of each schedule, whose median is its time."""

LAUNCHES = 8
"""Launches in a turn."""


def in_turns(kernel: Any, args: Sequence[Any], choice: Choice, schedules: Sequence[Schedule]) -> list[float]:
    """Seconds of each schedule, launched on one copy of `args`."""
    compiled = _compiled(kernel, args, choice)
    calls = [_with_schedule(compiled, schedule) for schedule in schedules]
    given = deepcopy(tuple(args))
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(ROUNDS):
        for place in range(len(calls)):
            number = (turn + place) % len(calls)
            times[number].append(min(_seconds(calls[number], given) for _ in range(LAUNCHES)))
    return [median(own) for own in times]


def _seconds(call: CompiledKernel, given: Sequence[Any]) -> float:
    begin = perf_counter()
    call(*given)
    return perf_counter() - begin


def _compiled(kernel: Any, args: Sequence[Any], choice: Choice) -> CompiledKernel:
    """The kernel for these arguments."""
    if isinstance(kernel, CompiledKernel) and args:
        return kernel
    if not isinstance(kernel, Kernel) or any(isinstance(arg, (TensorSpec, ScalarSpec)) for arg in args):
        raise ArgumentError(
            "measuring takes a kernel and arrays to launch it with",
            span=caller_span(),
            label="measure=True",
            hints=("pass arrays and numbers in the place of specs, or leave measure out",),
        )
    specs = specs_of(kernel, arguments(kernel, args, {}), kernel.dynamic)
    return compile_specs(kernel, specs, choice=choice, dynamic=kernel.dynamic)


def _with_schedule(compiled: CompiledKernel, schedule: Schedule) -> CompiledKernel:
    """The same kernel by another schedule, which is proved like any."""
    cpu = target("cpu", span=caller_span())
    source = cpu.emit(schedule)
    certificate = check(source.tables, schedule.machine, names=source.launch)
    executable = cpu.build(source).load()
    return replace(
        compiled,
        graph=schedule.graph,
        schedule=schedule,
        source=source,
        certificate=certificate,
        executable=executable,
    )
