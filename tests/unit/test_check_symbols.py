"""Offsets and extents that a launch decides: what the guards prove, against every launch they let in."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product

import pytest
from table_builder import Access, Number, Sum, build, reads, run, updates, wait, writes
from table_builder import signal as signals

from mpmd.errors import MalformedTableError, RaceError, ScheduleCapacityError
from mpmd.machine import Primitive
from mpmd.schedule.check import check
from mpmd.schedule.proof.decode import decode
from mpmd.schedule.proof.scalars import Bounds, Form, collect
from tests.machines import toy

COUNTER = Primitive("counter", 8, 100, 1e-7, 1e-7)
MACHINE = toy(4, memory_bytes=2**20, counter=COUNTER)
FLOORDIV, MOD, MIN, MAX, MUL = range(5)
POS = Sum(0, {0: 1})

Derived = list[tuple[int, Sum, Sum]]
Guards = list[tuple[Sum, int, int]]


def two_cores(one: Access, other: Access, **symbols: object) -> bytes:
    """Two rows on two cores with nothing between them."""
    return build(cores=[[run(0)], [run(1)]], rows=[[one], [other]], arguments=[64], scalars=1, **symbols)


def at_pos(scale: int, const: int = 0) -> Sum:
    return Sum(const, {0: scale})


# -- bounds ------------------------------------------------------------------------------------


def test_offset_is_bounded_by_its_guard() -> None:
    """Row `pos` of eight rows of eight bytes: in bounds iff the guard says pos ≤ 7."""
    for highest, accepted in ((7, True), (8, False)):
        tables = build(
            cores=[[run(0)]], rows=[[writes(0, at_pos(8), 8)]], arguments=[64], scalars=1,
            guards=[(POS, 0, highest)],
        )  # fmt: skip
        if accepted:
            check(tables, MACHINE)
        else:
            with pytest.raises(ScheduleCapacityError) as error:
                check(tables, MACHINE)
            assert error.value.message == (
                "row 0 (core 0, step 0) may reach bytes 0 to 72, outside the 64 bytes of argument 0"
            )


def test_offset_without_a_guard_is_refused() -> None:
    tables = build(cores=[[run(0)]], rows=[[reads(0, at_pos(8), 8)]], arguments=[64], scalars=1)
    with pytest.raises(ScheduleCapacityError) as error:
        check(tables, MACHINE)
    assert error.value.message == "row 0 (core 0, step 0) has no proved bound for its place of argument 0"


def test_the_rest_after_pos_is_in_bounds() -> None:
    """`x[pos:]`: offset and extent vary together, and their sum does not."""
    rest = reads(0, at_pos(8), Sum(8, {0: -1}), 8, tile=(8, 8))
    check(build(cores=[[run(0)]], rows=[[rest]], arguments=[64], scalars=1, guards=[(POS, 0, 8)]), MACHINE)


def test_tile_cut_at_a_runtime_extent_is_in_bounds() -> None:
    """The last tile of `n` rows: start 40, `max(0, min(16, n − 40))` bytes of it."""
    cut: Derived = [(MIN, Sum(16), at_pos(1, -40)), (MAX, Sum(0), Sum(0, {1: 1}))]
    row = [reads(0, 40, Sum(0, {2: 1}), tile=(16,))]
    for bytes_, accepted in ((50, True), (49, False)):
        tables = build(cores=[[run(0)]], rows=[row], arguments=[bytes_], scalars=1, derived=cut,
                       guards=[(POS, 0, 50)])  # fmt: skip
        if accepted:
            check(tables, MACHINE)
        else:
            with pytest.raises(ScheduleCapacityError, match="may reach bytes 40 to 50"):
                check(tables, MACHINE)


def test_guard_on_a_sum_bounds_its_multiples() -> None:
    """`a + b ≤ 7` bounds offset 8a + 8b though neither is bounded above on its own by less."""
    both = Sum(0, {0: 1, 1: 1})
    row = [reads(0, Sum(0, {0: 8, 1: 8}), 8)]
    guards: Guards = [(Sum(0, {0: 1}), 0, 7), (Sum(0, {1: 1}), 0, 7), (both, 0, 7)]
    check(build(cores=[[run(0)]], rows=[row], arguments=[64], scalars=2, guards=guards), MACHINE)
    with pytest.raises(ScheduleCapacityError):
        check(build(cores=[[run(0)]], rows=[row], arguments=[64], scalars=2, guards=guards[:2]), MACHINE)


def test_guards_that_exclude_every_launch_are_refused() -> None:
    tables = build(cores=[[]], rows=[], scalars=1, guards=[(POS, 0, 3), (POS, 5, 9)])
    with pytest.raises(MalformedTableError, match="no value of launch scalar 0 satisfies the guards"):
        check(tables, MACHINE)


def test_stride_that_a_launch_decides_is_refused() -> None:
    """The linear part of a stride word has no place in the proof."""
    import numpy as np
    from table_builder import sections

    tables = sections(cores=[[run(0)]], rows=[[reads(0, 0, 8)]], arguments=[64], scalars=1)
    tables.axes[0, 2] = 1
    tables.patches = np.array([[1, 0, 1]])
    with pytest.raises(MalformedTableError, match="a launch scalar patches the base or a stride of row 0"):
        check(tables.store(), MACHINE)


# -- conflicts ---------------------------------------------------------------------------------


def test_equal_linear_parts_compare_by_constants() -> None:
    """Rows `pos` and `pos + 1` are different rows, whatever `pos` is."""
    guards: Guards = [(POS, 0, 6)]
    check(two_cores(writes(0, at_pos(8), 8), writes(0, at_pos(8, 8), 8), guards=guards), MACHINE)
    with pytest.raises(RaceError):
        check(two_cores(writes(0, at_pos(8), 8), writes(0, at_pos(8, 7), 8), guards=guards), MACHINE)


def test_unlike_linear_parts_compare_by_intervals() -> None:
    """A row in the first half by the guard, and the second half: disjoint."""
    fixed = reads(0, 32, 32)
    check(two_cores(writes(0, at_pos(8), 8), fixed, guards=[(POS, 0, 3)]), MACHINE)
    with pytest.raises(RaceError):
        check(two_cores(writes(0, at_pos(8), 8), fixed, guards=[(POS, 0, 4)]), MACHINE)


def test_a_scalar_leaves_the_other_axes_exact() -> None:
    """Row `pos` of head 0 and all rows of head 1, interleaved: disjoint for every `pos`."""
    head = writes(0, at_pos(16), 8)
    for start, accepted in ((8, True), (7, False)):
        other = reads(0, start, 4, 8, strides=(16, 1))
        tables = two_cores(head, other, guards=[(POS, 0, 3)])
        if accepted:
            check(tables, MACHINE)
        else:
            with pytest.raises(RaceError):
                check(tables, MACHINE)


def test_extent_counts_as_its_largest() -> None:
    """The first `pos` bytes against what follows the largest `pos`."""
    first = reads(0, 0, POS, tile=(64,))
    check(two_cores(first, writes(0, 32, 32), guards=[(POS, 0, 32)]), MACHINE)
    with pytest.raises(RaceError):
        check(two_cores(first, writes(0, 31, 32), guards=[(POS, 0, 32)]), MACHINE)


def test_places_that_move_together_compare_by_their_difference() -> None:
    """`x[1 : pos + 1]` and `x[pos + end :]`, eight rows of eight bytes: disjoint iff end ≥ 1."""
    for end, accepted in ((1, True), (0, False)):
        upto = writes(0, 8, Sum(0, {0: 1}), 8, tile=(8, 8), strides=(8, 1))
        beyond = reads(0, at_pos(8, end * 8), Sum(8 - end, {0: -1}), 8, tile=(8, 8), strides=(8, 1))
        tables = two_cores(upto, beyond, guards=[(POS, 1, 6)])
        if accepted:
            check(tables, MACHINE)
        else:
            with pytest.raises(RaceError):
                check(tables, MACHINE)


def test_columns_that_move_together_compare_by_their_difference() -> None:
    """`x[:, :pos]` and `x[:, pos + start :]`: their hulls overlap, their columns do not."""
    for start, accepted in ((0, True), (-1, False)):
        left = writes(0, 0, 8, Sum(0, {0: 1}), tile=(8, 8), strides=(8, 1))
        right = reads(0, at_pos(1, start), 8, Sum(8 - start, {0: -1}), tile=(8, 8), strides=(8, 1))
        tables = two_cores(left, right, guards=[(POS, 1, 7)])
        if accepted:
            check(tables, MACHINE)
        else:
            with pytest.raises(RaceError):
                check(tables, MACHINE)


def test_sync_orders_what_symbols_leave_open() -> None:
    tables = build(
        cores=[[run(0), signals(0)], [wait(0), run(1)]],
        rows=[[writes(0, at_pos(8), 8)], [updates(0, 0, 64)]],
        arguments=[64],
        scalars=1,
        guards=[(POS, 0, 7)],
    )
    check(tables, MACHINE)


# -- against all launches ------------------------------------------------------------------------

RANGE = range(-3, 9)


def evaluate(value: Number, scalars: list[int]) -> int:
    if isinstance(value, int):
        return value
    return value.const + sum(c * scalars[s] for s, c in value.terms.items())


def launches(count: int, derived: Derived, guards: Guards) -> Iterator[list[int]]:
    """All launch scalars (derived ones included) over small values that the guards let in."""
    for own in product(RANGE, repeat=count):
        scalars = list(own)
        for op, lhs, rhs in derived:
            a, b = evaluate(lhs, scalars), evaluate(rhs, scalars)
            if op in (FLOORDIV, MOD):
                scalars.append((a // b if op == FLOORDIV else a % b) if b > 0 else 0)
            else:
                scalars.append(min(a, b) if op == MIN else max(a, b) if op == MAX else a * b)
        if all(low <= evaluate(g, scalars) <= high for g, low, high in guards):
            yield scalars


def random_sum(rng: random.Random, scalars: int, const: int = 8) -> Sum:
    terms = {rng.randrange(scalars): rng.choice([-2, -1, 1, 1, 2, 3]) for _ in range(rng.randint(0, 2))}
    return Sum(rng.randint(0, const), terms)


def random_symbols(rng: random.Random) -> tuple[int, Derived, Guards]:
    count = rng.randint(1, 2)
    derived: Derived = []
    for _ in range(rng.randint(0, 3)):
        lhs, rhs = (random_sum(rng, count + len(derived)) for _ in range(2))
        op = rng.choice([FLOORDIV, MOD, MIN, MIN, MAX, MAX, MUL])
        derived.append((op, lhs, Sum(rng.randint(1, 4)) if op in (FLOORDIV, MOD) else rhs))
    guards: Guards = []
    for scalar in range(count):
        low = rng.randint(RANGE[0], 2)
        guards.append((Sum(0, {scalar: 1}), low, rng.randint(low, RANGE[-1])))
    for _ in range(rng.randint(0, 2)):
        guards.append((random_sum(rng, count + len(derived)), rng.randint(-9, 2), rng.randint(3, 20)))
    return count, derived, guards


@pytest.mark.parametrize("seed", range(4))
def test_bounds_hold_in_every_launch(seed: int) -> None:
    """No launch that the guards let in gives a form a value outside its interval."""
    rng = random.Random(seed)
    tight = 0
    for _ in range(150):
        count, derived, guards = random_symbols(rng)
        tables = build(cores=[[]], rows=[], scalars=count, derived=derived, guards=guards)
        values = list(launches(count, derived, guards))
        if not values:
            continue
        bounds = Bounds.of_launch(decode(tables))
        for _ in range(5):
            form = random_sum(rng, count + len(derived))
            low, high = bounds.of(Form(form.const, collect(tuple(form.terms.items()))))
            seen = [evaluate(form, scalars) for scalars in values]
            assert low <= min(seen) and max(seen) <= high
            tight += (low, high) == (min(seen), max(seen))
    assert tight > 200


def random_access(rng: random.Random, scalars: int) -> Access:
    extent: Number = rng.randint(0, 3)
    tile = rng.randint(1, 12)
    if rng.random() < 0.5:
        extent = random_sum(rng, scalars, 3)
    offset: Number = random_sum(rng, scalars, 12) if rng.random() < 0.7 else rng.randint(0, 20)
    if isinstance(extent, int):
        tile = max(tile, extent)
    shape, strides, tiles = (extent,), (rng.choice([1, 1, 4]),), (tile,)
    if rng.random() < 0.4:
        shape, strides, tiles = (*shape, 2), (4, 1), (*tiles, 2)
    return Access(rng.choice([1, 2, 2, 3]), 0, offset, shape, strides, 1, tiles)


def touched(access: Access, scalars: list[int]) -> set[int]:
    assert access.strides is not None
    extents = [range(evaluate(e, scalars)) for e in access.shape]
    start = evaluate(access.offset, scalars)
    return {start + sum(i * s for i, s in zip(at, access.strides, strict=True)) for at in product(*extents)}


def random_slice(rng: random.Random, extent: int) -> tuple[Sum, Sum]:
    """(start, extent) of a slice whose ends are constants or `pos` and a constant."""
    ends = [Sum(rng.randint(0, extent), {0: 1} if rng.random() < 0.4 else {}) for _ in range(2)]
    first, last = ends if ends[0].const <= ends[1].const else ends[::-1]
    slope = last.terms.get(0, 0) - first.terms.get(0, 0)
    return first, Sum(last.const - first.const, {0: slope} if slope else {})


def random_tile(rng: random.Random, rows: int, columns: int) -> Access:
    """A region of a matrix of bytes."""
    (row, height), (column, width) = random_slice(rng, rows), random_slice(rng, columns)
    move = row.terms.get(0, 0) * columns + column.terms.get(0, 0)
    offset = Sum(row.const * columns + column.const, {0: move} if move else {})
    mode = rng.choice([1, 2, 2])
    return Access(mode, 0, offset, (height, width), (columns, 1), 1, (rows, columns))


@pytest.mark.parametrize("seed", range(4))
def test_regions_of_a_matrix_are_told_apart(seed: int) -> None:
    """Two tiles with ends that move with `pos`: what is accepted never conflicts; and but for rare cases
    what never conflicts is accepted, if no launch makes a tile empty or larger than the matrix."""
    rng = random.Random(seed)
    accepted = disjoint = 0
    for _ in range(1000):
        one, other = (random_tile(rng, 6, 5) for _ in range(2))
        low, high = sorted(rng.randint(-2, 4) for _ in range(2))
        tables = build(cores=[[run(0)], [run(1)]], rows=[[one], [other]], arguments=[30], scalars=1,
                       guards=[(POS, low, high)])  # fmt: skip
        bytes_ = [[touched(access, [pos]) for access in (one, other)] for pos in range(low, high + 1)]
        inside = all(touches <= set(range(30)) for pair in bytes_ for touches in pair)
        apart = inside and not ((one.mode | other.mode) & 2 and any(a & b for a, b in bytes_))
        usual = all(
            1 <= evaluate(extent, [pos]) <= most
            for pos in range(low, high + 1)
            for access in (one, other)
            for extent, most in zip(access.shape, (6, 5), strict=True)
        )
        try:
            check(tables, MACHINE)
        except (RaceError, ScheduleCapacityError):
            disjoint += apart and usual
            continue
        assert apart
        accepted += usual
        disjoint += usual
    assert accepted > 0.9 * disjoint > 30, (accepted, disjoint)


@pytest.mark.parametrize("seed", range(8))
def test_accepted_tables_are_safe_in_every_launch(seed: int) -> None:
    """What is proved holds in each launch: inside the base, inside the tile, and no conflict."""
    rng = random.Random(seed)
    verdicts = {"accepted": 0, "race": 0, "capacity": 0}
    for _ in range(400):
        count, derived, guards = random_symbols(rng)
        one, other = (random_access(rng, count + len(derived)) for _ in range(2))
        tables = build(cores=[[run(0)], [run(1)]], rows=[[one], [other]], arguments=[40], scalars=count,
                       derived=derived, guards=guards)  # fmt: skip
        try:
            check(tables, MACHINE)
        except RaceError:
            verdicts["race"] += 1
            continue
        except ScheduleCapacityError:
            verdicts["capacity"] += 1
            continue
        except MalformedTableError:
            assert not list(launches(count, derived, guards))
            continue
        verdicts["accepted"] += 1
        for scalars in launches(count, derived, guards):
            bytes_ = [touched(access, scalars) for access in (one, other)]
            assert not (one.mode | other.mode) & 2 or not bytes_[0] & bytes_[1]
            for access, touches in zip((one, other), bytes_, strict=True):
                assert touches <= set(range(40))
                extents = [evaluate(e, scalars) for e in access.shape]
                assert all(e <= t for e, t in zip(extents, access.tile or (), strict=True))
    assert min(verdicts.values()) > 20, verdicts
