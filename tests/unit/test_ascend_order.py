"""Order within a vector task of Ascend C: flags, barriers, branches, loops; ranges of its integers."""

from __future__ import annotations

from mpmd.codegen.ascend import ranges
from mpmd.codegen.ascend.addresses import addresses
from mpmd.codegen.ascend.instructions import Buffer, Instruction, Mark, Pipe, Step
from mpmd.codegen.ascend.pipes import orders
from mpmd.errors import NO_SPAN
from mpmd.lang.index import INT_MAX, Interval
from mpmd.lang.tile import Apply, TileType
from mpmd.lang.types import DType, f32, i8, i32, i64

A, B, C, D = (Buffer(name, f32, 16, name) for name in "abcd")


def vector(reads: tuple[Buffer, ...], writes: Buffer, early: tuple[Buffer, ...] | None = None) -> Instruction:
    return Instruction(Pipe.V, "mpmd::add(…)", reads, (writes,), NO_SPAN, early=early)


def scalar(reads: tuple[Buffer, ...], writes: tuple[Buffer, ...] = ()) -> Instruction:
    return Instruction(Pipe.S, "for (…)", reads, writes, NO_SPAN)


def found(*steps: Step) -> list[list[tuple[str, str]]]:
    """Between which pipes there is something before each step."""
    placed = {buffer: 64 * number for number, buffer in enumerate((A, B, C, D))}
    return [[(order.until.value, order.then.value) for order in each] for each in orders(steps, placed)]


def test_a_barrier_within_a_function_orders_what_came_before_it() -> None:
    fenced = vector((B,), C, early=(B,))
    assert found(vector((), A), fenced, vector((A,), D)) == [[], [], []]
    assert found(vector((), A), vector((B,), C), vector((A,), D)) == [[], [], [("V", "V")]]


def test_what_a_function_touches_behind_its_barrier_needs_none_before() -> None:
    assert found(vector((), A), vector((A, B), C, early=(B,))) == [[], []]
    assert found(vector((), A), vector((A, B), C, early=(A,))) == [[], [("V", "V")]]


def test_the_scalar_unit_is_told_and_tells_by_flags() -> None:
    assert found(vector((), A), scalar((A,), (B,)), vector((B,), C)) == [[], [("V", "S")], [("S", "V")]]


def test_what_the_scalar_unit_has_waited_for_is_over_for_all_that_it_issues_later() -> None:
    copy = Instruction(Pipe.MTE3, "mpmd::store(…)", (A,), (), NO_SPAN, stored="y")
    assert found(vector((), A), scalar((A,)), copy) == [[], [("V", "S")], []]


def test_rows_that_are_looked_up_are_read_as_the_copy_is_issued() -> None:
    copy = Instruction(Pipe.MTE2, "mpmd::load(…)", (), (B,), NO_SPAN, loaded="x", asked=(A,))
    assert found(vector((), A), copy) == [[], [("V", "S")]]


def test_arms_of_a_branch_know_nothing_of_each_other_and_what_follows_knows_what_both_do() -> None:
    head, other, end = (
        Mark("if (…) {", NO_SPAN, opens=True, forks=True),
        Mark("} else {", NO_SPAN, forks=True),
        Mark("}", NO_SPAN, closes=True, forks=True),
    )
    first, use = vector((), A), vector((A,), B)
    assert found(first, head, use, other, use, end, vector((B,), C)) == [
        [], [], [("V", "V")], [], [("V", "V")], [], [("V", "V")],
    ]  # fmt: skip
    assert found(first, head, use, other, end, vector((A,), C))[-1] == [("V", "V")]


def test_pipes_are_idle_where_a_loop_begins_again() -> None:
    head, end = Mark("for (…) {", NO_SPAN, opens=True), Mark("}", NO_SPAN, closes=True)
    assert found(vector((), A), head, vector((A,), B), end) == [[], [("V", "S")], [], [("V", "S")]]


def test_a_tile_that_lives_across_a_loop_shares_its_bytes_with_nothing_in_it() -> None:
    large = [Buffer(name, f32, 15000, name) for name in "abcd"]
    carried, inner, again, after = large
    steps = (
        vector((), carried), Mark("for (…) {", NO_SPAN, opens=True), vector((carried,), inner),
        vector((inner,), again), Mark("}", NO_SPAN, closes=True), vector((), after),
    )  # fmt: skip
    placed = addresses(steps, "task", NO_SPAN)
    assert placed[after] == placed[carried]
    assert len({placed[carried], placed[inner], placed[again]}) == 3


def result(op: str, dtype: DType, *args: Interval) -> Interval:
    return ranges.after(Apply(0, TileType(dtype), op, (), (), NO_SPAN), args)


def test_ranges_of_indices_stay_known() -> None:
    rows, wide = Interval(0, 63), Interval(-(2**31), 2**31 - 1)
    assert result("add", i64, rows, wide) == Interval(-(2**31), 2**31 + 62)
    assert result("mul", i64, rows, Interval(-3, 2)) == Interval(-189, 126)
    assert result("floordiv", i64, Interval(-7, 7), Interval(3, 3)) == Interval(-3, 2)
    assert result("mod", i64, wide, Interval(5, 9)) == Interval(0, 8)
    assert result("sub", i64, rows, Interval(-INT_MAX, INT_MAX)) == Interval(-INT_MAX, INT_MAX)


def test_what_may_wrap_can_be_all_that_its_type_holds() -> None:
    assert result("add", i8, Interval(0, 100), Interval(0, 100)) == Interval(-128, 127)
    assert result("neg", i32, Interval(-(2**31), 0)) == Interval(-(2**31), 2**31 - 1)
