"""Schedules that exist to be compared with: they are legal, and lack what they are to lack."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from loop_oracle import Play, body_of, conflicting, dependent, out_of_turn
from schedule_graphs import Spec, graph, loop, machine, phases
from schedule_laws import assert_framed
from test_schedule import locals_of, programs

from mpmd.schedule import memory
from mpmd.schedule.build import schedule
from mpmd.schedule.keep import keep_all
from mpmd.schedule.steps import Schedule, StepOp


def waits(planned: Schedule) -> int:
    return int((planned.op == StepOp.WAIT).sum())


@settings(max_examples=60, deadline=None)
@given(programs(), st.integers(1, 4), st.booleans(), st.booleans())
def test_without_pruning_all_is_in_order_and_every_inserted_wait_is_there(
    tasks: list[Spec], cores: int, looped: bool, share: bool
) -> None:
    g = graph(tasks, locals_of(tasks), phases=phases((len(tasks), loop() if looped else None)))
    m = machine(cores, cache_bytes=0 if share else 1 << 16)
    planned = schedule(g, m, policy="round_robin", keeping=keep_all)
    play = Play(planned, body_of(planned))
    assert play.ends and out_of_turn(play) == set()
    assert conflicting(planned) | dependent(planned) <= play.before
    assert_framed(planned)
    assert waits(planned) >= planned.waits_before_pruning >= waits(schedule(g, m, policy="round_robin"))
    if not looped:
        assert waits(planned) == planned.waits_before_pruning


@settings(max_examples=60, deadline=None)
@given(programs(), st.integers(1, 4))
def test_memory_is_shared_never_or_as_far_as_the_order_lets(tasks: list[Spec], cores: int) -> None:
    g, m = graph(tasks, locals_of(tasks)), machine(cores)
    apart = schedule(g, m, planning=memory.plan_apart).memory
    tight = schedule(g, m, planning=memory.plan_tightest)
    assert apart.arena_bytes == apart.unshared_bytes == tight.memory.unshared_bytes
    assert tight.memory.bound_bytes <= tight.memory.arena_bytes <= apart.arena_bytes
    play = Play(tight, body_of(tight))
    assert conflicting(tight) <= play.before
