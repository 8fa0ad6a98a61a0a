"""What a target supplies, and what the pipeline asks of it.

In:  – . Out: `Target`, the types of its functions.
Not here: any target (a module each, named in `targets/__init__.py`), the order of the stages (`pipeline.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from mpmd.codegen.source import KernelSource
from mpmd.lang.program import Program
from mpmd.machine import Machine
from mpmd.schedule.steps import Schedule


class Launchable(Protocol):
    """A kernel that can be called, with the arguments in the order of its parameters."""

    @property
    def bound(self) -> tuple[str, ...]:
        """The `Const` parameters that are fixed."""
        ...

    def __call__(self, *args: Any) -> None:
        """Runs the kernel once; arrays are written in place."""
        ...

    def try_call(self, args: tuple[Any, ...]) -> bool:
        """Runs the kernel if `args` fit its signature exactly as they are; False if they do not."""
        ...

    def ordered(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments of a call, by place or by name, in the order of the parameters."""
        ...

    def bind(self, **consts: Any) -> Launchable:
        """The same kernel with some `Const` arguments fixed."""
        ...


class Built(Protocol):
    """A compiled kernel as data."""

    def load(self) -> Launchable:
        """The kernel, ready to be called in this process."""
        ...


def as_written(program: Program, machine: Machine) -> Program:
    """`Target.prepare` of a target whose cores can do all that tasks do."""
    return program


@dataclass(frozen=True, slots=True)
class Target:
    """One back end.

    `machine(cores)` is where kernels go unless the caller names another: as many of its cores, or all.
    `prepare` may rewrite a program before it is partitioned (cut tasks for engines, say); `emit` makes text
    and tables of a schedule, or raises `UnsupportedOp` with the user's line; `build` compiles them.
    """

    name: str
    machine: Callable[[int | None], Machine]
    emit: Callable[[Schedule], KernelSource]
    build: Callable[[KernelSource], Built]
    prepare: Callable[[Program, Machine], Program] = as_written
