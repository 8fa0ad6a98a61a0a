"""Queues of tiles, as the evaluators of tasks see the ends of a channel.

In:  tiles, in the order in which they are sent. Out: the same tiles, in that order.
Not here: who may send and receive (`kernel/channels.py`), how deep a channel is (the program says it).
"""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mpmd.errors import LanguageError, Span


class Queue(Protocol):
    """One channel. A task that would put into a full one, or get from an empty one, waits."""

    @property
    def full(self) -> bool: ...

    @property
    def empty(self) -> bool: ...

    def put(self, tile: npt.NDArray[Any]) -> None: ...

    def get(self) -> npt.NDArray[Any]: ...


class Unbounded:
    """A queue that is never full: members of a gang can then run one after another."""

    __slots__ = ("_tiles",)

    def __init__(self) -> None:
        self._tiles: deque[npt.NDArray[Any]] = deque()

    def __len__(self) -> int:
        return len(self._tiles)

    @property
    def full(self) -> bool:
        return False

    @property
    def empty(self) -> bool:
        return not self._tiles

    def put(self, tile: npt.NDArray[Any]) -> None:
        self._tiles.append(np.array(tile))

    def get(self) -> npt.NDArray[Any]:
        return self._tiles.popleft()


def check_taken(queue: Unbounded, channel: str, span: Span) -> None:
    """Refuses tokens that nobody has received when the receiver of the channel is done."""
    if left := len(queue):
        count = "1 token" if left == 1 else f"{left} tokens"
        raise LanguageError(
            f"channel '{channel}' is left with {count} that nobody receives",
            span=span,
            hints=("the two ends of a channel move the same number of tokens",),
        )
