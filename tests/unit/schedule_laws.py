"""The laws that every schedule keeps, as assertions by the oracle."""

from __future__ import annotations

from loop_oracle import Play, all_in_turn, body_of, conflicting, dependent, lessened, out_of_turn

from mpmd.schedule.steps import Schedule, StepOp


def assert_lawful(result: Schedule) -> None:
    """All that conflicts is ordered as in the program, and no piece of sync can go."""
    body = body_of(result)
    play = Play(result, body)
    assert play.ends
    needed = conflicting(result) | dependent(result)
    assert needed <= play.before
    assert all_in_turn(result) <= play.before
    assert out_of_turn(play) == set()
    for what, fewer in lessened(body):
        mutant = Play(result, fewer)
        assert not (needed <= mutant.before), f"{what} is redundant"
    assert_framed(result)


def assert_framed(result: Schedule) -> None:
    """LOOP and END on every core, every event in one loop and of one distance, barriers in order."""
    seen: dict[int, set[int]] = {}
    for core in range(result.cores):
        inside, begin, barriers = -1, 0, {-1: 0}
        for at, step in enumerate(result.steps(core)):
            if step.op == StepOp.LOOP:
                inside, begin = step.a, at
                barriers[inside] = 0
            elif step.op == StepOp.END:
                assert (step.a, step.b) == (inside, at - begin - 1)
                inside = -1
            elif step.op == StepOp.BARRIER:
                assert step.a == barriers[inside]
                barriers[inside] += 1
            elif step.op in (StepOp.SIGNAL, StepOp.WAIT):
                assert result.event_loop[step.a] == inside
                seen.setdefault(step.a, set())
                if step.op == StepOp.WAIT:
                    seen[step.a].add(step.b <= 0)
        assert inside == -1
    assert len(result.event_loop) == result.events == len(seen)
    assert all(len(distances) == 1 for distances in seen.values())
