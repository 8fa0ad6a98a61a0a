"""The launches that one call of a kernel makes: one, or one after the other where barriers end launches.

In:  the stretches of the tables, how often the host's loops run. Out: launches on a stream.
Not here: what a launch is told (`memory.py`).

Several launches whose number is known beforehand are captured once as a CUDA graph, and launched as one;
loops that a flag ends are the host's: it looks at the flag after each iteration.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mpmd.codegen.cuda.device_tables import NONE, DeviceTables
from mpmd.runtime.cuda.memory import KernelMemory
from mpmd.schedule.steps import StepOp

IsSet = Callable[[int], bool]


def stretches(tables: DeviceTables, counts: list[int], is_set: IsSet) -> Iterator[tuple[int, int]]:
    """(stretch, iteration) of each launch, in order. `is_set(loop)` looks at the flag that ends a loop."""
    at, iteration = 0, 0
    while True:
        yield at, iteration
        stretch = tables.stretches[at]
        if stretch.op is None:
            return
        if stretch.op is StepOp.LOOP:
            at, iteration = (at + 1 if counts[stretch.loop] else stretch.other + 1), 0
        elif stretch.op is StepOp.END:
            iteration += 1
            ended = iteration == counts[stretch.loop] or is_set(stretch.loop)
            at, iteration = (at + 1, 0) if ended else (stretch.other + 1, iteration)
        else:
            at += 1


def fixed(tables: DeviceTables) -> bool:
    """Whether the launches are known before the first one."""
    hosts = {stretch.loop for stretch in tables.stretches if stretch.op is StepOp.LOOP}
    return all(int(tables.loops["until"][loop]) == NONE for loop in hosts)


@dataclass
class Sequence:
    """`graphs` are by the loops' counts."""

    tables: DeviceTables
    memory: KernelMemory
    kernel: Any
    config: Any
    package: Any
    graphs: dict[tuple[int, ...], Any] = field(default_factory=dict)

    def launch(self, stream: Any, counts: list[int]) -> None:
        if len(self.tables.stretches) == 1:
            self._launch(stream, 0, 0)
        elif fixed(self.tables):
            self._graph(counts).launch(stream)
        else:
            for at, iteration in stretches(self.tables, counts, self._is_set):
                self._launch(stream, at, iteration)

    def _launch(self, stream: Any, stretch: int, iteration: int) -> None:
        launch = self.memory.buffers["launch"]
        arguments = launch, ctypes.c_int(stretch), ctypes.c_longlong(iteration)
        self.package.launch(stream, self.config, self.kernel, *arguments)

    def _graph(self, counts: list[int]) -> Any:
        """The launches, captured. The launch buffer holds each call's arguments, so it serves all calls."""
        key = tuple(counts)
        if key not in self.graphs:
            builder = self.memory.device.create_graph_builder().begin_building()
            for at, iteration in stretches(self.tables, counts, lambda loop: False):
                self._launch(builder, at, iteration)
            self.graphs = {key: builder.end_building().complete()}
        return self.graphs[key]

    def _is_set(self, loop: int) -> bool:
        row = self.tables.loops[loop]
        if int(row["until"]) == NONE:
            return False
        flag = self.memory.read_base(int(row["until"]), int(row["flag_offset"]), int(row["flag_bytes"]))
        return bool(np.any(flag))
