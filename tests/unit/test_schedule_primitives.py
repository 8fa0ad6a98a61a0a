"""The primitives of events: each takes the cheapest that its shape allows, and none is there for nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

import mpmd
from mpmd import In, InOut, Out, f32
from mpmd.codegen.tables import pack
from mpmd.errors import CapacityError, FlagReuseError
from mpmd.lang.kernel.trace import trace
from mpmd.machine import Machine, Primitive
from mpmd.partition.build import partition
from mpmd.partition.graph import TaskGraph
from mpmd.pipeline import arguments, specs_of
from mpmd.schedule.build import schedule
from mpmd.schedule.check import check
from mpmd.schedule.steps import Schedule, StepOp
from mpmd.schedule.text import print_schedule
from tests.generate import Generated, kernels
from tests.host.example_kernels import example, scheduled
from tests.machines import toy
from tests.mutants import assert_irredundant, is_refused, primitive_mutants, shared_flags

COUNTER = Primitive("counter", 1 << 20, 1 << 30, 1e-7, 3e-7)
WORD = Primitive("word", 1 << 10, 1 << 30, 5e-8, 3e-7, kind="word")
FLAG = Primitive("flag", 3, 15, 1e-8, 1e-8, kind="flag", scope="group")

N, R = mpmd.dims("N R")


def machine(*primitives: Primitive, cores: int = 4, **changes: object) -> Machine:
    return toy(cores, group=2, primitives=primitives, **changes)


THREE = machine(COUNTER, WORD, FLAG)
NO_COUNTER = machine(WORD, FLAG)
MEETING = machine(COUNTER, WORD, FLAG, barrier_seconds=1e-8)


@mpmd.task
def step(x: In[f32, N], y: Out[f32, N]):
    y[:] = x[:] * 2.0 + 1.0


@mpmd.task
def total(x: In[f32, R, N], y: Out[f32, N]):
    y[:] = x[:].sum(0)


@mpmd.kernel
def chain(x: In[f32, N], y: Out[f32, N]):
    """Each task on the next core."""
    held = [x, *(mpmd.empty((16,), f32) for _ in range(8))]
    for k in range(8):
        step(held[k], held[k + 1], core=k % 4)
    step(held[8], y, core=0)


@mpmd.kernel
def exchange(x: In[f32, R, N], y: Out[f32, R, N]):
    """Rounds in which every core reads what every core wrote."""
    a, b = mpmd.empty((4, 16), f32), mpmd.empty((4, 16), f32)
    for k in range(4):
        step(x[k], a[k], core=k)
    for k in range(4):
        total(a, b[k], core=k)
    for k in range(4):
        total(b, y[k], core=k)


@mpmd.kernel
def looped(x: InOut[f32, N], y: InOut[f32, N]):
    """Two cores hand over to each other in every iteration."""
    for _ in mpmd.loop(5):
        step(x, y, core=0)
        step(y, x, core=1)


def graph_of(kernel: mpmd.Kernel, machine: Machine, *shapes: tuple[int, ...]) -> TaskGraph:
    given = arguments(kernel, [mpmd.spec(f32, shape) for shape in shapes], {})
    program = trace(kernel.function, specs_of(kernel, given))
    return partition(program, machine)


def kinds(result: Schedule) -> list[str]:
    return [result.machine.primitives[number].kind for number in result.primitive.tolist()]


def proved(kernel: mpmd.Kernel, machine: Machine, *shapes: tuple[int, ...], policy: str = "heft") -> Schedule:
    result = schedule(graph_of(kernel, machine, *shapes), machine, policy=policy)
    assert_irredundant(pack(result), machine)
    return result


# -- the cheapest that the shape allows ---------------------------------------------------------------


def test_one_primitive_is_all_there_is() -> None:
    result = proved(chain, toy(4), (16,), (16,))
    assert set(kinds(result)) == {"counter"} and set(result.flag.tolist()) == {-1}


def test_neighbours_have_flags_and_others_words() -> None:
    """Cores 0 and 1 are a group, 2 and 3 another: every other edge of the chain is within one."""
    result = proved(chain, THREE, (16,), (16,))
    assert kinds(result) == ["flag", "word"] * 4
    assert result.flag.tolist() == [0, -1, 0, -1] * 2


def test_schedules_say_what_an_event_is() -> None:
    text = print_schedule(schedule(graph_of(chain, THREE, (16,), (16,)), THREE))
    assert "sync: 8 events (4 words, 4 flags), 8 signals, 8 waits (8 before pruning), 0 barriers\n" in text
    reason = "step#0 → step#1 via "
    signal, wait = (line for line in text.splitlines() if reason in line)
    assert signal.startswith("  signal e0 (flag 0)  // step#0") and wait.startswith(
        "  wait e0 (flag 0), takes 1  //"
    )
    assert "  signal e1 (word)  // step#1 → step#2" in text and "  wait e1 (word) ≥ 1  // step#1" in text


def test_events_of_several_signallers_are_counters() -> None:
    result = proved(exchange, machine(COUNTER, WORD), (4, 16), (4, 16))
    assert set(kinds(result)) == {"counter"} and result.events == 2


def test_without_counters_every_signaller_has_an_event_of_its_own() -> None:
    result = proved(exchange, machine(WORD), (4, 16), (4, 16))
    assert kinds(result) == ["word"] * 8
    assert (result.op == StepOp.WAIT).sum() == 24


def test_what_is_cheaper_decides() -> None:
    dear = replace(FLAG, wait_seconds=1e-6)
    assert set(kinds(proved(chain, machine(COUNTER, WORD, dear), (16,), (16,)))) == {"word"}


def test_words_run_out() -> None:
    few = machine(COUNTER, replace(WORD, limit=3))
    assert kinds(proved(chain, few, (16,), (16,))) == ["word"] * 3 + ["counter"] * 5


def test_what_every_event_can_use_runs_out_too() -> None:
    with pytest.raises(CapacityError) as error:
        schedule(graph_of(chain, THREE, (16,), (16,)), machine(replace(WORD, limit=3)))
    assert error.value.message == "kernel 'chain' needs 8 events; 'toy' has 3 words"


# -- flags --------------------------------------------------------------------------------------------


@mpmd.kernel
def ahead(x: In[f32, N], y: Out[f32, R, N]):
    """Core 0 makes all that core 1 reads, which may be late."""
    made = mpmd.empty((6, 16), f32)
    for k in range(6):
        step(x, made[k], core=0)
    for k in range(6):
        step(made[k], y[k], core=1)


def test_flags_run_out() -> None:
    """Nothing says that an event is over before the next one, so each needs a flag of its own."""
    result = proved(ahead, THREE, (16,), (6, 16))
    assert kinds(result) == ["flag"] * 3 + ["word"] * 3
    assert result.flag.tolist() == [0, 1, 2, -1, -1, -1]


def test_in_a_loop_flags_do_not_lead_from_one_iteration_to_the_next() -> None:
    """What core 1 gives back is waited for in the next iteration: that is a word."""
    result = proved(looped, THREE, (16,), (16,))
    assert sorted(kinds(result)) == ["flag", "word"]
    assert check(pack(result), THREE).flags == 1


@mpmd.kernel
def back_and_forth(x: InOut[f32, N], y: InOut[f32, N], z: InOut[f32, N]):
    """Each iteration hands over four times; all but the last within it."""
    for _ in mpmd.loop(50):
        step(x, y, core=0)
        step(y, z, core=1)
        step(z, x, core=0)
        step(x, y, core=1)


def test_in_a_loop_one_flag_serves_again_in_the_next_iteration() -> None:
    result = proved(back_and_forth, THREE, (16,), (16,), (16,))
    flags = [flag for flag in result.flag.tolist() if flag >= 0]
    assert len(flags) > len(set(flags))


def test_two_flags_are_one_only_where_one_is_over_before_the_other() -> None:
    tables = pack(schedule(graph_of(ahead, THREE, (16,), (6, 16)), THREE))
    found = dict(shared_flags(tables, THREE))
    assert len(found) == 3
    for what, mutated in found.items():
        assert is_refused(mutated, THREE, (FlagReuseError,)), what


# -- barriers -----------------------------------------------------------------------------------------


def test_where_all_cores_wait_for_all_a_barrier_may_be_cheaper() -> None:
    result = proved(exchange, MEETING, (4, 16), (4, 16))
    assert result.events == 0 and (result.op == StepOp.BARRIER).sum() == 2 * 4
    dear = replace(MEETING, barrier_seconds=1e-3)
    assert proved(exchange, dear, (4, 16), (4, 16)).events == 2


def test_a_barrier_costs_what_cores_wait_longer() -> None:
    """Nobody waits for all in a chain, so no barrier is tried."""
    result = proved(chain, MEETING, (16,), (16,))
    assert (result.op == StepOp.BARRIER).sum() == 0


@pytest.mark.parametrize("m", [THREE, NO_COUNTER, MEETING], ids=["counters", "no counters", "barriers"])
@pytest.mark.parametrize("name", ["mlp", "jacobi", "moe_layer"])
def test_examples_need_all_their_sync(name: str, m: Machine) -> None:
    kernel, specs = example(name)
    tables = pack(scheduled(kernel, specs, m))
    assert_irredundant(tables, m)
    for what, mutated, expected in primitive_mutants(tables, m):
        assert is_refused(mutated, m, expected), what


# -- everything at once -------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(kernels(), st.sampled_from([THREE, NO_COUNTER, MEETING, machine(COUNTER, FLAG)]), st.integers(2, 4))
def test_random_kernels_are_proved_with_every_primitive_and_need_all_their_sync(
    case: Generated, m: Machine, cores: int
) -> None:
    note(case.source)
    kernel = case.define()
    program = trace(kernel.function, specs_of(kernel, {**case.arrays, **case.scalars}))
    tables = pack(schedule(partition(program, m), m, cores=cores))
    assert_irredundant(tables, m)
    for what, mutated, expected in primitive_mutants(tables, m):
        assert is_refused(mutated, m, expected), what
