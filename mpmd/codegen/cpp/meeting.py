"""Where the threads of a core have to meet between two steps of a function.

In:  what each step reads and writes, in the order of the text. Out: whether a meeting must stand before it.
Not here: the text (`steps.py`).

All threads share each step's elements, so a step that reads what an earlier one wrote, or writes what an
earlier one read or wrote, has to come after a meeting. Buffers of the scratch memory are byte ranges, since
they may share memory; parameters are names, since different ones never overlap where one is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Union


@dataclass(frozen=True, slots=True, order=True)
class Bytes:
    """A range of a core's scratch memory."""

    first: int
    end: int


Place = Union[str, Bytes]


def _overlap(a: Place, b: Place) -> bool:
    if isinstance(a, Bytes) and isinstance(b, Bytes):
        return a.first < b.end and b.first < a.end
    return a == b


def _any_overlap(some: Iterable[Place], others: frozenset[Place]) -> bool:
    return any(_overlap(a, b) for a in some for b in others)


@dataclass(frozen=True, slots=True)
class Since:
    """What threads may have read and written since they met last. `anything`: there is no telling."""

    reads: frozenset[Place] = frozenset()
    writes: frozenset[Place] = frozenset()
    anything: bool = False

    def clashes(self, reads: Iterable[Place], writes: Iterable[Place]) -> bool:
        """Whether a step must not begin before the threads have met."""
        if self.anything:
            return True
        writes = tuple(writes)
        return _any_overlap((*reads, *writes), self.writes) or _any_overlap(writes, self.reads)

    def then(self, reads: Iterable[Place], writes: Iterable[Place]) -> Since:
        return replace(self, reads=self.reads.union(reads), writes=self.writes.union(writes))

    def either(self, other: Since) -> Since:
        """After one of two ways through the text."""
        anything = self.anything or other.anything
        return Since(self.reads | other.reads, self.writes | other.writes, anything)


MET = Since()
UNKNOWN = Since(anything=True)


@dataclass
class Meetings:
    """The state at the place of the text that is being written."""

    since: Since = field(default=MET)

    def before(self, reads: Iterable[Place], writes: Iterable[Place]) -> bool:
        """Whether a meeting must stand before a step that does this; the step is then counted as done."""
        reads, writes = tuple(reads), tuple(writes)
        clashes = bool(reads or writes) and self.since.clashes(reads, writes)
        self.since = (MET if clashes else self.since).then(reads, writes)
        return clashes

    def met(self) -> None:
        """The step that was written ends with a meeting of its own."""
        self.since = MET
