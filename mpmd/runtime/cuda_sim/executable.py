"""`SimulatedExecutable`: a kernel on the simulator, callable like any other.

In:  a `KernelSource` and its compiled text. Out: launches, or a `Diagnostic` that says why not.
Not here: what fits a parameter (`runtime/arrays.py`), the launch itself (`launch.py`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mpmd.codegen.launch_values import Refusal, scalar_words
from mpmd.codegen.source import KernelSource, LaunchInfo
from mpmd.errors import NO_SPAN, ArgumentError
from mpmd.lang.kernel.binding import match_arguments
from mpmd.lang.types import Direction
from mpmd.runtime import arrays
from mpmd.runtime.cuda import report
from mpmd.runtime.cuda_sim.compile import Text
from mpmd.runtime.cuda_sim.findings import Findings, violation
from mpmd.runtime.cuda_sim.launch import Order, SimulatedKernel
from mpmd.runtime.report import launch_refused

SEED = "MPMD_SEED"
"""The environment variable that chooses the order in which threads go."""


@dataclass(frozen=True)
class SimulatedExecutable:
    """Call it with the kernel's arguments, in order."""

    kernel: SimulatedKernel
    consts: Mapping[str, arrays.Array] = field(default_factory=dict)

    @property
    def info(self) -> LaunchInfo:
        return self.kernel.source.launch

    @property
    def bound(self) -> tuple[str, ...]:
        return tuple(self.consts)

    def __call__(self, *args: Any) -> None:
        """Runs the kernel once, threads in the order that $MPMD_SEED says."""
        findings = self.judge(*args, order=Order(seed=int(os.environ.get(SEED, "0"))))
        if findings.reports:
            raise violation(findings)

    def judge(self, *args: Any, order: Order) -> Findings:
        """Runs the kernel once and says what broke a law; a launch that its own checks end is an error."""
        given, scalars = self._adapted(self.ordered(args, {}))
        source = self.kernel.source
        try:
            ended = self.kernel.launch(given, scalar_words(self.info, scalars), order)
        except Refusal as refusal:
            raise launch_refused(source, refusal, scalars) from None
        if ended.failure[0]["status"]:
            raise report.ended(source, ended.failure, ended.progress, scalars)
        return ended.findings

    def try_call(self, args: tuple[Any, ...]) -> bool:
        """Runs the kernel if `args` fit its signature; False if they do not."""
        try:
            self._adapted(self.ordered(args, {}))
        except ArgumentError:
            return False
        self(*args)
        return True

    def ordered(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments of a call, by place or by name, in the order of the parameters."""
        order = [name for name in self.info.order if name not in self.consts]
        given = match_arguments(self.info.kernel, order, args, kwargs, NO_SPAN, error=ArgumentError)
        return tuple(given[name] for name in order)

    def bind(self, **consts: Any) -> SimulatedExecutable:
        """The same kernel with some `Const` arguments fixed."""
        known = {a.name: a for a in self.info.arguments if a.direction is Direction.CONST}
        for name in consts:
            if name not in known or name in self.consts:
                raise ArgumentError(
                    f"kernel '{self.info.kernel}' has no Const argument '{name}' to bind",
                    span=NO_SPAN,
                    label=f"'{name}' is given",
                    hints=(f"it has {', '.join(known) or 'none'}",),
                )
        fixed = {name: arrays.adapt(self.info.kernel, known[name], value) for name, value in consts.items()}
        return SimulatedExecutable(self.kernel, {**self.consts, **fixed})

    def _adapted(self, args: tuple[Any, ...]) -> tuple[dict[str, arrays.Array], dict[str, int | float]]:
        """The arrays by name, and the scalars, with those that arrays decide."""
        info = self.info
        order = [name for name in info.order if name not in self.consts]
        given = dict(zip(order, args, strict=True))
        tensors = {
            a.name: self.consts[a.name]
            if a.name in self.consts
            else arrays.adapt(info.kernel, a, given[a.name])
            for a in info.arguments
        }
        if arrays.overlapping(info, tensors):
            raise arrays.overlap_error(info, tensors)
        scalars = {
            s.name: arrays.adapt_scalar(info.kernel, s, given[s.name])
            for s in info.scalars
            if s.name in given
        }
        return tensors, scalars | arrays.dim_values(info, tensors)


def executable(source: KernelSource, text: Text) -> SimulatedExecutable:
    return SimulatedExecutable(SimulatedKernel(source, text))
