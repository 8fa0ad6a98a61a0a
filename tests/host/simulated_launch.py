"""Kernels for CUDA on the simulator, with texts or tables that a test has changed.

In:  a case of `target_programs.py`. Out: its `KernelSource`, and the findings of launches under given seeds.
Not here: what is changed (`tests/mutants.py`, the tests), what is expected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import mpmd
from mpmd.codegen.source import KernelSource
from mpmd.runtime.cuda_sim.compile import Text, compile_text
from mpmd.runtime.cuda_sim.executable import SimulatedExecutable
from mpmd.runtime.cuda_sim.findings import Findings
from mpmd.runtime.cuda_sim.launch import Order, SimulatedKernel
from tests.host.target_matrix import leaves
from tests.host.target_programs import case


@dataclass(frozen=True)
class Simulated:
    """A program's source and its compiled text."""

    program: str
    source: KernelSource
    text: Text

    def launch(self, seed: int = 0, *, dropped: Iterable[int] = (), launches: int = 1) -> Findings:
        """The findings of the first launch that has reports, or of the last."""
        fresh = case(self.program)
        executable = SimulatedExecutable(SimulatedKernel(self.source, self.text))
        given = leaves(fresh)
        arguments = [given[name] for name in self.source.launch.order]
        order = Order(seed, tuple(dropped))
        found = executable.judge(*arguments, order=order)
        for _ in range(launches - 1):
            if not found.reports:
                found = executable.judge(*arguments, order=order)
        return found

    def flagged(self, seeds: Iterable[int], *, dropped: Iterable[int] = ()) -> str | None:
        """The kind of the first report under one of the seeds."""
        for seed in seeds:
            found = self.launch(seed, dropped=dropped, launches=2)
            if found.reports:
                return found.reports[0].kind
        return None

    def with_tables(self, tables: bytes) -> Simulated:
        return replace(self, source=replace(self.source, tables=tables))

    def with_text(self, file: str, old: str, new: str) -> Simulated:
        """The same kernel with one place of a text changed."""
        texts = dict(self.source.files)
        assert texts[file].count(old) == 1, f"{old!r} is in {file} {texts[file].count(old)} times"
        files = tuple(
            (name, text.replace(old, new) if name == file else text) for name, text in texts.items()
        )
        source = replace(self.source, files=files)
        return Simulated(self.program, source, compile_text(source))


def simulated(program: str, tiles: Mapping[str, int] | None = None, **options: Any) -> Simulated:
    """The program as it is written: what a search decides depends on figures of machines."""
    fresh = case(program)
    compiled = mpmd.compile(
        fresh.kernel, *fresh.arguments, target="cuda-sim", choice=None, tiles=tiles or {}, **options
    )
    return Simulated(program, compiled.source, compile_text(compiled.source))
