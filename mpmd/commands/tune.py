"""`mpmd tune SCRIPT`: try out, for each kernel that it compiles, what else it could be, and keep the fastest.

In:  a script. Out: a line per kernel, or JSON with all trials; a progress bar on standard error.
Not here: how it is tried (`tuning.py`), where it is kept (`tuned.py`).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from mpmd.commands.script import require_kernels, run_script
from mpmd.commands.show import Table, bars, show
from mpmd.errors import ArgumentError
from mpmd.lang.types import TensorSpec
from mpmd.pipeline import Compilation
from mpmd.tuning import Tuning, summary
from mpmd.tuning import tune as tuned


def tune(script: Path, arguments: list[str], *, trials: int, as_json: bool) -> int:
    """The exit status of the script."""
    outcome = run_script(script, arguments, quiet=as_json)
    found = require_kernels(outcome, script)
    with bars() as bar:
        tunings = [_tuned(done, trials, bar) for done in found]
    rows = [(t.kernel, f"{t.ratio:.3f}", str(len(t.trials)), summary(t.best.choice)) for t in tunings]
    text = Table(("kernel", "of the time", "trials", "choice"), rows, left=("choice",))
    show([text], [_facts(t) for t in tunings], as_json=as_json)
    return outcome.status


def _tuned(done: Compilation, trials: int, bar: Progress) -> Tuning:
    name = done.kernel.__name__
    task = bar.add_task(name, total=trials)

    def progress(tried: int, most: int, text: str) -> None:
        bar.update(task, completed=tried, total=most, description=f"{name}: {text}")

    arguments = [_value(value, done) for value in done.arguments]
    result = tuned(done.kernel, done.specs, arguments, dynamic=done.dynamic, trials=trials, progress=progress)
    bar.update(task, completed=trials)
    return result


def _value(value: Any, done: Compilation) -> Any:
    """An argument; random numbers where the kernel was compiled for shapes alone."""
    if isinstance(value, TensorSpec):
        return _made_up(value)
    if value is not None:
        return value
    raise ArgumentError(
        f"kernel '{done.kernel.__name__}' was compiled for shapes alone, and scalars cannot be made up",
        span=done.compiled.program.span,
        hints=("let the script call the kernel itself, or give mpmd.compile the arguments of a launch",),
    )


def _made_up(spec: TensorSpec) -> np.ndarray[Any, Any]:
    dtype = spec.dtype.numpy
    if spec.dtype.is_integer:
        return np.zeros(spec.shape, dtype)
    return np.random.default_rng(0).standard_normal(spec.shape, np.float32).astype(dtype)


def _facts(tuning: Tuning) -> dict[str, Any]:
    return {
        "kernel": tuning.kernel,
        "ratio": tuning.ratio,
        "choice": tuning.best.choice.to_json(),
        "kept": str(tuning.path),
        "trials": [{**asdict(trial), "choice": trial.choice.to_json()} for trial in tuning.trials],
    }
