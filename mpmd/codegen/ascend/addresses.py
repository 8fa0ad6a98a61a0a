"""Where the tiles of a vector task lie in the unified buffer.

In:  steps, in order. Out: an address per tile.
Not here: order between those that share bytes (`pipes.py` derives it from the addresses).

Tiles lie one behind the other while they fit, since shared bytes cost sync. Where they do not, each takes the
lowest place that is free while it lives (first fit in the order of first use, as in linear scan: Poletto and
Sarkar, TOPLAS 1999).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mpmd.codegen.ascend.instructions import Buffer, Instruction, Mark, Step
from mpmd.errors import CapacityError, Span

UB_BYTES = (184 << 10) - 256
"""What a kernel without pipes of the framework may use."""

Addresses = Mapping[Buffer, int]


def addresses(steps: Sequence[Step], task: str, span: Span) -> Addresses:
    """The address of every tile; `CapacityError` if they do not fit at once."""
    lives = _lives(steps)
    placed: dict[Buffer, int] = {}
    if sum(buffer.size_bytes for buffer in lives) <= UB_BYTES:
        end = 0
        for buffer in lives:
            placed[buffer] = end
            end += buffer.size_bytes
        return placed
    for buffer, (first, last) in lives.items():
        taken = sorted(
            (at, at + other.size_bytes)
            for other, at in placed.items()
            if lives[other][0] <= last and lives[other][1] >= first
        )
        placed[buffer] = _lowest(taken, buffer.size_bytes)
    most = max(at + buffer.size_bytes for buffer, at in placed.items())
    if most > UB_BYTES:
        raise CapacityError(
            f"the tiles of task '{task}' take {most} bytes, and the unified buffer has {UB_BYTES}",
            span=span,
            label="in the most crowded statement",
            hints=("give it fewer rows: call it under mpmd.tiles(extent, size)",),
        )
    return placed


def _lives(steps: Sequence[Step]) -> dict[Buffer, tuple[int, int]]:
    """The first and the last step of each tile's life, in the order of the first.

    A tile that is touched within a loop or a branch and outside of it lives all the way through it.
    """
    lives: dict[Buffer, tuple[int, int]] = {}
    for number, step in enumerate(steps):
        if isinstance(step, Instruction):
            for buffer in (*step.reads, *step.writes, *step.asked):
                lives[buffer] = lives.get(buffer, (number, number))[0], number
    for first, last in _blocks(steps):
        for buffer, (begins, ends) in lives.items():
            inside = first <= begins and ends <= last
            if not inside and begins <= last and first <= ends:
                lives[buffer] = min(first, begins), max(last, ends)
    return dict(sorted(lives.items(), key=lambda life: life[1][0]))


def _blocks(steps: Sequence[Step]) -> tuple[tuple[int, int], ...]:
    """Where each loop and each branch begins and ends, inner ones first."""
    begun, found = list[int](), list[tuple[int, int]]()
    for number, step in enumerate(steps):
        if isinstance(step, Mark) and step.closes:
            found.append((begun.pop(), number))
        if isinstance(step, Mark) and step.opens:
            begun.append(number)
    return tuple(found)


def _lowest(taken: list[tuple[int, int]], size: int) -> int:
    at = 0
    for first, end in taken:
        if first - at >= size:
            return at
        at = max(at, end)
    return at
