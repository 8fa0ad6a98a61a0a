"""How a launch ended early, told in the user's terms.

In:  the pool's `Result`, the tables, and the notes of the `LaunchInfo`.
Out: the `Diagnostic` to raise. Not here: deciding that a launch hangs (`native/pool.cpp`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mpmd.codegen.launch_values import Refusal
from mpmd.codegen.sections import sections
from mpmd.codegen.source import KernelSource, LaunchInfo, StepNote
from mpmd.codegen.tables import HEADER_WORDS
from mpmd.errors import NO_SPAN, ArgumentError, BoundsError, Diagnostic, LaunchError, Note
from mpmd.runtime import pool
from mpmd.schedule.steps import StepOp

_NO_LIMIT = -1
"""The limit of a failed check of an extent (`check_extent` of check.h)."""
_OTHER_EXTENT = -2
"""The limit of a token that has another extent than the receiver asks for (channel.h)."""
_PARTLY = "what the kernel writes may be partly written"

_PLAIN = {
    pool.NESTED: ("was called from a signal handler during a launch", "call it after the launch"),
    pool.NO_THREADS: ("could not start its worker threads", "compile it with fewer cores"),
    pool.NO_MEMORY: ("had not enough memory for its arguments", "free some memory"),
    pool.INTERRUPTED: ("was interrupted", _PARTLY),
}


def launch_error(
    info: LaunchInfo, tables: bytes, result: pool.Result, scalars: Mapping[str, int | float]
) -> Diagnostic:
    """Why the launch that gave `result` ended."""
    if result.status == pool.FAILED_CHECK:
        return _failed_check(info, result.failure)
    if result.status == pool.FAILED_GUARD:
        return _failed_guard(info, result.guard, scalars)
    if result.status == pool.FAILED_LATE_GUARD:
        return _failed_late_guard(info, result.failure)
    if result.status == pool.ENDLESS_LOOP:
        return _endless_loop(info, result.guard, scalars)
    if result.status == pool.HANG:
        return _hang(info, tables, result)
    if result.status == pool.SCALAR_OVERFLOW:
        return ArgumentError(
            f"the scalars of kernel '{info.kernel}' are too large: an offset leaves 64 bits",
            span=info.scalars[0].span if info.scalars else NO_SPAN,
            label=_values(scalars),
        )
    return plain_error(info, result.status)


def launch_refused(source: KernelSource, refusal: Refusal, scalars: Mapping[str, int | float]) -> Diagnostic:
    """A launch that was not made."""
    result = pool.Result(status=pool.SCALAR_OVERFLOW)
    if refusal.guard is not None:
        result = pool.Result(status=pool.FAILED_GUARD, guard=refusal.guard)
    elif refusal.loop is not None:
        steps = sections(source.tables).steps
        at = np.flatnonzero((steps[:, 0] == StepOp.LOOP) & (steps[:, 1] == refusal.loop))[0]
        result = pool.Result(status=pool.ENDLESS_LOOP, guard=int(at))
    return launch_error(source.launch, source.tables, result, scalars)


def plain_error(info: LaunchInfo, status: int) -> LaunchError:
    """A status that has nothing to add."""
    text, hint = _PLAIN[status]
    return LaunchError(f"kernel '{info.kernel}' {text}", span=NO_SPAN, hints=(hint,))


def _failed_check(info: LaunchInfo, failure: pool.Failure) -> BoundsError:
    note = info.checks[failure.check]
    label = f"at run time, on core {failure.core} of kernel '{info.kernel}'"
    if failure.limit == _NO_LIMIT:
        text = f"{note.text}: {failure.extent} is negative"
        return BoundsError(text, span=note.span, label=label, hints=(_PARTLY,))
    if failure.limit == _OTHER_EXTENT:
        text = f"{note.text}: {failure.value} elements were sent, {failure.extent} are received"
        return BoundsError(text, span=note.span, label=label, hints=(_PARTLY,))
    last = failure.value + failure.extent
    given = f"{failure.value}" if failure.extent == 1 else f"{failure.value}:{last}"
    return BoundsError(
        f"{note.text}: {given} is outside 0:{failure.limit}",
        span=note.span,
        label=label,
        hints=(_PARTLY,),
    )


def _failed_late_guard(info: LaunchInfo, failure: pool.Failure) -> BoundsError:
    note = info.checks[failure.check]
    return BoundsError(
        f"it does not hold that {note.text}",
        span=note.span,
        label=f"at run time, on core {failure.core} of kernel '{info.kernel}'",
        hints=(_PARTLY,),
    )


def _endless_loop(info: LaunchInfo, step: int, scalars: Mapping[str, int | float]) -> LaunchError:
    note = _note(info, step)
    return LaunchError(
        f"{note.text} has too many iterations for one launch: {_values(scalars)}",
        span=note.span,
        label=f"in kernel '{info.kernel}', whose counters have 32 bits",
        hints=("launch the kernel several times, with fewer iterations each",),
    )


def _failed_guard(info: LaunchInfo, guard: int, scalars: Mapping[str, int | float]) -> BoundsError:
    note = info.guards[guard]
    return BoundsError(
        f"kernel '{info.kernel}' refuses {_values(scalars)}: {note.text}",
        span=note.span,
        label="leaves its tensor",
        hints=("nothing was run",),
    )


def _values(scalars: Mapping[str, int | float]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in scalars.items())


def _hang(info: LaunchInfo, tables: bytes, result: pool.Result) -> LaunchError:
    places = [(core, result.waiting[core]) for core in range(result.cores)] if result.waiting else []
    waiting = [(core, state) for core, state in places if state.place >= 0]
    steps = step_rows(tables)
    notes = tuple(
        Note(_note(info, state.place).span, f"core {core}, {_wait(info, steps, state)}")
        for core, state in waiting
    )
    done = [str(core) for core, state in places if state.place == pool.DONE]
    finished = f"; finished: {', '.join(done)}" if done else ""
    return LaunchError(
        f"the launch of kernel '{info.kernel}' hangs: no core can go on{finished}",
        span=notes[0].span if notes else NO_SPAN,
        label="waits for what nobody signals",
        related=notes,
        hints=("the schedule is wrong, not your program: please report it", _PARTLY),
    )


def _wait(info: LaunchInfo, steps: np.ndarray, state: pool.Waiting) -> str:
    """What a core waits for, with what there is of it."""
    op, a, _, _ = (int(value) for value in steps[state.place])
    place = f"step {state.place}" + (f" of iteration {state.iteration}" if state.iteration >= 0 else "")
    what = _note(info, state.place).text
    if state.ring >= 0:
        full = f"is full, with {state.have} tokens" if state.have else "is empty"
        return f"{place}: ring {state.ring} {full}: {what}"
    if op == StepOp.BARRIER:
        return f"{place}: barrier {a} has {state.have} of {state.need} cores"
    if op == StepOp.END:
        return f"{place}: the end of the iteration has {state.have} of {state.need} cores"
    return f"{place}: event {a} has {state.have} of {state.need}: {what}"


def _note(info: LaunchInfo, step: int) -> StepNote:
    return info.steps[step] if step < len(info.steps) else StepNote("no note", NO_SPAN)


def step_rows(tables: bytes) -> np.ndarray:
    """The step rows: op, a, b, reason."""
    header = np.frombuffer(tables, "<i8", HEADER_WORDS)
    cores, steps = int(header[2]), int(header[3])
    start = HEADER_WORDS * 8 + -(-(cores + 1) * 4 // 8) * 8
    return np.frombuffer(tables, "<i4", steps * 4, start).reshape(steps, 4)
