"""Predicted against measured time of launches, of kernels that the calibration has not seen.

In:  nothing; this computer is calibrated first, since others change what it can do. Out: rows.
Not here: the kernels (`unseen.py`, `fresh.py`), the model (`mpmd/schedule/costs.py`, `simulate.py`).

A prediction is what `simulate` says, for a launch whose data is where the launch before left it. Launches are
taken in small lots, each between two probes of the machine's limits; those that the operating system
interrupted are left out, as far as there are others. Measured is a low quantile of a lot, as the calibration
takes it of what several cores do (others have the machine, too), and the median of the lots.
"""

from __future__ import annotations

import os
import resource
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import numpy as np

import mpmd
from bench import fresh, unseen
from bench.measure import Probe
from bench.rows import Row, spread
from bench.unseen import Case
from mpmd.calibrate import calibrate
from mpmd.calibration.timing import LOW
from mpmd.machine import saved
from mpmd.schedule.simulate import simulate

LOTS = 5
LOT_SECONDS, LONGEST_SECONDS = 0.05, 0.5
LEAST, MOST = 5, 200
"""Launches in a lot."""


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder, _machine(Path(folder) / "machine.json"):
        probe = Probe()
        errors: dict[str, list[float]] = {}
        for group, made in (("seen while the model was made", unseen.cases), ("fresh", fresh.cases)):
            for case in made():
                row = _row(case, probe)
                errors.setdefault(group, []).append(abs((row.ratio or 0.0) - 1.0))
                yield row
    errors["all"] = [error for group in errors.values() for error in group]
    for group, found in errors.items():
        many = f"{len(found)} kernels"
        yield Row(group, "error of the prediction, median", "", float(np.median(found)), note=many)
        yield Row(group, "error of the prediction, p90", "", float(np.quantile(found, 0.9)), note=many)


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
    whole: list[bool] = []

    def lot() -> float:
        seconds, undisturbed = _lot(case, kernel)
        whole.append(undisturbed)
        return seconds

    samples = [probe.sample(lot) for _ in range(LOTS)]
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
        noisy=probe.noisy(samples) or not all(whole),
        note=f"makespan by placement {kernel.schedule.makespan * 1e6:.4g} µs",
    )


def _lot(case: Case, kernel: mpmd.CompiledKernel) -> tuple[float, bool]:
    """A low quantile of a lot of launches, after one that warms up; and whether nothing interrupted them.

    Where the system gave a CPU to somebody else during a launch, the launch is left out, if enough are left.
    """
    seconds: list[float] = []
    whole: list[float] = []
    started = perf_counter()
    while len(seconds) <= LEAST or (len(whole) < MOST and perf_counter() < started + _patience(whole)):
        case.renew()
        before = _interruptions()
        began = perf_counter()
        kernel(*case.args)
        seconds.append(perf_counter() - began)
        if len(seconds) > 1 and _interruptions() == before:
            whole.append(seconds[-1])
    undisturbed = len(whole) >= LEAST
    return float(np.quantile(whole if undisturbed else seconds[1:], LOW)), undisturbed


def _patience(whole: list[float]) -> float:
    """Seconds for a lot: more as long as there are not enough launches without an interruption."""
    return LOT_SECONDS if len(whole) >= LEAST else LONGEST_SECONDS


def _interruptions() -> int:
    """How often a thread of this process had to leave its CPU to others."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
