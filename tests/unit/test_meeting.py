"""Laws of meetings: threads meet between two steps exactly where one needs the other's elements."""

from __future__ import annotations

from mpmd.codegen.cpp.meeting import UNKNOWN, Bytes, Meetings, Since


def meetings(*steps: tuple[set, set]) -> list[bool]:
    """Whether a meeting stands before each of the steps (reads, writes)."""
    state = Meetings()
    return [state.before(reads, writes) for reads, writes in steps]


def test_a_read_of_what_was_written_needs_one() -> None:
    assert meetings((set(), {"h"}), ({"h"}, {"y"})) == [False, True]


def test_a_write_over_what_was_read_or_written_needs_one() -> None:
    assert meetings(({"h"}, set()), (set(), {"h"})) == [False, True]
    assert meetings((set(), {"h"}), (set(), {"h"})) == [False, True]


def test_reads_of_the_same_need_none() -> None:
    assert meetings(({"x"}, {"a"}), ({"x"}, {"b"})) == [False, False]


def test_one_meeting_serves_all_that_came_before_it() -> None:
    assert meetings((set(), {"a"}), (set(), {"b"}), ({"a"}, {"c"}), ({"b"}, {"d"})) == [
        False,
        False,
        True,
        False,
    ]


def test_buffers_that_share_bytes_are_one() -> None:
    first, second, apart = Bytes(0, 64), Bytes(32, 96), Bytes(64, 128)
    assert meetings(({first}, set()), (set(), {second})) == [False, True]
    assert meetings(({first}, set()), (set(), {apart})) == [False, False]


def test_a_step_without_memory_needs_none() -> None:
    state = Meetings(UNKNOWN)
    assert not state.before((), ())
    assert state.before({"x"}, ())


def test_after_a_branch_either_way_counts() -> None:
    since = Since(writes=frozenset({"a"})).either(Since(reads=frozenset({"b"})))
    assert since.clashes({"a"}, ())
    assert since.clashes((), {"b"})
    assert not since.clashes({"b"}, {"c"})
    assert UNKNOWN.either(Since()).clashes({"c"}, ())
