"""Events and rings while time goes by: when each signal and each token came, and who waits for one.

In:  signals, sends and receives with their times. Out: when a core that wanted one may go on.
Not here: what a core does then (`simulate.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mpmd.lang.types import Direction
from mpmd.schedule.interleave import channel_ends
from mpmd.schedule.steps import Schedule

Waiter = tuple[int, int]
"""How many signals are wanted, and the core that wants them."""


@dataclass(slots=True)
class Counter:
    """An event. `times` has the time of each signal, in order; a wait goes on `seconds` after the last of
    those that it wants, which is no longer there for the next one if the event is a flag (`takes`)."""

    seconds: float
    takes: bool = False
    taken: int = 0
    times: list[float] = field(default_factory=list)
    waiting: list[Waiter] = field(default_factory=list)
    wanted: int = 0  # the fewest signals that anybody waits for

    def signal(self, now: float, amount: int) -> list[int]:
        """Adds so much; the cores that may go on now."""
        self.times += [now] * amount
        reached = len(self.times)
        if not self.waiting or reached < self.wanted:
            return []
        released = [core for wanted, core in self.waiting if wanted <= reached]
        self.waiting = [waiter for waiter in self.waiting if waiter[0] > reached]
        self.wanted = min((wanted for wanted, _ in self.waiting), default=0)
        return released

    def target(self, before: int, count: int) -> int:
        """How many signals since the launch began a wait wants that waits for `count` more than `before`."""
        if not self.takes:
            return before + count
        self.taken += count
        return self.taken

    def seen(self, wanted: int) -> float | None:
        """When it is seen that so many signals came; None: they have not come."""
        if wanted <= 0:
            return 0.0
        return self.times[wanted - 1] + self.seconds if wanted <= len(self.times) else None

    def wait(self, wanted: int, core: int) -> None:
        """A core waits for so many signals, which have not come."""
        self.wanted = min(self.wanted, wanted) if self.waiting else wanted
        self.waiting.append((wanted, core))


@dataclass(slots=True)
class TokenRing:
    """A ring between two cores. The other side sees `seconds` later that a slot is full, or free again."""

    depth: int
    seconds: float
    sent: list[float] = field(default_factory=list)
    received: list[float] = field(default_factory=list)
    blocked: int | None = None  # the core that waits at it: the sender for room, or the receiver for a token

    def ready(self, *, sends: bool) -> float | None:
        """From when the next token can be sent (or received); None: the other side has to come first."""
        if sends:
            free = len(self.sent) - self.depth
            if free < 0:
                return 0.0
            return self.received[free] + self.seconds if free < len(self.received) else None
        token = len(self.received)
        return self.sent[token] + self.seconds if token < len(self.sent) else None

    def move(self, now: float, *, sends: bool) -> int | None:
        """A token goes in, or out; the core that this lets go on."""
        (self.sent if sends else self.received).append(now)
        core, self.blocked = self.blocked, None
        return core


def token_rings(schedule: Schedule, seconds: float) -> dict[tuple[int, int], TokenRing]:
    """The ring of each gang and channel. Gangs on the same cores have the same."""
    rings = {
        (r.channel, r.producer, r.consumer): TokenRing(r.depth, seconds if r.producer != r.consumer else 0.0)
        for r in schedule.rings
    }
    core = schedule.core.tolist()
    return {
        (gang, channel): rings[channel, core[ends[Direction.SEND]], core[ends[Direction.RECV]]]
        for (gang, channel), ends in channel_ends(schedule).items()
    }
