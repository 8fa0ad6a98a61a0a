"""The order between the pipes of a vector core: which flags and barriers a task needs, and why.

In:  instructions in order, addresses. Out: what stands before each instruction.
Not here: order between tasks (driver.h), inside a function of the header library (vector.h).

Every pipe has a vector clock: how many instructions of each pipe have ended when its next one starts. An
instruction that uses what another pipe has to have done before is preceded by a flag from that pipe, which
brings all that the pipe knows; what is known already costs nothing. A flag may be set again only when the
pipe that sets it knows that the wait for it is over. Of several pipes that are waited for, the one used last
comes first, since it may know of the others (transitive reduction along a chain, as for waits between cores).
The scalar unit issues for all pipes: what it has waited for is over before all that it issues later. What
it does itself to tiles is no more than the work of one more pipe, of which others are told by flags.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from mpmd.codegen.ascend.addresses import Addresses
from mpmd.codegen.ascend.instructions import Buffer, Instruction, Mark, Pipe, Step

EVENTS = 6
"""Ids of flags from one pipe to another that a kernel may use."""


@dataclass(frozen=True, slots=True)
class Order:
    """`until` must have done what it was given before `then` goes on; `reason` is for people.

    Within a pipe that is a barrier, between two the flag `event`; where none is free, a barrier of all pipes.
    """

    until: Pipe
    then: Pipe
    event: int | None
    reason: str


def orders(steps: Sequence[Step], addresses: Addresses) -> tuple[tuple[Order, ...], ...]:
    """What stands before each step."""
    clocks = _Clocks()
    return tuple(clocks.before(number, steps, addresses) for number in range(len(steps)))


@dataclass(frozen=True, slots=True)
class _Fork:
    """A branch from step `number` on: what was known, and from `otherwise` on what its first arm knew."""

    number: int
    ended: dict[Pipe, dict[Pipe, int]]
    begun: int
    otherwise: int = 0


@dataclass
class _Clocks:
    """`ended[p][q]`: the instructions of `q` up to this number have ended when `p` goes on."""

    ended: dict[Pipe, dict[Pipe, int]] = field(
        default_factory=lambda: {pipe: dict.fromkeys(Pipe, -1) for pipe in Pipe}
    )
    last: dict[Pipe, int] = field(default_factory=lambda: dict.fromkeys(Pipe, -1))
    waits: dict[tuple[Pipe, Pipe, int], int] = field(default_factory=dict)
    """By flag the instruction before which it was last waited for."""

    begun: int = 0
    """The first step since a loop began or ended."""
    forks: list[_Fork] = field(default_factory=list)

    def before(self, number: int, all_: Sequence[Step], addresses: Addresses) -> tuple[Order, ...]:
        """What step `number` waits for, the latest first."""
        mine, found = all_[number], list[Order]()
        if isinstance(mine, Mark):
            return self._forked(number, mine) if mine.forks else self._over(number)
        if mine.asked:
            asking = Instruction(Pipe.S, mine.text, mine.asked, (), mine.span)
            found += self._part(number, asking, all_, addresses)
        self._issued(mine.pipe)
        found += self._part(number, mine, all_, addresses)
        everything = [order for order in found if order.event is None and order.until is not order.then]
        return tuple(everything[-1:] or found)

    def _forked(self, number: int, mark: Mark) -> tuple[Order, ...]:
        """An arm of a branch knows what was known before it; what follows, what both arms know."""
        if mark.opens:
            self.forks.append(_Fork(number, self._copy(), self.begun))
        elif not mark.closes:
            head = self.forks.pop()
            self.forks.append(_Fork(head.number, self._copy(), self.begun, number))
            self.ended, self.begun = head.ended, head.begun
        else:
            other = self.forks.pop()
            self.begun = min(self.begun, other.begun)
            for pipe, known in self.ended.items():
                for third in known:
                    known[third] = min(known[third], other.ended[pipe][third])
        return ()

    def _copy(self) -> dict[Pipe, dict[Pipe, int]]:
        return {pipe: dict(known) for pipe, known in self.ended.items()}

    def _over(self, number: int) -> tuple[Order, ...]:
        """All pipes are done before an iteration begins."""
        idle = self.begun == number
        self.begun = number + 1
        if idle:
            return ()
        self._learn_all()
        return (Order(Pipe.V, Pipe.S, None, "what follows begins with idle pipes"),)

    def _part(
        self, number: int, mine: Instruction, all_: Sequence[Step], addresses: Addresses
    ) -> Iterator[Order]:
        """What one pipe's part of instruction `number` waits for."""
        for earlier in range(number - 1, self.begun - 1, -1):
            if any(fork.number <= earlier < fork.otherwise for fork in self.forks):
                continue
            for other in _parts(all_[earlier]):
                if other.pipe is mine.pipe is Pipe.S:
                    continue
                reason = _conflict(other, _early(mine) if other.pipe is mine.pipe else mine, addresses)
                if reason and self.ended[mine.pipe][other.pipe] < earlier:
                    event = self._event(other.pipe, mine.pipe, number)
                    yield Order(other.pipe, mine.pipe, event, reason)
                    if event is None and other.pipe is not mine.pipe:
                        self._learn_all()
                    else:
                        self._learn(mine.pipe, other.pipe)
        self.last[mine.pipe] = number
        if mine.early is not None:
            self.ended[mine.pipe][mine.pipe] = max(self.ended[mine.pipe][mine.pipe], number - 1)

    def _issued(self, pipe: Pipe) -> None:
        """What the scalar unit has waited for is over."""
        for other, ended in self.ended[Pipe.S].items():
            if other is not Pipe.S:
                self.ended[pipe][other] = max(self.ended[pipe][other], ended)

    def _event(self, until: Pipe, then: Pipe, number: int) -> int | None:
        """The first flag of which `until` knows that its last wait is over: what waited has ended."""
        if until is then:
            return None
        if then is Pipe.S:
            return 0  # the scalar unit sets flags itself, after its waits
        for event in range(EVENTS):
            if self.waits.get((until, then, event), -1) <= self.ended[until][then]:
                self.waits[until, then, event] = number
                return event
        return None

    def _learn_all(self) -> None:
        for pipe in Pipe:
            self.ended[pipe] = dict(self.last)

    def _learn(self, pipe: Pipe, other: Pipe) -> None:
        known = self.ended[pipe]
        for third, ended in self.ended[other].items():
            known[third] = max(known[third], ended)
        known[other] = max(known[other], self.last[other])


def _early(instruction: Instruction) -> Instruction:
    """What an instruction touches before it comes to a barrier of its own."""
    if instruction.early is None:
        return instruction
    reads, writes = (
        tuple(buffer for buffer in of if buffer in instruction.early)
        for of in (instruction.reads, instruction.writes)
    )
    return replace(instruction, reads=reads, writes=writes)


def _parts(instruction: Step) -> Iterator[Instruction]:
    """The work of each pipe."""
    if isinstance(instruction, Mark):
        return
    if instruction.asked:
        yield Instruction(Pipe.S, instruction.text, instruction.asked, (), instruction.span)
    yield instruction


def _conflict(first: Instruction, second: Instruction, addresses: Addresses) -> str:
    """Why the second must come after the first has ended; empty if it need not."""
    for buffer in second.reads:
        if _meets(buffer, first.writes, addresses):
            return f"{second.about} reads {buffer.name}, which {first.about} writes"
    for buffer in second.writes:
        if _meets(buffer, first.reads, addresses):
            return f"{second.about} writes {buffer.name}, where {first.about} reads"
        if _meets(buffer, first.writes, addresses):
            return f"{second.about} writes {buffer.name}, where {first.about} writes"
    if first.stored and first.stored in (second.loaded, second.stored):
        return f"'{first.stored}' in global memory, which {first.about} writes"
    if second.stored and second.stored == first.loaded:
        return f"'{second.stored}' in global memory, which {first.about} reads"
    return ""


def _meets(buffer: Buffer, others: tuple[Buffer, ...], addresses: Addresses) -> bool:
    at = addresses[buffer]
    return any(
        at < addresses[other] + other.size_bytes and addresses[other] < at + buffer.size_bytes
        for other in others
    )
