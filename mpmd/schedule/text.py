"""A schedule as text, for people: core by core, with the reason of every signal and wait.

In:  a `Schedule`. Out: text, the same for the same schedule everywhere.
Not here: the notes of single steps that reports show at run time (each emitter makes them).
"""

from __future__ import annotations

from mpmd.schedule.steps import Schedule, Step, StepOp


def print_schedule(schedule: Schedule) -> str:
    """The whole schedule: a summary, the memory plan, then the steps of each core."""
    lines = [*_summary(schedule), *_memory(schedule)]
    for core in range(schedule.cores):
        lines += _core(schedule, core)
    return "\n".join(lines) + "\n"


def step_text(schedule: Schedule, step: Step) -> str:
    """One step: "signal e4  // matmul#2 → gelu#5 via h (RAW)"."""
    if step.op is StepOp.RUN:
        return f"run {schedule.graph.task_name(step.a)}"
    reason = schedule.graph.dep(step.reason, schedule.deps).reason
    if step.op is StepOp.BARRIER:
        return f"barrier {step.a}  // {reason}"
    if step.op is StepOp.SIGNAL:
        amount = f" +{step.b}" if step.b != 1 else ""
        return f"signal e{step.a}{amount}  // {reason}"
    return f"wait e{step.a} ≥ {step.b}  // {reason}"


def _summary(schedule: Schedule) -> list[str]:
    program = schedule.graph.program
    counts = {op: int((schedule.op == op).sum()) for op in StepOp}
    barriers = counts[StepOp.BARRIER] // schedule.cores
    return [
        f"schedule of {program.name}: {len(schedule.graph)} tasks on {schedule.cores} cores of "
        f"{schedule.machine.name}, {_microseconds(schedule.makespan)} predicted",
        f"sync: {schedule.events} events, {counts[StepOp.SIGNAL]} signals, {counts[StepOp.WAIT]} waits "
        f"({schedule.waits_before_pruning} before pruning), {barriers} barriers",
    ]


def _memory(schedule: Schedule) -> list[str]:
    plan = schedule.memory
    lines = [
        f"memory: {plan.arena_bytes} bytes ({plan.unshared_bytes} without reuse, at least {plan.bound_bytes})"
    ]
    for tensor in schedule.graph.program.tensors:
        if not tensor.is_argument and tensor.base is None:
            offset = int(plan.offset[tensor.id])
            lines.append(f"  {tensor.name}: {offset} .. {offset + tensor.size_bytes}")
    return lines


def _core(schedule: Schedule, core: int) -> list[str]:
    steps = schedule.steps(core)
    tasks = [step.a for step in steps if step.op is StepOp.RUN]
    busy = sum(float(schedule.finish[t] - schedule.start[t]) for t in tasks)
    lines = [f"core {core}: {len(tasks)} tasks, {_microseconds(busy)} busy"]
    for step in steps:
        text = step_text(schedule, step)
        if step.op is StepOp.RUN:
            begin, end = (_microseconds(float(t[step.a])) for t in (schedule.start, schedule.finish))
            text += f"  [{begin} .. {end}]"
        lines.append(f"  {text}")
    return lines


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:.2f} µs"
