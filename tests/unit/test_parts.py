"""Differences of runtime parts: what is said of them holds for all values, and tells pieces apart."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpmd.lang.index import Index, Interval, minimum, symbol
from mpmd.lang.program import Scalar
from mpmd.lang.types import i32
from mpmd.partition.affine import Affine, Datum, LaunchScalars
from mpmd.partition.graph import Linear
from mpmd.partition.guards import intervals_of
from mpmd.partition.parts import FAR, Parts
from tests.unit.partition_programs import COMPUTE, SPAN

N, M = symbol("n"), symbol("m")
MOST = 40
quick = settings(deadline=None, suppress_health_check=list(HealthCheck))


def scalars() -> LaunchScalars:
    return LaunchScalars((Scalar("n", i32, SPAN), Scalar("m", i32, SPAN)))


def cuts(launch: LaunchScalars, extent: Index, parts: int) -> list[Affine]:
    """The starts of the pieces of a split, which rise; the last is its extent."""
    found = [launch.split(extent * k // parts, {}, SPAN) for k in range(parts + 1)]
    for low, high in pairwise(found):
        launch.rise(low, high, -(-MOST // parts))
    return found


def values(launch: LaunchScalars, n: int, m: int) -> list[int]:
    known = [n, m]
    for derived in launch.derived:
        a, b = (side.const + sum(c * known[s] for s, c in side.terms) for side in (derived.lhs, derived.rhs))
        known.append(COMPUTE[derived.op](a, b))
    return known


def greatest(launch: LaunchScalars, a: Affine, b: Affine, bounds: tuple[Interval, Interval]) -> int:
    """An upper bound of a − b."""
    intervals = {**intervals_of(launch, ()), 0: bounds[0], 1: bounds[1]}
    for number in range(len(launch.derived)):  # what the launch's own scalars say of those made from them
        intervals[2 + number] = Interval(-FAR, FAR)
    parts = Parts(launch, intervals)
    pair = np.array([parts.number(a.terms)]), np.array([parts.number(b.terms)])
    most = int(parts.greatest(*pair)[0])
    assert isinstance(a.const, int) and isinstance(b.const, int)
    return most if most == FAR else most + a.const - b.const


@st.composite
def forms(draw: st.DrawFn) -> tuple[LaunchScalars, list[Affine]]:
    """Sums of cuts of splits, of bounded tiles and of scalars."""
    launch = scalars()
    chain = cuts(launch, N + draw(st.integers(0, 2)), draw(st.integers(1, 5)))
    other = cuts(launch, draw(st.sampled_from([N, M])), draw(st.integers(1, 4)))
    sizes = [
        launch.split(minimum(4, extent - 4 * draw(st.integers(0, 3))), {}, SPAN)
        for extent in (N, M, minimum(M, 9))
    ]
    terms = [*chain, *other, *sizes, launch.split(N, {}, SPAN), launch.split(M, {}, SPAN)]
    found = []
    for _ in range(2):
        total = Affine(draw(st.integers(-3, 3)))
        for _ in range(draw(st.integers(0, 3))):
            total = total + draw(st.sampled_from(terms)) * draw(st.sampled_from([1, 1, 1, 2, -1]))
        found.append(total)
    return launch, found


@quick
@given(forms(), st.lists(st.tuples(st.integers(0, MOST - 2), st.integers(0, 20)), min_size=1, max_size=8))
def test_no_difference_exceeds_its_bound(
    drawn: tuple[LaunchScalars, list[Affine]], launches: list[tuple[int, int]]
) -> None:
    launch, (a, b) = drawn
    bound = greatest(launch, a, b, (Interval(0, MOST - 2), Interval(0, 20)))
    for n, m in launches:
        known = values(launch, n, m)
        difference = sum(
            (x.linear.const + sum(c * known[s] for s, c in x.terms)) * sign for x, sign in ((a, 1), (b, -1))
        )
        assert difference <= bound


def test_pieces_of_a_split_do_not_pass_the_start_of_later_ones() -> None:
    launch = scalars()
    starts = cuts(launch, N, 5)
    anything = Interval(-FAR, FAR)
    for k, end in enumerate(starts[1:], start=1):
        for later in starts[k:5]:
            assert greatest(launch, end.shifted(-1), later, (anything, anything)) < 0
        for earlier in starts[1:k]:
            assert greatest(launch, end, earlier, (anything, anything)) >= 0


def test_tiles_of_a_segment_stay_before_the_next_segment() -> None:
    launch = scalars()
    data = [launch.late_scalar(Datum(0, Linear(4 * k), 4, ())) for k in range(4)]
    for low, high in pairwise(data):
        launch.rise(low, high, 64)
    scope = {f"d{k}": value for k, value in enumerate(data)}
    ends = []
    for k in range(3):
        size = symbol(f"d{k + 1}") - symbol(f"d{k}")
        ends.append(launch.split(symbol(f"d{k}") + 16 + minimum(16, size - 16), scope, SPAN))
    intervals = intervals_of(launch, ())
    parts = Parts(launch, intervals)
    for k, end in enumerate(ends):
        for j in range(4):
            pair = np.array([parts.number(end.terms)]), np.array([parts.number(data[j].terms)])
            most = int(parts.greatest(*pair)[0]) + end.linear.const
            assert (most <= 0) == (j > k)


def test_scalars_that_are_not_known_to_rise_have_no_bound() -> None:
    launch = scalars()
    first, second = (launch.late_scalar(Datum(0, Linear(4 * k), 8, ())) for k in range(2))
    anything = Interval(-FAR, FAR)
    assert greatest(launch, first, second, (anything, anything)) == FAR
