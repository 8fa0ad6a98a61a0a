"""Calibration: constants are found again in times that they made, and measures take turns."""

from __future__ import annotations

import numpy as np
import pytest

from mpmd.calibration import fit
from mpmd.calibration.fit import Sample
from mpmd.calibration.probes import PROBES
from mpmd.calibration.timing import Reading, count_for, reading, readings
from mpmd.machine import WorkClass

CLASSES = (WorkClass.DOT32, WorkClass.OPERAND, WorkClass.PRODUCT)


def samples(constants: tuple[float, ...], noise: float = 0.0) -> list[Sample]:
    """Products of several sizes, whose times are made by these constants."""
    random = np.random.default_rng(0)
    found = []
    for m, n, k in ((1, 64, 64), (4, 256, 256), (16, 128, 256), (64, 64, 64), (16, 16, 16), (128, 128, 32)):
        work = np.zeros(len(WorkClass))
        work[list(CLASSES)] = 2 * m * n * k, m * k + k * n, 1
        seconds = float(work[list(CLASSES)] @ constants) * (1 + noise * random.uniform(-1, 1))
        found.append(Sample(f"{m}x{n}x{k}", work, 0.0, seconds, 0.01))
    return found


def fitted(given: list[Sample]) -> list[float]:
    return [c.value for c in fit.together(given, CLASSES, [s.seconds for s in given])]


def test_constants_are_found_again_in_the_times_that_they_made() -> None:
    constants = (1e-11, 4e-11, 3e-7)
    assert fitted(samples(constants)) == pytest.approx(constants, rel=1e-6)
    assert fitted(samples(constants, noise=0.03)) == pytest.approx(constants, rel=0.2)


def test_no_constant_is_negative() -> None:
    found = fitted(samples((1e-11, 0.0, 3e-7), noise=0.05))
    assert min(found) >= 0 and found[0] == pytest.approx(1e-11, rel=0.2)
    matrix = np.array([[1.0, 2.0], [2.0, 1.0]])
    assert fit.non_negative(matrix, np.array([-1.0, -1.0])).tolist() == [0.0, 0.0]
    assert fit.non_negative(matrix, np.array([1.0, 2.0])) == pytest.approx([1.0, 0.0])


def test_the_residual_tells_how_far_samples_are_from_the_fit() -> None:
    exact, noisy = (
        fit.together(s, CLASSES, [x.seconds for x in s])[0].residual
        for s in (samples((1e-11, 4e-11, 3e-7)), samples((1e-11, 4e-11, 3e-7), noise=0.3))
    )
    assert exact < 1e-9 < 0.02 < noisy


def test_one_wild_sample_does_not_move_a_constant_per_unit() -> None:
    given = samples((1e-11, 0.0, 0.0))
    amounts = [float(s.work[WorkClass.DOT32]) for s in given]
    seconds = [s.seconds for s in given]
    seconds[0] *= 50
    assert fit.per_unit(given, amounts, seconds).value == pytest.approx(1e-11)


@pytest.mark.parametrize("size", [9 << 20, 21 << 20, 30 << 20])
def test_the_size_of_a_cache_is_found_in_passes_over_footprints(size: int) -> None:
    footprints = [f << 20 for f in (16, 24, 32, 48)]
    seconds = [1e-11 + 3e-11 * min(1.0, max(0.0, f / size - 1)) for f in footprints]
    assert fit.cache_bytes(footprints, seconds, 1e-11, 4e-11) == pytest.approx(size, rel=0.07)


def test_measures_take_turns_and_progress_is_told() -> None:
    calls: list[str] = []
    told: list[float] = []

    def measure(name: str) -> float:
        calls.append(name)
        return 1.0 + len(calls)

    found = readings({n: lambda n=n: measure(n) for n in "ab"}, 3, lambda stage, share: told.append(share))
    assert calls == ["a", "b"] * 4  # the first round warms up
    assert told == pytest.approx([0, 1 / 3, 2 / 3])
    assert found["a"].seconds == 6.0


def test_a_reading_is_the_median_and_a_low_quantile() -> None:
    found = reading([1.0] * 3 + [2.0] * 16 + [50.0] * 2)
    assert (found.seconds, found.least, found.spread) == (2.0, 1.0, 0.0)
    assert reading([1.0, 2.0, 3.0, 4.0, 5.0]).spread == pytest.approx(2 / 3)
    assert Reading(11e-6, 6e-6, 0.1).beyond(Reading(1e-6, 1e-6, 0.0), 10) == Reading(
        pytest.approx(1e-6), pytest.approx(0.5e-6), 0.1
    )


def test_a_call_is_repeated_until_it_takes_long_enough() -> None:
    assert count_for(lambda count: None, enough=0.0) == 8
    assert 8 < count_for(lambda count: sum(range(1000 * count)), enough=1e-3) < 1 << 20


def test_probes_have_names_of_their_own() -> None:
    assert len({probe.name for probe in PROBES}) == len(PROBES)
