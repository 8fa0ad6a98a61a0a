"""Predicted against measured time of launches, of kernels that the calibration has not seen.

In:  nothing; this computer is calibrated first, since others change what it can do. Out: rows.
Not here: the kernels (`unseen.py`, `fresh.py`), the model (`mpmd/schedule/costs.py`, `simulate.py`).

A prediction is what `simulate` says, for a launch whose data is where the launch before left it. Launches are
taken in small lots, each between two probes of the machine's limits, and the kernels take turns, so that a
slow minute does not meet one kernel alone; launches that the operating system interrupted are left out, as
far as there are others. Measured is the same low quantile, of launches and then of lots, that the calibration
takes: what the machine does while its other users leave it alone. The note has the median lot, too.
"""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import numpy as np

import mpmd
from bench import fresh, unseen
from bench.measure import Probe, Sample
from bench.rows import Row, spread
from bench.unseen import Case
from mpmd.calibrate import calibrate
from mpmd.calibration.timing import LOW
from mpmd.machine import saved
from mpmd.schedule.simulate import simulate

LOTS = 8
LOT_SECONDS, LONGEST_SECONDS = 0.05, 0.5
LEAST, MOST = 5, 200
"""Launches in a lot."""


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder, _machine(Path(folder) / "machine.json"):
        groups = {"seen while the model was made": unseen.cases(), "fresh": fresh.cases()}
        kernels = [_Measured(group, case) for group, cases in groups.items() for case in cases]
        probe = Probe()
        for _ in range(LOTS):
            for kernel in kernels:
                kernel.sample(probe)
    errors: dict[str, list[float]] = {"all": []}
    for kernel in kernels:
        row = kernel.row(probe)
        for group in ("all", kernel.group):
            errors.setdefault(group, []).append(abs((row.ratio or 0.0) - 1.0))
        yield row
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


class _Measured:
    """A kernel, compiled, and the lots of its launches so far."""

    def __init__(self, group: str, case: Case) -> None:
        self.group = group
        self._case = case
        self._kernel = mpmd.compile(case.kernel, *case.args)
        self._samples: list[Sample] = []
        self._whole = True

    def sample(self, probe: Probe) -> None:
        self._samples.append(probe.sample(self._lot_seconds))

    def row(self, probe: Probe) -> Row:
        plan = self._kernel.schedule
        predicted = simulate(plan, scalars=self._case.scalars).makespan
        lots = [sample.seconds for sample in probe.quiet(self._samples)]
        measured = float(np.quantile(lots, LOW))
        return Row(
            case=self._case.name,
            metric="time of a launch, predicted",
            unit="µs",
            ours=predicted * 1e6,
            peer="measured",
            peer_value=measured * 1e6,
            ratio=predicted / measured,
            spread=spread(lots),
            noisy=probe.noisy(self._samples) or not self._whole,
            note=f"by placement {plan.makespan * 1e6:.4g} µs; median lot {np.median(lots) * 1e6:.4g} µs",
        )

    def _lot_seconds(self) -> float:
        seconds, undisturbed = _lot(self._case, self._kernel)
        self._whole &= undisturbed
        return seconds


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
