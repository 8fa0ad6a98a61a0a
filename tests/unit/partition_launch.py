"""A launch of a task graph, one task at a time: its guards, its loops, the late ops of its rows.

The order is program order. What a task computes is not run: only which tasks run, and with which rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpmd.partition import TaskGraph
from mpmd.partition.graph import Derived, Element, LateGuard, Linear, LoopIndex, Skip, WordKind
from tests.unit.partition_programs import COMPUTE, launch_scalars

Memory = Mapping[int, npt.NDArray[np.uint8]]
"""The bytes of root tensors that late ops read."""


class Ended(Exception):
    """A late guard that does not hold."""


@dataclass(frozen=True)
class Run:
    """A task that ran: its id, the iteration of its phase, and its row."""

    task: int
    iteration: int
    words: Mapping[tuple[WordKind, str, int], int]


def launch(graph: TaskGraph, scalars: Mapping[str, int], memory: Memory) -> Iterator[Run]:
    """Every task that runs, in program order; `Ended` where a late guard breaks."""
    known = launch_scalars(graph, scalars)
    for phase in graph.phases:
        count = 1 if phase.loop is None else linear(phase.loop.count, known)
        for iteration in range(count):
            for task in range(phase.first, phase.end):
                row = started(graph, task, known, memory, iteration)
                if row is not None:
                    yield Run(task, iteration, row)


def started(
    graph: TaskGraph, task: int, known: list[int], memory: Memory, iteration: int = 0
) -> dict[tuple[WordKind, str, int], int] | None:
    """The row of a task as it starts, None where it is passed over."""
    site = graph.sites[graph.site[task]]
    registers = list(known)
    for op in site.late:
        value = 0
        if isinstance(op, LoopIndex):
            value = iteration
        elif isinstance(op, Element):
            at = linear(op.offset, registers)
            assert 0 <= at <= len(memory[op.tensor]) - op.itemsize, "an element lies within its tensor"
            dtype = np.int32 if op.itemsize == 4 else np.int64
            value = int(memory[op.tensor][at : at + op.itemsize].view(dtype)[0])
        elif isinstance(op, Derived):
            value = COMPUTE[op.op](linear(op.lhs, registers), linear(op.rhs, registers))
        elif isinstance(op, LateGuard):
            if not op.lo <= linear(op.value, registers) <= op.hi:
                raise Ended(op.text)
        elif isinstance(op, Skip) and linear(op.value, registers) <= 0:
            return None
        registers.append(value)
    words = graph.words[graph.word_ptr[task] : graph.word_ptr[task + 1]].tolist()
    for word, scalar, coefficient in site.symbolic:
        words[word] += coefficient * registers[scalar]
    function = graph.functions[site.function]
    return {(w.kind, w.name, w.axis): int(v) for w, v in zip(function.words, words, strict=True)}


def linear(value: Linear, registers: list[int]) -> int:
    return value.const + sum(c * registers[s] for s, c in value.terms)
