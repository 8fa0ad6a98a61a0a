"""Memory whose bandwidth the cores share at the moment: streams of bytes that begin, slow down, and end.

In:  who begins to move how much, and when. Out: which stream ends next, and when.
Not here: what a task moves (`needs.py`).

The bandwidth is split evenly among the streams, but no core draws more than its kind can alone; what it
leaves the others have (max-min fairness: Bertsekas, Gallager, "Data Networks", 1987). All streams of one
kind move at one rate, so they end in the order of the bytes that the kind will have moved by then: a
virtual time per kind (Parekh, Gallager, "A generalized processor sharing approach to flow control",
IEEE/ACM ToN 1993). So a beginning or an end costs a heap operation, whatever the number of streams.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from math import inf

NOBODY = -1


class SharedBandwidth:
    """`next_end` is when the first of the streams ends as things are (infinite: there is none)."""

    def __init__(self, bandwidth: float, caps: Sequence[float]) -> None:
        self.next_end = inf
        self._bandwidth = bandwidth
        self._caps = tuple(caps)
        self._slowest_first = sorted(range(len(caps)), key=lambda kind: caps[kind])
        self._now = 0.0
        self._moved = [0.0] * len(caps)  # by a stream of each kind that never ended
        self._rate = [0.0] * len(caps)
        self._streams: list[list[tuple[float, int]]] = [[] for _ in caps]  # ends in `moved`, and whose
        self._next_kind = NOBODY

    def begin(self, now: float, kind: int, core: int, size: float) -> None:
        """A core of a kind moves so many bytes from now on; it moves nothing else meanwhile."""
        self._go_on(now)
        heappush(self._streams[kind], (self._moved[kind] + size, core))
        self._share()

    def end(self) -> int:
        """The core whose stream ends at `next_end`: the clock is there now."""
        kind = self._next_kind
        self._go_on(self.next_end)
        self._moved[kind], core = heappop(self._streams[kind])
        if not self._streams[kind]:
            self._moved[kind] = 0.0  # no sum of rounding errors over a long launch
        self._share()
        return core

    def _go_on(self, now: float) -> None:
        passed = now - self._now
        self._now = now
        for kind, streams in enumerate(self._streams):
            if streams:
                self._moved[kind] += passed * self._rate[kind]

    def _share(self) -> None:
        """New rates, and who is then the first to end."""
        left, several = self._bandwidth, sum(map(len, self._streams))
        self.next_end = inf
        for kind in self._slowest_first:
            streams = self._streams[kind]
            if not streams:
                continue
            self._rate[kind] = rate = min(self._caps[kind], left / several)
            left -= rate * len(streams)
            several -= len(streams)
            end = self._now + max(0.0, streams[0][0] - self._moved[kind]) / rate
            if end < self.next_end:
                self.next_end, self._next_kind = end, kind
