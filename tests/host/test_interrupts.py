"""Ctrl-C: SIGINT sent to a process whose main thread is inside of a launch."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.host import scripts

SCRIPT = """
import time

import numpy as np

import mpmd
from mpmd import InOut, i32, i64

(N,) = mpmd.dims("N")


@mpmd.task
def spin(rounds: i32, y: InOut[i64, N]):
    for i in range(rounds):
        y[:] = (y[:] * 3 + i) ^ (y[:] >> 2)


@mpmd.kernel
def busy(rounds: i32, y: InOut[i64, N]):
    for _ in mpmd.loop(1000):
        for t in mpmd.tiles(N, 64):
            spin(rounds, y[t])


def main(cores, rounds):
    y = np.ones(64 * cores, np.int64)
    compiled = mpmd.compile(busy, 1, y, cores=cores)
    compiled(1, y)
    try:
        print("launching", flush=True)
        compiled(rounds, y)
    except KeyboardInterrupt:
        interrupted = time.monotonic()
    else:
        raise SystemExit("the launch ended before the signal came")
    expected, y = np.ones(64 * cores, np.int64), np.ones(64 * cores, np.int64)
    compiled(1, y)
    for _ in range(1000):
        expected = expected * 3 ^ (expected >> 2)
    assert (y == expected).all()
    print(interrupted)
"""


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("rounds", [50_000, 5_000_000])
def test_ctrl_c_arrives_within_a_launch_and_the_pool_lives_on(
    cores: int, rounds: int, tmp_path: Path
) -> None:
    """1000 tasks a core, of about a millisecond or a hundred: soon after the task that runs."""
    with scripts.start(tmp_path, f"{SCRIPT}\n\nmain({cores}, {rounds})\n") as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "launching\n", process.stderr.read()
        time.sleep(0.2)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=scripts.PATIENCE)
    assert process.returncode == 0, errors
    assert float(output) - sent < 1
