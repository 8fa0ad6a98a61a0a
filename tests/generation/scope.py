"""What a kernel is while it is drawn: its text, its tensors, what may be used where.

In:  hypothesis' `draw`, the features that are on. Out: tasks and kernel lines, one after another.
Not here: what the lines say (`calls.py`, `loops.py`, `channels.py`, `sums.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import numpy as np
from hypothesis import strategies as st

DTYPE_NAMES = ("f32", "f32", "f32", "f64", "i32", "i64", "i8", "f16", "bf16")
MAX_EXTENT = 40


class Feature(Enum):
    """What a kernel may have besides calls in loops over tiles; each can be left out."""

    RUNTIME = "tiles of an extent that the launch decides"
    SPLIT = "mpmd.split"
    SEGMENTS = "mpmd.segments"
    LOOP = "mpmd.loop"
    UNTIL = "mpmd.loop with until"
    CHANNEL = "channels"
    DRAIN = "drain=True"
    ACCUM = "Accum over tiles"
    INLINE = "mpmd.inline"
    PLACEMENT = "on=, core=, near="
    BUNDLE = "a dataclass of tensors"


ALL = frozenset(Feature)
NONE: frozenset[Feature] = frozenset()


@dataclass
class Tensor:
    """A tensor of the kernel; `text` is how the kernel's lines name it."""

    name: str
    dtype: str
    rows: int
    columns: int
    text: str = ""

    def __str__(self) -> str:
        return self.text or self.name


@dataclass(frozen=True)
class Moving:
    """An integer that the kernel knows by a symbol: in this launch `value`, in the loop at most `most`."""

    text: str
    value: int
    most: int


@dataclass
class Text:
    """Definitions before the kernel, the kernel's lines, and arguments that calls have asked for."""

    definitions: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    indent: str = ""
    extra: dict[str, tuple[str, np.ndarray]] = field(default_factory=dict)  # annotation and data
    targets: list[Tensor] = field(default_factory=list)  # what calls write, the latest last
    made: int = 0

    def fresh(self, prefix: str) -> str:
        self.made += 1
        return f"{prefix}{self.made}"

    def task(self, signature: str, body: list[str]) -> str:
        return self.define("mpmd.task", "task", signature, body)

    def define(self, decorator: str, prefix: str, signature: str, body: list[str]) -> str:
        name = self.fresh(prefix)
        lines = "".join(f"    {line}\n" for line in body)
        self.definitions.append(f"@{decorator}\ndef {name}({signature}):\n{lines}")
        return name

    def line(self, *lines: str) -> None:
        self.lines += [self.indent + line for line in lines]

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """The lines within are the body of `head`."""
        self.line(head)
        outer, self.indent = self.indent, self.indent + "    "
        yield
        self.indent = outer


@dataclass(frozen=True)
class Scope:
    """Where something is drawn. `moving` has the integers that views may use."""

    draw: st.DrawFn
    text: Text
    tensors: tuple[Tensor, ...]
    moving: tuple[Moving, ...]
    features: frozenset[Feature]
    cores: int
    repeated: int = 0  # how many mpmd.loops are around

    def within(self, moving: Moving) -> Scope:
        return replace(self, moving=(*self.moving, moving), repeated=self.repeated + 1)

    def has(self, feature: Feature) -> bool:
        return feature in self.features

    def one(self, choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def extent(self, most: int) -> int:
        """From 1 to `most`, which is as likely as the others together: it gives the most pieces."""
        return most - (0 if self.chance(2) else self.integer(0, most - 1))

    def chance(self, one_in: int) -> bool:
        return self.draw(st.integers(0, one_in - 1)) == 0
