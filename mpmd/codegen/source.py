"""`KernelSource`: everything a launch needs but the compiler's work — text and table bytes only.

In:  an emitter. Out: a byte-stable value that `runtime` builds. Not here: any path or live object.
"""

from __future__ import annotations

from dataclasses import dataclass

from mpmd.errors import Span
from mpmd.lang.types import Direction, DType


@dataclass(frozen=True, slots=True)
class FirstExtent:
    """An extent of axis 0 that a launch decides: factor × scalar + constant."""

    scalar: str
    factor: int
    constant: int

    def __str__(self) -> str:
        factor = "" if self.factor == 1 else f"{self.factor}*"
        rest = f" {'+' if self.constant > 0 else '-'} {abs(self.constant)}" if self.constant else ""
        return f"{factor}{self.scalar}{rest}"


@dataclass(frozen=True, slots=True)
class ArgumentInfo:
    """A tensor argument of the launch. `strides` count elements; `const` arguments may be bound.

    With `first`, axis 0 has that extent, at most `shape[0]`, and the argument sets the scalar.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    direction: Direction
    span: Span
    first: FirstExtent | None = None


@dataclass(frozen=True, slots=True)
class ScalarInfo:
    """A scalar of the launch; with `most`, an extent that arguments set, 0 to `most`, and no parameter."""

    name: str
    dtype: DType
    span: Span
    most: int | None = None


@dataclass(frozen=True, slots=True)
class StepNote:
    """What a step is for, for reports: "wait e4: matmul#2 → gelu#5 via h (RAW)", and the user's line."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class LaunchInfo:
    """How to launch: one entry per parameter of the kernel in `order` (argument or scalar names)."""

    kernel: str
    order: tuple[str, ...]
    arguments: tuple[ArgumentInfo, ...]
    scalars: tuple[ScalarInfo, ...]
    cores: int
    arena_bytes: int
    scratch_bytes: int  # per core
    guards: tuple[StepNote, ...]  # one per guard row of the tables
    steps: tuple[StepNote, ...]  # one per step row of the tables
    checks: tuple[StepNote, ...]  # one per run-time check site in the text (its number is in the code)


def stamped_entry(entry: str) -> str:
    """The symbol beside `entry` that runs the same kernel with time stamps."""
    return f"{entry}_stamped"


@dataclass(frozen=True, slots=True)
class KernelSource:
    """`files` are (name, text) pairs, `entry` the exported symbol, `target` the back end's name."""

    target: str
    files: tuple[tuple[str, str], ...]
    tables: bytes
    entry: str
    launch: LaunchInfo
