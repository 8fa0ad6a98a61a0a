"""Sizes for the tile loops whose size the user left open.

In:  a program expanded with every open loop whole, the work of each call, a machine.
Out: a size per tile loop. Not here: expanding with those sizes (`expand.py`).

A loop is split only where its iterations are independent, that is where every tensor that a call
writes is indexed by it. The pieces of a call's loops are a multiple of the cores: one per core while a
piece stays short, more for long ones, so that cores can even out; and never so many that starting and
synchronising a piece weighs more than `OVERHEAD` of it. Where cores are many and a call is short, that
would leave most of them idle: if it can end `AT_LEAST` so many times as soon, then it is in enough pieces
to end within `SLACK` of the soonest.
Values held in the body should fit the cache.
Loops are served from the heaviest call down; loops around one call share the factor, largest first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import ceil, prod

import numpy as np

from mpmd.errors import ArgumentError
from mpmd.lang.program import Call, Loop, Node, Program, TileLoop, View
from mpmd.machine import Machine
from mpmd.partition.accesses import SiteArguments
from mpmd.partition.cost import Work, seconds
from mpmd.partition.expand import SiteInstances, trips, whole_extent
from mpmd.partition.unroll import AnyLoop

ELEMENTS = 16
"""Preferred granule of a size: a cache line of f32, and a vector of the widest CPUs."""

OVERHEAD = 0.01
"""Largest share of a piece's time for starting and synchronising it."""

CAUTION = 3.0
"""How many times as long as predicted a meeting of cores is taken to last before it is made for its sake."""

AT_LEAST = 2
"""So many times as soon a call must end before short pieces are made for that."""

SLACK = 0.05
"""Share of the shortest time that a call may take longer, if it is in fewer pieces for it."""

LONG = 1e-3
"""Seconds from which a piece is worth splitting further for balance."""

MOST_PER_CORE = 8
"""Pieces per core of one call that balance alone asks for."""

CACHE_SHARE = 0.25
"""Share of a core's cache that the largest value of a body should fit."""

IMBALANCE = 1.1
"""A coarser granule is taken while the busiest core has at most this multiple of the mean."""


def fixed_sizes(program: Program, overrides: Mapping[str, int]) -> dict[str, int | None]:
    """The size of every tile loop where the source or the caller gives one, else None."""
    sizes = {loop.name: loop.size for loop in _tile_loops(program.body)}
    for name, size in overrides.items():
        if name not in sizes:
            close = get_close_matches(name, sizes, n=1)
            known = f"its tile loops are {', '.join(sizes)}" if sizes else "it has no tile loop"
            raise ArgumentError(
                f"tiles: kernel '{program.name}' has no tile loop '{name}'",
                span=program.span,
                label=f"tiles={{{name!r}: {size}}}",
                hints=(f"did you mean '{close[0]}'?" if close else known,),
            )
        if not isinstance(size, int) or size < 1:
            raise ArgumentError(
                f"tiles: the size of '{name}' is {size!r}, which is not a whole number of at least 1",
                span=program.span,
                label=f"tiles={{{name!r}: {size!r}}}",
                hints=("leave it out to have one chosen",),
            )
        if sizes[name] not in (None, size):
            raise ArgumentError(
                f"tiles: loop '{name}' has the size {sizes[name]} in the source, not {size}",
                span=program.span,
                hints=("leave the size out in mpmd.tiles(...) to choose it per compilation",),
            )
    return {name: overrides.get(name, size) for name, size in sizes.items()}


def choose_sizes(
    program: Program,
    machine: Machine,
    sizes: Mapping[str, int | None],
    sites: Sequence[SiteArguments],
    work: Sequence[Work],
) -> dict[str, int]:
    """A size for every tile loop; `sites` and `work` are of the expansion with open loops whole."""
    chosen = {name: size for name, size in sizes.items() if size is not None}
    copies: dict[int, list[tuple[SiteInstances, Work]]] = {}  # by call: unrolled loops make several sites
    for arguments, amount in zip(sites, work, strict=True):
        if any(sizes.get(loop.name, 0) is None for loop in arguments.site.loops):
            copies.setdefault(id(arguments.site.call), []).append((arguments.site, amount))
    loads = [(same[0][0], _load(same, sizes, machine)) for same in copies.values()]
    for site, load in sorted(loads, key=lambda pair: -pair[1].seconds):
        independent = [loop for loop in site.loops if _separates(loop, site.call)]
        _share_out(site, independent, load, machine, chosen)
    for loop in _tile_loops(program.body):  # loops without instances
        chosen.setdefault(loop.name, 1)
    return {name: chosen[name] for name in sizes}


@dataclass(frozen=True, slots=True)
class _Load:
    """Of the instances of a call that may run together: their time on one core, and the largest value
    that becomes smaller as its loops are split."""

    seconds: float
    value_bytes: float
    overhead: float


def _load(
    same: Sequence[tuple[SiteInstances, Work]], sizes: Mapping[str, int | None], machine: Machine
) -> _Load:
    """The load of all instances of one call."""
    site = same[0][0]
    total = sum(float(np.sum(np.broadcast_to(seconds(w, machine), (len(s.ids),)))) for s, w in same)
    rounds = prod(trips(loop, site, sizes) for loop in site.loops if not _separates(loop, site.call))
    overhead = machine.leading.task_seconds + machine.latency
    split = {dim for dim, extent in site.call.dims if not extent.symbols().isdisjoint(_sizes(site.loops))}
    values = [
        float(np.max(size))
        for _, work in same
        for dims, size in work.values.items()
        if not dims.isdisjoint(split)
    ]
    return _Load(total / max(1, rounds), max(values, default=0.0), overhead)


def _sizes(loops: Sequence[AnyLoop]) -> set[str]:
    return {f"{loop.name}.size" for loop in loops}


def _separates(loop: AnyLoop, call: Call) -> bool:
    """Whether every tensor that the call writes is indexed by the loop."""
    symbols = {loop.name} if isinstance(loop, Loop) else {f"{loop.name}.start", f"{loop.name}.index"}
    written = [
        arg
        for param, arg in zip(call.task.params, call.args, strict=True)
        if isinstance(arg, View) and param.direction is not None and param.direction.writes
    ]
    return all(any(symbols & axis.start.symbols() for axis in arg.region) for arg in written)


def _share_out(
    site: SiteInstances,
    independent: Sequence[AnyLoop],
    load: _Load,
    machine: Machine,
    chosen: dict[str, int],
) -> None:
    """Choose the sizes that are still open around one call."""
    open_loops = [loop for loop in site.loops if isinstance(loop, TileLoop) and loop.name not in chosen]
    if not open_loops:
        return
    extents = {loop.name: whole_extent(loop, site) for loop in open_loops}
    given = prod(
        trips(loop, site, chosen)
        for loop in independent
        if not isinstance(loop, TileLoop) or loop.name in chosen
    )
    wanted = ceil(_pieces(load, machine) / given)
    splittable = [loop for loop in open_loops if loop in independent]
    counts = _factor(wanted, [extents[loop.name] for loop in splittable])
    for loop in open_loops:
        chosen[loop.name] = extents[loop.name]
    for position, loop in enumerate(splittable):
        others = given * prod(counts[:position] + counts[position + 1 :])
        chosen[loop.name] = balanced_size(extents[loop.name], counts[position], others, machine.cores)


def _pieces(load: _Load, machine: Machine) -> int:
    """How many pieces the instances of a call should be, its loops together."""
    return max(_light(load, machine), _soon(load, machine.cores))


def _soon(load: _Load, cores: int) -> int:
    """The fewest pieces, at most one for each core, with which the call ends about as soon as it can."""
    meeting = CAUTION * load.overhead
    soonest = load.seconds / cores + meeting
    if load.seconds < AT_LEAST * soonest:
        return 1
    return min(cores, ceil(load.seconds / (soonest * (1 + SLACK) - meeting)))


def _light(load: _Load, machine: Machine) -> int:
    """As many pieces as balance and cache ask for, as long as they are not too short."""
    most = int(load.seconds * OVERHEAD / load.overhead) if load.overhead else machine.cores * MOST_PER_CORE
    if most < 2:
        return 1
    lengths = round(load.seconds / machine.cores / LONG) if machine.cores > 1 else 1
    per_core = min(MOST_PER_CORE, max(1, lengths))
    wanted = machine.cores * per_core
    if machine.leading.cache_bytes:  # without a cache, no size fits better than another
        wanted = max(wanted, ceil(load.value_bytes / (CACHE_SHARE * machine.leading.cache_bytes)))
    wanted = machine.cores * ceil(wanted / machine.cores)
    if wanted <= most:
        return wanted
    return most // machine.cores * machine.cores or most


def _factor(pieces: int, extents: Sequence[int]) -> list[int]:
    """Split a number of pieces among nested loops: each prime to the loop with the largest pieces."""
    counts = [1] * len(extents)
    if not extents:
        return counts
    for prime in _primes(pieces):
        at = max(range(len(extents)), key=lambda i: (extents[i] / counts[i], -i))
        counts[at] *= prime
    return counts


def _primes(number: int) -> list[int]:
    """Prime factors, largest first."""
    factors: list[int] = []
    divisor = 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    if number > 1:
        factors.append(number)
    return factors[::-1]


def balanced_size(extent: int, pieces: int, others: int, cores: int) -> int:
    """A size that cuts `extent` into about `pieces`, `others` times over, evenly on `cores`.

    Multiples of 16 are taken where they leave the cores nearly even, else of 8, 4, 2, 1.
    """
    if pieces <= 1 or extent <= 1:
        return extent
    most = min(extent, pieces * 3 // 2)
    counts = range(max(1, min(most, pieces * 3 // 4)), most + 1)

    def distance(size: int) -> tuple[int, int]:
        return abs(ceil(extent / size) - pieces), -size

    tried: list[int] = []
    granule = ELEMENTS
    while granule:
        sizes = sorted({min(extent, granule * ceil(extent / count / granule)) for count in counts})
        mean = extent * others / cores
        even = [size for size in sizes if _busiest(extent, size, others, cores) <= IMBALANCE * mean]
        if even:
            return min(even, key=distance)
        tried += sizes
        granule //= 2
    return min(tried, key=lambda size: (_busiest(extent, size, others, cores), distance(size)))


def _busiest(extent: int, size: int, others: int, cores: int) -> int:
    """Elements of the busiest core: full pieces dealt out first, then the smaller last ones."""
    full, rest = divmod(extent, size)
    rounds, over = divmod(full * others, cores)
    crowded = max(0, others - (cores - over))  # last pieces that find no core with room
    return rounds * size + (size if over else rest) + ceil(crowded / cores) * rest


def _tile_loops(body: tuple[Node, ...]) -> Iterator[TileLoop]:
    for node in body:
        if isinstance(node, TileLoop):
            yield node
        if not isinstance(node, Call):
            yield from _tile_loops(node.body)
