"""Predicted against measured time of launches, of kernels that the calibration has not seen.

In:  nothing; this computer is calibrated first, since others change what it can do. Out: rows.
Not here: the kernels (`unseen.py`), the model (`mpmd/schedule/costs.py`, `simulate.py`).

A prediction is what `simulate` says, for a launch whose data is where the launch before left it. Measured is
the median of many launches; those are taken in small lots, each between two probes of the machine's limits.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import numpy as np

import mpmd
from bench.measure import Probe
from bench.rows import Row, spread
from bench.unseen import Case, cases
from mpmd.calibrate import calibrate
from mpmd.machine import saved
from mpmd.schedule.simulate import simulate

LOTS = 5
LOT_SECONDS = 0.05
LEAST, MOST = 5, 200
"""Launches in a lot."""


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder, _machine(Path(folder) / "machine.json"):
        probe = Probe()
        errors: list[float] = []
        for case in cases():
            row = _row(case, probe)
            errors.append(abs((row.ratio or 0.0) - 1.0))
            yield row
    many = f"{len(errors)} kernels"
    yield Row("all", "error of the prediction, median", "", float(np.median(errors)), note=many)
    yield Row("all", "error of the prediction, p90", "", float(np.quantile(errors, 0.9)), note=many)


@contextmanager
def _machine(path: Path) -> Iterator[None]:
    """Kernels are compiled for the computer as it is now, and the user's own calibration stays as it is."""
    saved.write(calibrate(save=False), path)
    before = os.environ.get(saved.VARIABLE)
    os.environ[saved.VARIABLE] = str(path)
    try:
        yield
    finally:
        os.environ.pop(saved.VARIABLE)
        if before is not None:
            os.environ[saved.VARIABLE] = before


def _row(case: Case, probe: Probe) -> Row:
    kernel = mpmd.compile(case.kernel, *case.args)
    predicted = simulate(kernel.schedule, scalars=case.scalars).makespan
    samples = [probe.sample(lambda: _lot(case, kernel)) for _ in range(LOTS)]
    quiet = [sample.seconds for sample in probe.quiet(samples)]
    measured = statistics.median(quiet)
    return Row(
        case=case.name,
        metric="time of a launch, predicted",
        unit="µs",
        ours=predicted * 1e6,
        peer="measured",
        peer_value=measured * 1e6,
        ratio=predicted / measured,
        spread=spread(quiet),
        noisy=probe.noisy(samples),
        note=f"makespan by placement {kernel.schedule.makespan * 1e6:.4g} µs",
    )


def _lot(case: Case, kernel: mpmd.CompiledKernel) -> float:
    """The median of a lot of launches, after one that warms up."""
    seconds: list[float] = []
    ends = perf_counter() + LOT_SECONDS
    while len(seconds) <= LEAST or (perf_counter() < ends and len(seconds) <= MOST):
        case.renew()
        started = perf_counter()
        kernel(*case.args)
        seconds.append(perf_counter() - started)
    return statistics.median(seconds[1:])
