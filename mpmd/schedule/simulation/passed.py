"""What launch scalars decide: how often loops run, and which tasks are passed over.

In:  a `TaskGraph`, values of scalars by name, as far as they are known. Out: `Passed`.
Not here: what data decide (a flag of `until`, pieces by offsets in a tensor); the rows themselves
(`replay_rows.py`).

What is not known does not shorten a launch: a loop runs once, as its prediction has it, and a task runs.
"""

from __future__ import annotations

from collections.abc import Mapping

from mpmd.partition.graph import Derived, LateOp, Linear, LoopIndex, LoopInfo, Site, Skip, TaskGraph
from mpmd.schedule.replay_rows import derive, linear

Registers = list[int | None]
"""Values of launch scalars, and after them those of late ops; None: not known."""


class Passed:
    """The tasks that a launch with these scalars passes over, per call site and iteration."""

    def __init__(self, graph: TaskGraph, scalars: Mapping[str, int]) -> None:
        self._sites = graph.sites
        self._registers: Registers = [scalars.get(scalar.name) for scalar in graph.program.scalars]
        for derived in graph.derived:
            self._registers.append(_derived(derived, self._registers))
        skips = (any(isinstance(op, Skip) for op in site.late) for site in graph.sites)
        self._known: list[dict[int, bool] | None] = [{} if skip else None for skip in skips]

    def over(self, site: int, iteration: int) -> bool:
        """Whether the tasks of a call site do nothing in that iteration."""
        known = self._known[site]
        if known is None:
            return False
        if iteration not in known:
            known[iteration] = self._skipped(self._sites[site], iteration)
        return known[iteration]

    def times(self, loop: LoopInfo) -> int:
        """How often a loop runs."""
        count = _value(loop.count, self._registers)
        return 1 if count is None else max(0, count)

    def _skipped(self, site: Site, iteration: int) -> bool:
        registers = self._registers[:]
        for op in site.late:
            if isinstance(op, Skip):
                value = _value(op.value, registers)
                if value is not None and value <= 0:
                    return True
            registers.append(_late(op, registers, iteration))
        return False


def _late(op: LateOp, registers: Registers, iteration: int) -> int | None:
    """What an op writes to its register, as far as that is known before the launch."""
    if isinstance(op, LoopIndex):
        return iteration
    return _derived(op, registers) if isinstance(op, Derived) else None


def _derived(op: Derived, registers: Registers) -> int | None:
    if _value(op.lhs, registers) is None or _value(op.rhs, registers) is None:
        return None
    return derive(op, [0 if value is None else value for value in registers])


def _value(value: Linear, registers: Registers) -> int | None:
    if any(registers[scalar] is None for scalar, _ in value.terms):
        return None
    return linear(value, [0 if known is None else known for known in registers])
