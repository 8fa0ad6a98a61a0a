"""The laws of words, flags, prefetches and of who is there: each is broken in one way, and refused for it."""

from __future__ import annotations

import pytest

from mpmd.errors import (
    CoResidencyError,
    DeadlockError,
    FlagBalanceError,
    FlagReuseError,
    FlagWaiterError,
    MalformedTableError,
    PrefetchError,
    RaceError,
    ScheduleCapacityError,
    ScheduleError,
    ScopeError,
    WordSignallerError,
)
from mpmd.machine import Primitive
from mpmd.schedule.check import LAWS, Certificate, check
from tests.machines import toy
from tests.unit.table_builder import (
    Loop,
    Ring,
    Sum,
    barrier,
    build,
    element,
    loop,
    prefetch,
    reads,
    receives,
    run,
    sends,
    signal,
    wait,
    writes,
)

COUNTER = Primitive("counter", 8, 100, 1e-7, 1e-7)
WORD = Primitive("word", 2, 50, 1e-8, 1e-7, kind="word")
FLAG = Primitive("flag", 2, 3, 1e-8, 1e-8, kind="flag", scope="group")
NEAR = Primitive("near", 4, 9, 1e-8, 1e-8, scope="group")
MACHINE = toy(4, counter=COUNTER, group=2, primitives=(COUNTER, WORD, FLAG, NEAR))

COUNT, WORDS, FLAGS, NEARBY = range(4)


def proved(**description: object) -> Certificate:
    return check(build(**description), MACHINE)


def refused(error: type[ScheduleError], **description: object) -> ScheduleError:
    with pytest.raises(error) as found:
        check(build(**description), MACHINE)
    return found.value


HANDED = {"rows": [[writes(0, 0, 8)], [reads(0, 0, 8)]], "arguments": [8]}
"""Row 0 makes what row 1 reads."""


def handed(primitive: tuple[int, int], *, amount: int = 1, count: int = 1) -> dict[str, object]:
    """From core 0 to core 1."""
    cores = [[run(0), signal(0, amount)], [wait(0, count), run(1)]]
    return {"cores": cores, "primitives": {0: primitive}, **HANDED}


@pytest.mark.parametrize("primitive", [(COUNT, -1), (WORDS, -1), (FLAGS, 0), (FLAGS, 1), (NEARBY, -1)])
def test_every_primitive_hands_over(primitive: tuple[int, int]) -> None:
    found = proved(**handed(primitive))
    assert (found.words, found.flags) == (primitive[0] == WORDS, primitive[0] == FLAGS)
    assert found.laws == LAWS


@pytest.mark.parametrize("primitive", [(WORDS, -1), (FLAGS, 0), (NEARBY, -1)])
def test_without_its_wait_an_event_orders_nothing(primitive: tuple[int, int]) -> None:
    cores = [[run(0), signal(0)], [run(1), wait(0)]]
    refused(RaceError, cores=cores, primitives={0: primitive}, **HANDED)


@pytest.mark.parametrize(
    ("primitive", "text"),
    [
        ((4, -1), "event 0 is of primitive 4, 'toy' has 4"),
        ((-1, -1), "event 0 is of primitive -1, 'toy' has 4"),
        ((FLAGS, -1), "event 0 is of primitive 2 and has flag -1"),
        ((WORDS, 1), "event 0 is of primitive 1 and has flag 1"),
    ],
)
def test_primitives_exist(primitive: tuple[int, int], text: str) -> None:
    assert refused(MalformedTableError, **handed(primitive)).message == text


# -- how many, and how much -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "primitive", "text"),
    [
        (3, (WORDS, -1), "the schedule needs 3 words, 'toy' has 2"),
        (1, (FLAGS, 2), "the schedule needs 3 flags in a group, 'toy' has 2"),
        (5, (NEARBY, -1), "the schedule needs 5 nears, 'toy' has 4"),
    ],
)
def test_primitives_suffice(events: int, primitive: tuple[int, int], text: str) -> None:
    cores = [[signal(e) for e in range(events)], [wait(e) for e in range(events)]]
    primitives = dict.fromkeys(range(events), primitive)
    assert refused(ScheduleCapacityError, cores=cores, rows=[], primitives=primitives).message == text


def test_words_count_to_their_maximum() -> None:
    error = refused(ScheduleCapacityError, **handed((WORDS, -1), amount=51, count=51))
    assert error.message == "event 0 counts to 51, a word of 'toy' to 50"
    proved(**handed((WORDS, -1), amount=50, count=50))


def test_a_flag_holds_its_maximum() -> None:
    proved(**handed((FLAGS, 0), amount=3, count=3))
    error = refused(ScheduleCapacityError, **handed((FLAGS, 0), amount=4, count=4))
    assert error.message == (
        "4 signals of event 0 can be pending before wait for event 0 (core 1, step 0), and its flag holds 3"
    )
    assert error.related[0].text == "signal of event 0 (core 0, step 1) need not wait for that"


def test_a_flag_may_be_given_more_once_some_was_taken_away() -> None:
    """Five signals, of which never more than three are pending: the last two come after the first wait."""
    first = [signal(0, 3), wait(1), signal(0, 2)]
    cores = [first, [wait(0, 3), signal(1), wait(0, 2)]]
    proved(cores=cores, rows=[], primitives={0: (FLAGS, 0)})
    early = [[signal(0, 3), signal(0, 2), wait(1)], cores[1]]
    error = refused(ScheduleCapacityError, cores=early, rows=[], primitives={0: (FLAGS, 0)})
    assert error.message.startswith(
        "5 signals of event 0 can be pending before wait for event 0 (core 1, step 0)"
    )


def test_no_core_signals_a_flag_without_end() -> None:
    body = loop(0, signal(0)), loop(0, wait(0))
    described = {"cores": list(body), "rows": [], "primitives": {0: (FLAGS, 0)}}
    error = refused(ScheduleCapacityError, loops=[Loop(4)], **described)
    assert error.message.startswith("any number of signals of event 0 can be pending before wait for event 0")
    proved(loops=[Loop(3)], **described)


def test_who_signals_a_flag_in_a_loop_may_know_that_the_last_one_was_taken() -> None:
    body = [loop(0, signal(0), wait(1)), loop(0, wait(0), signal(1))]
    proved(cores=body, rows=[], loops=[Loop(1000)], primitives={0: (FLAGS, 0), 1: (FLAGS, 1)})
    met = [loop(0, signal(0), barrier(0)), loop(0, wait(0), barrier(0))]
    proved(cores=met, rows=[], loops=[Loop(1000)], primitives={0: (FLAGS, 0)})


def test_words_in_loops_are_not_run_away_from() -> None:
    body = loop(0, signal(0)), loop(0, wait(0))
    described = {"cores": list(body), "rows": [], "primitives": {0: (WORDS, -1)}}
    error = refused(ScheduleCapacityError, loops=[Loop(51)], **described)
    assert error.message == (
        "nothing keeps signal of event 0 (core 0, step 1 of a later iteration) from being any number of "
        "iterations ahead of wait for event 0 (core 1, step 1 of an iteration), and a word of 'toy' counts "
        "to 50"
    )
    proved(loops=[Loop(50)], **described)


# -- who ------------------------------------------------------------------------------------------


def test_one_core_signals_a_word() -> None:
    cores = [[signal(0)], [wait(0, 2)], [signal(0)]]
    error = refused(WordSignallerError, cores=cores, rows=[], primitives={0: (WORDS, -1)})
    assert error.message == "event 0, a word, is signalled by two cores"
    assert error.label == "signal of event 0 (core 0, step 0) signals"
    assert error.related[0].text == "signal of event 0 (core 2, step 0) signals, too"


def test_one_core_waits_for_a_flag() -> None:
    cores = [[signal(0, 2), wait(0)], [wait(0)]]
    error = refused(FlagWaiterError, cores=cores, rows=[], primitives={0: (FLAGS, 0)})
    assert error.message == "event 0, a flag, is waited for by two cores"
    assert error.related[0].text == "wait for event 0 (core 1, step 0) waits, too"


@pytest.mark.parametrize(("given", "taken"), [(2, 1), (1, 2)])
def test_a_flag_is_taken_away_exactly(given: int, taken: int) -> None:
    error = refused(FlagBalanceError, **handed((FLAGS, 0), amount=given, count=taken))
    assert error.message == f"a launch takes {taken} from event 0, a flag, and signals {given}"
    assert error.label == f"wait for event 0 (core 1, step 0) takes {taken}"


def test_each_iteration_takes_a_flag_away_by_itself() -> None:
    """A wait for the iteration before would find nothing in the first one, and leave the last one's."""
    body = [loop(0, wait(0, 0), run(0)), loop(0, run(1), signal(0))]
    described = {"rows": [[writes(0, 0, 8)], [writes(0, 8, 8)]], "arguments": [16], "loops": [Loop(9)]}
    error = refused(FlagBalanceError, cores=body, primitives={0: (FLAGS, 0)}, **described)
    assert error.message == "an iteration takes 0 from event 0, a flag, and signals 1"


@pytest.mark.parametrize("primitive", [(FLAGS, 0), (NEARBY, -1)])
def test_the_primitives_of_a_group_stay_in_it(primitive: tuple[int, int]) -> None:
    cores = [[run(0), signal(0)], [], [wait(0), run(1)]]
    error = refused(ScopeError, cores=cores, primitives={0: primitive}, **HANDED)
    name = MACHINE.primitives[primitive[0]].name
    assert error.message == f"event 0, a {name}, joins cores of different groups of 2"
    assert error.related[0].text == "wait for event 0 (core 2, step 0) uses it, too"


def test_the_waits_of_a_flag_take_one_after_the_other() -> None:
    """The first one knows of the first signal alone."""
    rows = [[writes(0, 0, 4)], [writes(0, 4, 4)], [reads(0, 0, 4)], [reads(0, 4, 4)]]
    made = [run(0), signal(0), run(1), signal(0)]
    described = {"rows": rows, "arguments": [8], "primitives": {0: (FLAGS, 0)}}
    proved(cores=[made, [wait(0), run(2), wait(0), run(3)]], **described)
    error = refused(RaceError, cores=[made, [wait(0), run(2), run(3), wait(0)]], **described)
    assert "row 3 (core 1, step 2)" in error.message


def test_a_flag_that_is_never_given_enough_is_a_deadlock() -> None:
    cores = [[wait(1), signal(0)], [wait(0), signal(1)]]
    refused(DeadlockError, cores=cores, rows=[], primitives={0: (FLAGS, 0), 1: (FLAGS, 1)})


# -- one flag for several events --------------------------------------------------------------------


def test_a_flag_stands_for_one_event_after_the_other() -> None:
    cores = [[signal(0), wait(1), signal(2)], [wait(0), signal(1), wait(2)]]
    proved(cores=cores, rows=[], primitives={0: (FLAGS, 0), 1: (FLAGS, 1), 2: (FLAGS, 0)})


def test_two_events_of_one_flag_do_not_overlap() -> None:
    cores = [[signal(0), signal(1)], [wait(0), wait(1)]]
    error = refused(FlagReuseError, cores=cores, rows=[], primitives={0: (FLAGS, 0), 1: (FLAGS, 0)})
    assert error.message == (
        "events 0 and 1 are one flag, and signal of event 1 (core 0, step 1) may come before the other one "
        "is over"
    )
    assert error.related[0].text == "wait for event 0 (core 1, step 0) waits for event 0"


def test_nobody_waits_for_a_flag_that_still_stands_for_another_event() -> None:
    """Core 0 would take its own signal: nothing says that core 1 has taken it before."""
    cores = [[signal(0), wait(1)], [wait(0), signal(1)]]
    error = refused(FlagReuseError, cores=cores, rows=[], primitives={0: (FLAGS, 0), 1: (FLAGS, 0)})
    assert error.message == (
        "events 0 and 1 are one flag, and wait for event 1 (core 0, step 1) may come before the other one "
        "is over"
    )
    later = [[signal(0), wait(2), wait(1)], [wait(0), signal(2), signal(1)]]
    proved(cores=later, rows=[], primitives={0: (FLAGS, 0), 1: (FLAGS, 0)})


def test_flags_of_different_groups_are_different_flags() -> None:
    cores = [[signal(0)], [wait(0)], [signal(1)], [wait(1)]]
    proved(cores=cores, rows=[], primitives={0: (FLAGS, 0), 1: (FLAGS, 0)})


def test_in_a_loop_a_flag_comes_back_to_its_first_event() -> None:
    """Event 1 has to be over before event 0 of the next iteration; event 3 says so."""
    one = loop(0, signal(0), wait(2), signal(1), wait(3))
    other = loop(0, wait(0), signal(2), wait(1), signal(3))
    described = {"rows": [], "loops": [Loop(9)], "primitives": {0: (FLAGS, 0), 1: (FLAGS, 0)}}
    proved(cores=[one, other], **described)
    early = [loop(0, signal(0), wait(2), signal(1)), loop(0, wait(0), signal(2), wait(1))]
    error = refused(FlagReuseError, cores=early, **described)
    assert error.message == (
        "events 1 and 0 are one flag, and signal of event 0 (core 0, step 1 of the next iteration) may "
        "come before the other one is over"
    )


# -- who has to be there ----------------------------------------------------------------------------


def test_all_cores_are_there() -> None:
    error = refused(CoResidencyError, cores=[[]] * 5, rows=[])
    assert error.message == "the schedule needs 5 cores, 'toy' has 4"


def test_tasks_joined_by_channels_have_cores_of_their_own() -> None:
    """Rows 0 and 2 both pass tokens to and from row 1, on one core."""
    described = {
        "cores": [[run(0), run(2)], [run(1)]],
        "rows": [[reads(0, 0, 1)], [reads(0, 1, 1)], [reads(0, 2, 1)]],
        "arguments": [8],
        "rings": [Ring(0, 1, 1, 0), Ring(1, 0, 1, 128)],
        "uses": [sends(0, 0, 1), receives(1, 0, 1), sends(1, 1, 1), receives(2, 1, 1)],
    }
    error = refused(CoResidencyError, **described)
    assert (
        error.message
        == "row 0 (core 0, step 0) and row 2 (core 0, step 1) pass tokens on at once, on one core"
    )


# -- prefetches -------------------------------------------------------------------------------------

WEIGHTS = {"rows": [[writes(0, 0, 8)], [reads(0, 0, 8), reads(1, 0, 64)]], "arguments": [8, 64]}
"""Row 1 reads what row 0 made, and weights."""


def test_what_nobody_writes_may_be_asked_for_before_a_wait() -> None:
    rows = [[writes(0, 0, 8)], [reads(-1, 0, 8), reads(1, 0, 64)]]
    cores = [[run(0), signal(0)], [prefetch(1), wait(0), run(1)]]
    made = {"rows": [[writes(-1, 0, 8)], rows[1]], "arguments": [8, 64], "tensors": [(0, 8)]}
    assert proved(cores=cores, **made).prefetches == 1


def test_what_is_asked_for_has_been_written() -> None:
    cores = [[run(0), signal(0)], [prefetch(1), wait(0), run(1)]]
    error = refused(PrefetchError, cores=cores, **WEIGHTS)
    assert error.message == (
        "prefetch of row 1 (core 1, step 0) asks for what row 0 (core 0, step 0) may not have written yet"
    )
    assert error.label == "row 1 (core 1, step 2) reads bytes 0 to 8 of argument 0"
    assert error.related[0].text == "row 0 (core 0, step 0) writes bytes 0 to 8 of argument 0"
    proved(cores=[cores[0], [wait(0), prefetch(1), run(1)]], **WEIGHTS)


def test_the_same_core_writes_before_it_asks() -> None:
    refused(PrefetchError, cores=[[prefetch(1), run(0), run(1)]], **WEIGHTS)
    proved(cores=[[run(0), prefetch(1), run(1)]], **WEIGHTS)


def test_what_is_written_later_may_be_asked_for() -> None:
    """Row 1 reads what row 2 overwrites afterwards."""
    rows = [[writes(1, 0, 8)], [reads(0, 0, 8)], [writes(0, 0, 8)]]
    proved(cores=[[prefetch(1), run(0), run(1), signal(0)], [wait(0), run(2)]], rows=rows, arguments=[8, 8])


def test_in_a_loop_the_iteration_before_has_written() -> None:
    """Row 1 of core 0 writes what row 0 reads in the next iteration, before that is asked for or not."""
    rows = [[reads(0, 0, 8)], [writes(0, 0, 8)]]
    described = {"rows": rows, "arguments": [8], "loops": [Loop(9)]}
    proved(cores=[loop(0, prefetch(0), run(0), run(1))], **described)
    other = [loop(0, prefetch(0), wait(0, 0), run(0), signal(1)), loop(0, wait(1), run(1), signal(0))]
    refused(PrefetchError, cores=other, **described)
    late = [loop(0, wait(0, 0), prefetch(0), run(0), signal(1)), other[1]]
    proved(cores=late, **described)


@pytest.mark.parametrize(
    "cores",
    [
        [[run(0), run(1), prefetch(1)]],
        [[run(0), prefetch(1), signal(0)], [wait(0), run(1)]],
        [[prefetch(1), barrier(0), *loop(0, run(0), run(1))]],
    ],
)
def test_what_is_asked_for_is_read_later_on_this_core(cores: list[list[tuple[int, int, int, int]]]) -> None:
    looped = any(op == 4 for op, *_ in cores[0])
    error = refused(PrefetchError, cores=cores, loops=[Loop(2)] if looped else [], **WEIGHTS)
    assert error.message.endswith("asks for what row 1 reads, which this core does not run after it")


def test_a_row_that_is_finished_when_it_runs_cannot_be_asked_for() -> None:
    late = {1: [element(1, Sum(0))]}
    error = refused(PrefetchError, cores=[[run(0), prefetch(1), run(1)]], late=late, **WEIGHTS)
    assert error.message.endswith("asks for what row 1 reads, of which nobody knows before it runs")


def test_prefetches_have_a_size() -> None:
    error = refused(MalformedTableError, cores=[[run(0), prefetch(1, -1), run(1)]], **WEIGHTS)
    assert error.message == "step 1 asks for -1 bytes"
