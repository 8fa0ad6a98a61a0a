"""The copies of a repeated loop's body that are compared: iteration i, and iteration i + d for any d ≥ 1.

In:  the sites of a loop. Out: for each case, the arguments of all sites in both iterations.
Not here: what follows from their conflicts (`dependences.py`).

A body that says `i % 2` or `i // 2` is compared case by case: for each remainder r of i and s of d by the
modulus m, i is m·q + r and d is m·e + s with unknown q and e, so that remainders are constants. Where that
would be more than `MOST_CASES` cases, a remainder is anything from 0 to m − 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import lcm

from mpmd.lang.index import Index, Opaque
from mpmd.lang.program import Program, ScalarArg, View
from mpmd.partition.accesses import LoopCopy, SiteArguments, arguments_of
from mpmd.partition.affine import Iteration, LaunchScalars
from mpmd.partition.graph import LoopInfo

Copy = Sequence[SiteArguments]

MOST_CASES = 16


def copies(
    loop: LoopInfo, sites: Copy, program: Program, launch: LaunchScalars, most: int
) -> list[tuple[Copy, Copy]]:
    """Pairs of copies of `sites`, the calls of a loop that runs at most `most` times."""
    modulus = _modulus(loop.name, sites)
    if modulus == 1:
        this = launch.late_scalar(Iteration(loop.name, loop.count))
        later = this + launch.unknown(f"{loop.name} distance", 1, max(1, most - 1))
        return [(sites, _copy(sites, program, launch, LoopCopy(1, later)))]
    whole = launch.unknown(f"{loop.name} // {modulus}", 0, max(0, most - 1) // modulus)
    pairs: list[tuple[Copy, Copy]] = []
    for r, s in product(range(modulus), repeat=2):
        this = (whole * modulus).shifted(r)
        least = 0 if s else 1
        periods = launch.unknown(f"{loop.name} distance // {modulus} from {least}", least, max(least, most))
        later = (this + periods * modulus).shifted(s)
        first, second = (LoopCopy(number, index) for number, index in enumerate((this, later)))
        pairs.append((_copy(sites, program, launch, first), _copy(sites, program, launch, second)))
    return pairs


def _copy(sites: Copy, program: Program, launch: LaunchScalars, copy: LoopCopy) -> Copy:
    return [arguments_of(arguments.site, program, launch, copy) for arguments in sites]


def _modulus(name: str, sites: Copy) -> int:
    """What the variable is divided by (the least common multiple); 1 where there are too many cases."""
    modulus = 1
    for arguments in sites:
        for index in _indices(arguments):
            for divisor in _divisors(index, name):
                modulus = lcm(modulus, divisor)
                if modulus * modulus > MOST_CASES:
                    return 1
    return modulus


def _indices(arguments: SiteArguments) -> Iterator[Index]:
    """The integer expressions of a site that may hold its repeated loop's variable."""
    for piece in arguments.site.pieces:
        yield from (value for _, value in piece.symbols if isinstance(value, Index))
    for arg in arguments.site.call.args:
        if isinstance(arg, View):
            yield from (index for axis in arg.region for index in (axis.start, axis.extent))
        elif isinstance(arg, ScalarArg) and isinstance(arg.value, Index):
            yield arg.value


def _divisors(index: Index, name: str) -> Iterator[int]:
    """The constants by which something with the symbol `name` is divided."""
    for atom, _ in index.terms:
        if isinstance(atom, Opaque):
            if atom.op in ("floordiv", "mod") and atom.rhs.is_const and name in atom.lhs.symbols():
                yield max(1, atom.rhs.const)
            yield from _divisors(atom.lhs, name)
            yield from _divisors(atom.rhs, name)
