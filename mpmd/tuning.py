"""Finding the fastest choice for a kernel by trying choices out.

In:  a kernel and arguments. Out: `Tuning`; what was found and the log of trials on disk (`tuned.py`).
Not here: the choices and what they cost by prediction (`search.py`); the command (`commands/tune.py`).

From the kernel as it is compiled without tuning, the neighbours of the best choice so far are tried, those
with the shortest prediction first, until none is faster or the trials are used up. A trial launches both in
turn, and what counts is the median of the ratios: on a shared machine both are disturbed alike. A trial
that the log has is not made again, so that a tuning that was interrupted goes on where it was; choices that
come to the same code and tables are tried once. The best one is measured again before it is kept, because
the best of many noisy figures is too good. What a kernel writes is copied first; the caller's arrays stay.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from time import perf_counter
from typing import Any

from mpmd import tuned
from mpmd.errors import ArgumentError, Diagnostic
from mpmd.lang.frames import function_span
from mpmd.lang.kernel.dynamic import Bounds
from mpmd.lang.kernel.signature import flattened
from mpmd.lang.kernel.trace import trace
from mpmd.lang.program import Program
from mpmd.lang.types import Direction
from mpmd.machine import Machine
from mpmd.pipeline import CompiledKernel, Kernel, Specs, compile_specs
from mpmd.search import AS_WRITTEN, Choice, choices, predicted, search, under
from mpmd.targets import target as find_target
from mpmd.tuned import Trial

TRIALS = 24
"""How many choices are tried, unless the caller says otherwise."""

ROUNDS = 7
"""Launches of each of the two kernels of a trial: batches of them, where one launch is short."""

LAST_ROUNDS = 21
"""The same when the best choice is measured again."""

BATCH_SECONDS = 2e-3
"""A batch of launches takes at least so long, so that reading the clock costs nothing."""

LEAST_GAIN = 0.02
"""Share of its time by which a choice must be faster to take the place of another: below is noise."""

Progress = Callable[[int, int, str], None]
"""Told of every trial: how many are done, how many there may be, and what came of the last one."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was tried for a kernel. `best` has the plain compilation's choice if nothing was faster."""

    kernel: str
    plain: Choice
    best: Trial
    trials: tuple[Trial, ...]
    path: Path

    @property
    def ratio(self) -> float:
        """The best time over that of the plain compilation."""
        return _ratio(self.best)


def tune(
    kernel: Kernel,
    specs: Specs,
    arguments: Sequence[Any],
    *,
    dynamic: Bounds,
    target: str = "cpu",
    trials: int = TRIALS,
    progress: Progress = lambda done, most, text: None,
) -> Tuning:
    """Tries choices out with `arguments`, in the order of the kernel's parameters, and keeps the best one."""
    root = tuned.folder()
    span = function_span(kernel.function)
    if root is None:
        raise ArgumentError(
            "tuning is switched off", span=span, hints=(f"unset {tuned.VARIABLE}, or make it a folder",)
        )
    machine = find_target(target, span=span).machine(None)
    program = trace(kernel.function, specs, dynamic)
    subject = _Subject(kernel, specs, dynamic, target, program, machine, tuple(arguments))
    name = tuned.key(program, machine, target)
    plain = search(program, machine)
    trying = _Trying(subject, plain, {t.choice: t for t in tuned.noted(root, name)}, root, name)
    best, done = _climbed(subject, trying, plain, trials, progress)
    if best.choice != plain:
        again = trying.again(best)
        best = again if _ratio(again) < 1 - LEAST_GAIN else Trial(plain, best.predicted, (1.0,), ())
    path = tuned.keep(root, name, kernel.__name__, best)
    return Tuning(kernel.__name__, plain, best, tuple(done), path)


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is tuned."""

    kernel: Kernel
    specs: Specs
    dynamic: Bounds
    target: str
    program: Program
    machine: Machine
    arguments: tuple[Any, ...]

    def compiled(self, choice: Choice) -> CompiledKernel:
        return compile_specs(self.kernel, self.specs, dynamic=self.dynamic, target=self.target, choice=choice)

    def predicted(self, choice: Choice) -> float:
        """Seconds, by the cost model."""
        chosen = under(self.program, choice)
        cores = self.machine if choice.cores is None else self.machine.with_cores(choice.cores)
        return predicted(chosen.program, cores, tiles=chosen.tiles, policy=choice.policy)

    def neighbours(self, choice: Choice) -> list[tuple[Choice, float]]:
        """The choices next to one, the shortest prediction first."""
        near = list(dict.fromkeys([AS_WRITTEN, *choices(self.program, self.machine, base=choice)]))
        return sorted(((c, self.predicted(c)) for c in near if c != choice), key=lambda pair: pair[1])


def _climbed(
    subject: _Subject, trying: _Trying, plain: Choice, trials: int, progress: Progress
) -> tuple[Trial, list[Trial]]:
    """The best trial, and all of them: the neighbours of the best choice, until none is better."""
    best = Trial(plain, subject.predicted(plain), (1.0,), ())
    done: list[Trial] = []
    seen = {plain}
    queue = subject.neighbours(plain)
    while queue and len(done) < trials:
        choice, prediction = queue.pop(0)
        if choice in seen:
            continue
        seen.add(choice)
        trial = trying.of(choice, prediction)
        done.append(trial)
        if _ratio(trial) < (1 - LEAST_GAIN) * _ratio(best):
            best, queue = trial, subject.neighbours(choice)
        progress(len(done), trials, _described(trial))
    return best, done


class _Trying:
    """Trials against the kernel as it is compiled without tuning."""

    def __init__(
        self, subject: _Subject, plain: Choice, known: Mapping[Choice, Trial], root: Path, name: str
    ) -> None:
        self._subject, self._known, self._root, self._name = subject, known, root, name
        self._arguments = _copies(subject)
        self._plain = subject.compiled(plain)
        self._same = {_made(self._plain): Trial(plain, subject.predicted(plain), (1.0,), ())}
        self._launches = max(1, int(BATCH_SECONDS / max(self._batch(self._plain, 2), 1e-7)))

    def of(self, choice: Choice, prediction: float) -> Trial:
        """From the log, or made now and added to it."""
        if choice in self._known:
            return self._known[choice]
        trial = self._measured(choice, prediction)
        tuned.note(self._root, self._name, trial)
        return trial

    def _measured(self, choice: Choice, prediction: float) -> Trial:
        try:
            compiled = self._subject.compiled(choice)
            if _made(compiled) in self._same:
                return replace(self._same[_made(compiled)], choice=choice)
            self._batch(compiled, 1)
        except Diagnostic as error:
            return Trial(choice, prediction, (), (), error.message)
        trial = self._compared(compiled, choice, prediction, ROUNDS)
        self._same[_made(compiled)] = trial
        return trial

    def again(self, trial: Trial) -> Trial:
        """The same choice, measured for longer, and noted."""
        compiled = self._subject.compiled(trial.choice)
        longer = self._compared(compiled, trial.choice, trial.predicted, LAST_ROUNDS)
        tuned.note(self._root, self._name, longer)
        return longer

    def _compared(self, compiled: CompiledKernel, choice: Choice, prediction: float, rounds: int) -> Trial:
        ratios, seconds = [], []
        for _ in range(rounds):
            plain = self._batch(self._plain, self._launches)
            seconds.append(self._batch(compiled, self._launches))
            ratios.append(seconds[-1] / plain)
        return Trial(choice, prediction, tuple(ratios), tuple(seconds))

    def _batch(self, compiled: CompiledKernel, launches: int) -> float:
        """Seconds of one launch, the mean of so many in a row."""
        begin = perf_counter()
        for _ in range(launches):
            compiled(*self._arguments)
        return (perf_counter() - begin) / launches


def _copies(subject: _Subject) -> tuple[Any, ...]:
    """The arguments, with copies of those that hold an array which the kernel may write."""
    kernel = subject.kernel
    written = {t.name for t in subject.program.arguments if (t.direction or Direction.IN).writes}
    parts = flattened(
        kernel.__name__, kernel.params, subject.specs, span=function_span(kernel.function)
    ).parts
    holding = {part.path[0] for part in parts if part.name in written}
    return tuple(
        deepcopy(value) if parameter.name in holding else value
        for parameter, value in zip(kernel.params, subject.arguments, strict=True)
    )


def _made(compiled: CompiledKernel) -> tuple[object, ...]:
    """What is run: two choices that make the same are one."""
    return compiled.source.files, compiled.source.tables


def _ratio(trial: Trial) -> float:
    """Its time over that of the plain compilation; infinite if it did not run."""
    return statistics.median(trial.ratios) if trial.ratios else inf


def _described(trial: Trial) -> str:
    return trial.error or f"{_ratio(trial):.3f} of the time: {summary(trial.choice)}"


def summary(choice: Choice) -> str:
    """A choice in a line."""
    parts = [*choice.rewrites, *(f"{name}={size}" for name, size in choice.tiles)]
    plain = replace(choice, rewrites=(), tiles=())
    for field, text in (("policy", plain.policy), ("drain", plain.drain), ("cores", plain.cores)):
        if text != getattr(AS_WRITTEN, field):
            parts.append(f"{field}={text}")
    return ", ".join(parts) or "as written"
