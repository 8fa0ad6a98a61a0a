"""The instructions of a vector task: what each runs on, reads and writes.

In:  –. Out: the vocabulary that lowering makes, and that sync, addresses and text are derived from.
Not here: which instructions a task becomes (`vector.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Union

from mpmd.errors import Span
from mpmd.lang.types import DType


class Pipe(Enum):
    """The queues of a vector core. Instructions of one are issued in order."""

    MTE2 = "MTE2"  # global memory → unified buffer
    V = "V"
    MTE3 = "MTE3"  # unified buffer → global memory
    S = "S"  # the scalar unit, which issues for the others: elements one by one


@dataclass(frozen=True, slots=True)
class Buffer:
    """A tile in the unified buffer. `name` is its C++ name; `about` says what it holds, for people."""

    name: str
    dtype: DType
    elements: int
    about: str

    @property
    def size_bytes(self) -> int:
        return -(-self.elements * self.dtype.itemsize // 32) * 32


@dataclass(frozen=True, slots=True)
class Instruction:
    """One call of the header library, or a loop of the scalar unit.

    `loaded` and `stored` name the parameter that a copy touches; `asked` are tiles of which the scalar unit
    reads elements while it issues the instruction. One that has a barrier of its pipe within says which tiles
    it touches before: those that are `early`.
    """

    pipe: Pipe
    text: str
    reads: tuple[Buffer, ...]
    writes: tuple[Buffer, ...]
    span: Span
    loaded: str | None = None
    stored: str | None = None
    asked: tuple[Buffer, ...] = ()
    early: tuple[Buffer, ...] | None = None

    @property
    def about(self) -> str:
        """The function that is called."""
        if self.pipe is Pipe.S:
            return "the scalar unit"
        return self.text.partition("(")[0].removeprefix("mpmd::").partition("<")[0]


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the course of a task forks or joins: the head of a loop or a branch, an `else`, an end.

    Whatever came before is over there, and text on either side is ordered by itself; but for those of a
    branch, which `forks`.
    """

    text: str
    span: Span
    opens: bool = False
    closes: bool = False
    forks: bool = False


Step = Union[Instruction, Mark]
