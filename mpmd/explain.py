"""`mpmd.explain`: what each decision of the compiler won or lost for a kernel, and what holds it up.

In:  a kernel and its arguments or their specs (or a compiled kernel, or a program), a machine.
Out: an `Explanation`: predicted times, and measured ones if asked for, as text and as JSON.
Not here: the schedules that are compared (`ablation.py`), launching them (`measure.py`), the model
(`schedule/simulate.py`), words (`explain_text.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mpmd.ablation import planned, variants
from mpmd.errors import ArgumentError, CapacityError, LanguageError, PlacementError, Span
from mpmd.explain_text import sentences, text
from mpmd.lang.frames import caller_span
from mpmd.lang.kernel.trace import trace
from mpmd.lang.program import Program
from mpmd.machine import Machine
from mpmd.machine.presets import this_cpu
from mpmd.measure import in_turns
from mpmd.pipeline import CompiledKernel, Kernel, arguments, specs_of
from mpmd.schedule.critical import critical_path
from mpmd.schedule.least import least
from mpmd.schedule.report import (
    MemoryReport,
    SyncReport,
    Waited,
    memory_report,
    sync_report,
    worst_waits,
)
from mpmd.schedule.simulate import simulate
from mpmd.schedule.steps import Schedule, StepOp
from mpmd.search import AS_WRITTEN, SEARCHED, Choice, decide
from mpmd.timeline import Trace

REFUSALS = (CapacityError, LanguageError, PlacementError)
"""What a variant may be refused for where the kernel itself is not."""

BOUNDS = {
    "critical path": "critical_path",
    "work": "work",
    "memory bandwidth": "bandwidth",
    "stages": "stages",
}
"""What bounds all schedules, and the fields of `schedule.bounds.Bounds`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A variant of the kernel (`about` is empty for the kernel itself): seconds, waits, bytes of the arena.

    Of the predicted seconds, those on the critical path are `run`, `sync` or `launch`; where a loop is long
    they stand for all its iterations.
    """

    about: str
    name: str
    predicted: float
    measured: float | None
    run: float
    sync: float
    launch: float
    waits: int
    arena_bytes: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A variant that there is not, and why."""

    about: str
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """`own` is the kernel as it is compiled, `others` what it is compared with.

    `bounds` are seconds that no schedule takes less than, by what they follow from. `shares` are the seconds
    of the prediction by what they are for: the largest bound, "launch", and of the rest "sync" on the
    critical path and "imbalance": cores with nothing to do, caches of no use. The `bottleneck` is the
    largest of them.
    """

    kernel: str
    place: Span
    machine: str
    cores: int
    tasks: int
    own: Outcome
    others: tuple[Outcome, ...]
    refused: tuple[Refusal, ...]
    bounds: dict[str, float]
    shares: dict[str, float]
    waits: tuple[Waited, ...]
    sync: SyncReport
    memory: MemoryReport

    @property
    def bottleneck(self) -> str:
        return max(self.shares, key=lambda name: self.shares[name])

    @property
    def bound(self) -> tuple[str, float]:
        """The largest bound: what it follows from, and its seconds."""
        name = max(self.bounds, key=lambda name: self.bounds[name])
        return name, self.bounds[name]

    def about(self, name: str) -> tuple[Outcome, ...]:
        """The variants that differ in this."""
        return tuple(other for other in self.others if other.about == name)

    def as_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "place": str(self.place),
            "bottleneck": self.bottleneck,
            "sentences": list(sentences(self)),
            "waits": [waited.as_json() for waited in self.waits],
        }

    def __str__(self) -> str:
        return text(self)


def explain(
    kernel: Kernel | CompiledKernel | Program,
    *args: Any,
    machine: Machine | None = None,
    choice: Choice | str | None = SEARCHED,
    measure: bool = False,
) -> Explanation:
    """What each decision for this kernel is worth, on this CPU or on `machine`.

    `args` are a kernel's arguments, or their specs; `choice` is as for `mpmd.compile`, and that of a compiled
    kernel is its own. With `measure=True`, which takes arrays, all variants also run here, in turns, on a
    copy of them.
    """
    on = this_cpu() if machine is None else machine
    program = _program(kernel, args)
    decided = decide(
        kernel.choice if isinstance(kernel, CompiledKernel) else choice, AS_WRITTEN, caller_span()
    )
    choice = decided.choice(program, on)
    if choice.cores is not None:
        on = on.with_cores(choice.cores)
    own = planned(program, choice, on)
    names, plans, refused = [("", "as compiled")], [own], []
    for variant in variants(program, choice, on, own):
        plan = _planned_or_why(variant.plan)
        if isinstance(plan, str):
            refused.append(Refusal(variant.about, variant.name, plan))
        else:
            names.append((variant.about, variant.name))
            plans.append(plan)
    measured = in_turns(kernel, args, choice, plans) if measure else [None] * len(plans)
    traces = [simulate(plan) for plan in plans]
    outcomes = [
        _outcome(*name, plan, seen, seconds)
        for name, plan, seen, seconds in zip(names, plans, traces, measured, strict=True)
    ]
    return _explanation(own, traces[0], outcomes, refused)


def _program(kernel: Kernel | CompiledKernel | Program, args: Sequence[Any]) -> Program:
    """What is to be explained."""
    if isinstance(kernel, Program):
        return kernel
    if isinstance(kernel, CompiledKernel):
        return kernel.program
    if isinstance(kernel, Kernel):
        specs = specs_of(kernel, arguments(kernel, args, {}), kernel.dynamic)
        return trace(kernel.function, specs, kernel.dynamic)
    raise ArgumentError(
        f"mpmd.explain takes a kernel, not {kernel!r}",
        span=caller_span(),
        label="not a kernel",
        hints=("decorate the function with @mpmd.kernel",),
    )


def _planned_or_why(plan: Callable[[], Schedule]) -> Schedule | str:
    try:
        return plan()
    except REFUSALS as refused:
        return refused.message


def _outcome(about: str, name: str, plan: Schedule, seen: Trace, measured: float | None) -> Outcome:
    path = critical_path(plan, seen)
    shown = seen.makespan - path.unseen
    times = seen.makespan / shown if shown > 0 else 1.0
    return Outcome(
        about=about,
        name=name,
        predicted=seen.makespan,
        measured=measured,
        run=path.run * times,
        sync=path.sync * times,
        launch=path.launch * times,
        waits=int((plan.op == StepOp.WAIT).sum()),
        arena_bytes=plan.memory.arena_bytes,
    )


def _explanation(
    plan: Schedule, seen: Trace, outcomes: Sequence[Outcome], refused: Sequence[Refusal]
) -> Explanation:
    own = outcomes[0]
    limits = least(plan.graph, plan.machine)
    bounds: dict[str, float] = {name: getattr(limits, field) for name, field in BOUNDS.items()}
    above = max(0.0, own.predicted - own.launch - max(bounds.values()))
    sync = min(own.sync, above)
    shares = {"launch": own.launch, "sync": sync, "imbalance": above - sync}
    shares[max(bounds, key=lambda name: bounds[name])] = own.predicted - sum(shares.values())
    return Explanation(
        kernel=plan.graph.program.name,
        place=plan.graph.program.span,
        machine=plan.machine.name,
        cores=plan.cores,
        tasks=len(plan.graph),
        own=own,
        others=tuple(outcomes[1:]),
        refused=tuple(refused),
        bounds=bounds,
        shares=shares,
        waits=worst_waits(plan, seen),
        sync=sync_report(plan, seen),
        memory=memory_report(plan),
    )
