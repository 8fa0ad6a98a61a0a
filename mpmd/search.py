"""Choices: what is decided for a whole kernel before it is scheduled, and the search for a good one.

In:  a `Program` and a `Machine`. Out: a `Choice`; the choices next to one; a program under a choice.
Not here: the rewrites (`partition/rewrite`), tile sizes that a piece of work asks for by itself
(`partition/tile.py`), placing and ordering tasks (`schedule`).

The search is greedy: a rewrite is taken if the calls that it changes are predicted to end sooner by
at least `LEAST_GAIN`. They are partitioned and placed as a small program (`rewrite/excerpt.py`), with
those that may run at the same time; calls of one form, such as those of the layers of a model, are looked
at once and decided alike. The budget counts predictions, so that the same program gives the same choice
on every run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil, inf
from typing import Any

from mpmd.errors import ArgumentError, CapacityError, Span
from mpmd.lang.program import Call, Node, Program, TileLoop
from mpmd.machine import Machine
from mpmd.partition.build import partition
from mpmd.partition.rewrite.excerpt import excerpt
from mpmd.partition.rewrite.named import Candidate, Kind, applied, candidates, rewritten
from mpmd.partition.rewrite.places import sites, with_sizes
from mpmd.partition.rewrite.reason import Refused
from mpmd.partition.tile import ELEMENTS, OVERHEAD, fixed_sizes
from mpmd.schedule.order import POLICIES
from mpmd.schedule.stretches import stretches

BUDGET = 24
"""Predictions that a compilation may spend."""

LEAST_GAIN: Mapping[Kind, float] = {Kind.FUSE: 0.01, Kind.RECOMPUTE: 0.03, Kind.SPLIT: 0.05}
"""Share of the time of the changed calls, and of those beside them, that a rewrite must save.

It is larger for what does more work than the program as it is written, or meets more often: there a wrong
prediction costs time.
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a compilation may decide. A plain `Choice()` is the kernel as it is written.

    `rewrites` are lines such as "fuse h" (`rewrite/named.py`), in the order in which they are made;
    `tiles` are sizes of open tile loops, by name. `cores` is how many take part; None: all.
    """

    rewrites: tuple[str, ...] = ()
    tiles: tuple[tuple[str, int], ...] = ()
    policy: str = "heft"
    drain: str = "auto"
    cores: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As values of JSON; `Choice.from_json` of them is an equal choice."""
        return {**asdict(self), "rewrites": list(self.rewrites), "tiles": dict(self.tiles)}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Choice:
        tiles = tuple((str(name), int(size)) for name, size in values["tiles"].items())
        return Choice(**{**values, "rewrites": tuple(values["rewrites"]), "tiles": tiles})

    def with_tiles(self, tiles: Mapping[str, int]) -> Choice:
        return replace(self, tiles=tuple({**dict(self.tiles), **tiles}.items()))


AS_WRITTEN = Choice()

SEARCHED = "search"
"""In the place of a choice: it is to be searched for."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A program under a choice, and the sizes that are left for partition to fix."""

    program: Program
    tiles: Mapping[str, int]


def under(program: Program, choice: Choice) -> Chosen:
    """The program as the choice wants it. What the choice names must be there."""
    tiles = dict(choice.tiles)
    if not choice.rewrites:
        return Chosen(program, tiles)
    known = {loop.name for loop in _tile_loops(program.body)}
    before = {name: size for name, size in tiles.items() if name in known}
    fixed_sizes(program, before)
    sized = replace(program, body=with_sizes(program.body, before))
    return Chosen(rewritten(sized, choice.rewrites), {n: s for n, s in tiles.items() if n not in before})


@dataclass(frozen=True, slots=True)
class Decision:
    """How the choice of a compilation comes about: `start` itself, or the best that is found from there."""

    start: Choice
    searched: bool

    def choice(self, program: Program, machine: Machine) -> Choice:
        return search(program, machine, start=self.start) if self.searched else self.start


UNDECIDED = Decision(AS_WRITTEN, searched=True)
"""Nothing is fixed."""


def decide(choice: Choice | str | None, given: Choice, span: Span) -> Decision:
    """What the caller wants: a choice, the search for one, or None; `given` is what else he has fixed."""
    if choice is None or choice == SEARCHED:
        return Decision(given, choice is not None)
    if not isinstance(choice, Choice):
        raise ArgumentError(
            f"a choice is an mpmd.Choice, not {choice!r}",
            span=span,
            label=f"choice={choice!r}",
            hints=("leave it out to have one searched for, or give None for the kernel as it is written",),
        )
    cores = given.cores if choice.cores is None else choice.cores
    if replace(given, cores=None) != AS_WRITTEN or given.cores not in (None, cores):
        raise ArgumentError(
            "sizes of tiles, policy and cores are said twice",
            span=span,
            label="a choice has them, too",
            hints=("say them in the choice: mpmd.Choice(tiles=…, policy=…, cores=…)",),
        )
    return Decision(replace(choice, cores=cores), searched=False)


# -- the search ------------------------------------------------------------------------------------------


def search(program: Program, machine: Machine, *, start: Choice = AS_WRITTEN, budget: int = BUDGET) -> Choice:
    """The best choice that was found from `start`, all of which is kept."""
    cores = machine.with_cores(start.cores) if start.cores is not None else machine
    searching = _Search(cores, start.policy, budget)
    chosen = under(program, start)
    rewrites = searching.rewrites(chosen)
    return replace(start, rewrites=(*start.rewrites, *rewrites))


class _Search:
    """What is left of the budget, and what has been looked at."""

    def __init__(self, machine: Machine, policy: str, budget: int) -> None:
        self._machine, self._policy, self._left = machine, policy, budget
        self._seen: set[tuple[str, ...]] = set()

    def rewrites(self, chosen: Chosen) -> tuple[str, ...]:
        """The rewrites that pay, one class after the other until no more does."""
        found: list[str] = []
        step = self._step(chosen)
        while step is not None:
            chosen, names = step
            found += names
            step = self._step(chosen)
        return tuple(found)

    def _step(self, chosen: Chosen) -> tuple[Chosen, tuple[str, ...]] | None:
        """The first class of rewrites that pays, made everywhere; None if there is none, or no budget."""
        for members in candidates(chosen.program, (self._machine.cores,)):
            first = members[0]
            seen = (str(first.rewrite), *(site.call.task.name for site in first.sites))
            if self._left < 2 or seen in self._seen:
                continue
            self._seen.add(seen)
            if self._pays(chosen, first):
                program, names = everywhere(chosen.program, members)
                if names:
                    return replace(chosen, program=program), names
        return None

    def _pays(self, chosen: Chosen, candidate: Candidate) -> bool:
        before = excerpt(chosen.program, candidate.places)
        after = applied(before, candidate.rewrite, candidate.tensor)
        if isinstance(after, Refused):
            return False
        seconds = self._seconds(before, chosen.tiles)
        least = LEAST_GAIN[candidate.rewrite.kind] * seconds
        if candidate.rewrite.kind is Kind.SPLIT:
            least = max(least, self._worth_meeting)
        return seconds - self._seconds(after, chosen.tiles) >= least

    @property
    def _worth_meeting(self) -> float:
        """What must be saved where cores meet that did not: tiles are not made smaller for less, either."""
        return (self._machine.leading.task_seconds + self._machine.latency) / OVERHEAD

    def _seconds(self, program: Program, tiles: Mapping[str, int]) -> float:
        self._left -= 1
        return predicted(program, self._machine, tiles=tiles, policy=self._policy)


def predicted(program: Program, machine: Machine, *, tiles: Mapping[str, int], policy: str) -> float:
    """Seconds that the placed tasks of a program take; infinitely many where they do not fit.

    Improving a placement takes longer than all the rest, and hardly tells one program from another.
    """
    try:
        graph = partition(program, machine, tiles=_present(program, tiles))
        placed = stretches(graph, machine, policy, drain_by_cost=False, effort=0.0)
    except CapacityError:
        return inf
    return placed[-1].end if placed else 0.0


def everywhere(program: Program, members: Sequence[Candidate]) -> tuple[Program, tuple[str, ...]]:
    """All rewrites of a class that are right, and their names."""
    names: list[str] = []
    for member in members:
        result = applied(program, member.rewrite, member.tensor)
        if not isinstance(result, Refused):
            program = result
            names.append(str(member.rewrite))
    return program, tuple(names)


def _present(program: Program, tiles: Mapping[str, int]) -> dict[str, int]:
    """The sizes of loops that the program has."""
    known = {loop.name for loop in _tile_loops(program.body)}
    return {name: size for name, size in tiles.items() if name in known}


def _tile_loops(body: Sequence[Node]) -> Iterator[TileLoop]:
    for node in body:
        if isinstance(node, TileLoop):
            yield node
        if not isinstance(node, Call):
            yield from _tile_loops(node.body)


# -- choices next to one ---------------------------------------------------------------------------------


def choices(program: Program, machine: Machine, *, base: Choice = AS_WRITTEN) -> Iterator[Choice]:
    """The choices that differ from `base` in one thing, for a search that measures."""
    chosen = under(program, base)
    for members in candidates(chosen.program, _parts(machine)):
        _, names = everywhere(chosen.program, members)
        if names:
            yield replace(base, rewrites=(*base.rewrites, *names))
    for tiles in _other_sizes(chosen, machine):
        yield base.with_tiles(tiles)
    for policy in POLICIES:
        if policy != base.policy:
            yield replace(base, policy=policy)
    yield replace(base, drain="never" if base.drain == "auto" else "auto")
    cores = machine.cores if base.cores is None else base.cores
    if cores > 1:
        yield replace(base, cores=ceil(cores / 2))


def _parts(machine: Machine) -> tuple[int, ...]:
    return tuple(dict.fromkeys((2, machine.cores, 2 * machine.cores)))


def _other_sizes(chosen: Chosen, machine: Machine) -> Iterator[dict[str, int]]:
    """Half and double the size of each open loop; loops around calls of the same tasks go together."""
    sizes = dict(partition(chosen.program, machine, tiles=_present(chosen.program, chosen.tiles)).tiles)
    for loops in _alike(chosen.program):
        names = [loop.name for loop in loops]
        size = sizes[names[0]]
        for other in (max(1, size // 2), min(2 * size, _extent(loops[0]))):
            rounded = ELEMENTS * ceil(other / ELEMENTS) if other > ELEMENTS else other
            if rounded != size:
                yield dict.fromkeys(names, rounded)


def _extent(loop: TileLoop) -> int:
    return loop.extent.const if loop.extent.is_const else loop.most or ELEMENTS


def _alike(program: Program) -> list[list[TileLoop]]:
    """The open tile loops, in groups with one extent and calls of the same tasks."""
    groups: dict[tuple[str, ...], list[TileLoop]] = {}
    for loop in _tile_loops(program.body):
        if loop.size is None:
            tasks = (site.call.task.name for site in sites(loop.body))
            groups.setdefault((str(loop.extent), *tasks), []).append(loop)
    return list(groups.values())
