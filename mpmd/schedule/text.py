"""A schedule as text, for people: core by core, with the reason of every signal and wait.

In:  a `Schedule`. Out: text, the same for the same schedule everywhere.
Not here: the notes of single steps that reports show at run time (each emitter makes them).
"""

from __future__ import annotations

from mpmd.partition.graph import LoopInfo
from mpmd.schedule.steps import LAUNCH_ENDS, Schedule, Step, StepOp


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
    if step.op is StepOp.DRAIN:
        return f"drain d{step.a}  // {_listed(schedule, schedule.drains[step.a].tasks)}"
    if step.op is StepOp.PREFETCH:
        return f"prefetch {schedule.graph.task_name(step.a)}, {step.b} bytes of each argument"
    if step.op is StepOp.LOOP:
        return f"loop {_loops(schedule)[step.a].name}"
    if step.op is StepOp.END:
        return f"end {_loops(schedule)[step.a].name}, {step.b} steps"
    reason = "all cores meet"
    if step.reason >= 0:
        reason = schedule.graph.dep(step.reason, schedule.deps).reason
    if step.op is StepOp.BARRIER and step.b == LAUNCH_ENDS:
        return f"launch ends, barrier {step.a}"
    if step.op is StepOp.BARRIER:
        return f"barrier {step.a}  // {reason}"
    if step.op is StepOp.SIGNAL:
        amount = f" +{step.b}" if step.b != 1 else ""
        return f"signal {event_text(schedule, step.a)}{amount}  // {reason}"
    return f"wait {_needed(schedule, step)}  // {reason}"


def event_text(schedule: Schedule, event: int) -> str:
    """`e4`; `e4 (word)` or `e4 (flag 2)` where it is no counter."""
    number, flag = int(schedule.primitive[event]), int(schedule.flag[event])
    if number == 0:
        return f"e{event}"
    name = schedule.machine.primitives[number].name
    return f"e{event} ({name} {flag})" if flag >= 0 else f"e{event} ({name})"


def _needed(schedule: Schedule, step: Step) -> str:
    """In a loop, what an iteration `i` waits for: counters go on growing. What is taken from a flag."""
    name = event_text(schedule, step.a)
    if schedule.flag[step.a] >= 0:
        return f"{name}, takes {step.b}"
    if schedule.event_loop[step.a] < 0:
        return f"{name} ≥ {step.b}"
    signals = (schedule.op == StepOp.SIGNAL) & (schedule.a == step.a)
    plus = f" + {step.b}" if step.b > 0 else f" − {-step.b}" if step.b < 0 else ""
    return f"{name} ≥ {int(schedule.b[signals].sum())}·i{plus}"


def _loops(schedule: Schedule) -> list[LoopInfo]:
    return [phase.loop for phase in schedule.graph.phases if phase.loop is not None]


def _listed(schedule: Schedule, tasks: tuple[int, ...]) -> str:
    name = schedule.graph.task_name
    return name(tasks[0]) if len(tasks) == 1 else f"{name(tasks[0])} … {name(tasks[-1])}, {len(tasks)} tasks"


def _summary(schedule: Schedule) -> list[str]:
    program = schedule.graph.program
    counts = {op: int((schedule.op == op).sum()) for op in StepOp}
    barriers = counts[StepOp.BARRIER] // schedule.cores
    phases = [_phase(number, phase.loop) for number, phase in enumerate(schedule.graph.phases)]
    return [
        f"schedule of {program.name}: {len(schedule.graph)} tasks on {schedule.cores} cores of "
        f"{schedule.machine.name}, {_microseconds(schedule.makespan)} predicted",
        f"sync: {_events(schedule)}, {counts[StepOp.SIGNAL]} signals, {counts[StepOp.WAIT]} waits "
        f"({schedule.waits_before_pruning} before pruning), {barriers} barriers",
        *(phases if len(phases) > 1 or any(phase.loop for phase in schedule.graph.phases) else ()),
    ]


def _events(schedule: Schedule) -> str:
    """`7 events`; `7 events (4 flags, 3 words)` where some are no counters."""
    names = [primitive.name for primitive in schedule.machine.primitives]
    count = [int((schedule.primitive == number).sum()) for number in range(len(names))]
    listed = ", ".join(f"{n} {name}s" for n, name in zip(count, names, strict=True) if n)
    return f"{schedule.events} events" + (f" ({listed})" if sum(count[1:]) else "")


def _phase(number: int, loop: LoopInfo | None) -> str:
    if loop is None:
        return f"phase {number}: straight"
    count = "a count of the launch" if loop.count.terms else str(loop.count.const)
    until = ", or until its flag is set" if loop.until is not None else ""
    return f"phase {number}: loop {loop.name}, {count}{until}"


def _memory(schedule: Schedule) -> list[str]:
    plan = schedule.memory
    lines = [
        f"memory: {plan.arena_bytes} bytes ({plan.unshared_bytes} without reuse, at least {plan.bound_bytes})"
    ]
    for tensor in schedule.graph.program.tensors:
        if not tensor.is_argument and tensor.base is None:
            offset = int(plan.offset[tensor.id])
            lines.append(f"  {tensor.name}: {offset} .. {offset + tensor.size_bytes}")
    for ring in schedule.rings:
        end = ring.offset + ring.depth * ring.slot_bytes
        name = schedule.graph.program.channels[ring.channel].name
        lines.append(
            f"  {name}, core {ring.producer} → {ring.consumer}: {ring.offset} .. {end}, "
            f"{ring.depth} × {ring.slot_bytes} bytes"
        )
    return lines


def _core(schedule: Schedule, core: int) -> list[str]:
    steps = schedule.steps(core)
    tasks = [step.a for step in steps if step.op is StepOp.RUN]
    busy = sum(float(schedule.finish[t] - schedule.start[t]) for t in tasks)
    lines = [f"core {core}: {len(tasks)} tasks, {_microseconds(busy)} busy"]
    deeper = False
    for step in steps:
        deeper = deeper and step.op is not StepOp.END
        text = "  " * deeper + step_text(schedule, step)
        deeper = deeper or step.op is StepOp.LOOP
        if step.op is StepOp.RUN:
            begin, end = (_microseconds(float(t[step.a])) for t in (schedule.start, schedule.finish))
            text += f"  [{begin} .. {end}]"
        lines.append(f"  {text}")
    return lines


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:.2f} µs"
