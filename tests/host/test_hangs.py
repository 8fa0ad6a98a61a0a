"""Launches that end early: hangs, failed checks, Ctrl-C; the process and its pool live on."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest

from mpmd.codegen.source import ScalarInfo
from mpmd.errors import (
    BoundsError,
    LaunchError,
)
from mpmd.lang.types import Direction, i32
from mpmd.runtime import pool
from tests.host.assembly import (
    BARRIER,
    HERE,
    RUN,
    SIGNAL,
    WAIT,
    argument,
    chain,
    kernel,
    load,
    lost_signal,
    one,
    tables,
)

pytestmark = pytest.mark.usefixtures("short_patience")


def test_lost_signal_is_reported_and_the_process_lives_on():
    """The launch ends, names each core's wait with its line, and other launches are not hurt."""
    hanging, sound = load(lost_signal()), load(chain(2, 2))
    x, y = one(), one()
    for _ in range(3):
        with pytest.raises(LaunchError) as caught:
            hanging(x, y)
        assert str(caught.value) == "\n".join(
            [
                "error[launch]: the launch of kernel 'toy' hangs: no core can go on",
                "  --> kernel.py:12:1",
                "  related: kernel.py:12 core 0, step 2: event 1 has 0 of 1: step 2 of the plan",
                "  related: kernel.py:13 core 1, step 3: event 0 has 1 of 2: step 3 of the plan",
                "  hint: the schedule is wrong, not your program: please report it",
                "  hint: what the kernel writes may be partly written",
            ]
        )
        sound(x, y)
        assert y[0] == 4


def test_hang_at_a_barrier():
    """A core that waits for an event while the others stand at the barrier: both are named."""
    plan = [[(BARRIER, 0, 0)], [(WAIT, 0, 1), (BARRIER, 0, 0)]]
    table = tables(plan, [], params=[], bases=[], events=1)
    run = load(kernel("", ["nullptr"], table, [], cores=2, steps=3))
    with pytest.raises(LaunchError, match="core 0, step 0: barrier 0 has 1 of 2 cores"):
        run()


def test_hang_of_one_core_with_others_done():
    plan = [[], [(WAIT, 0, 1)], []]
    table = tables(plan, [], params=[], bases=[], events=1)
    run = load(kernel("", ["nullptr"], table, [], cores=3, steps=1))
    with pytest.raises(LaunchError, match="hangs: no core can go on; finished: 0, 2"):
        run()


def test_a_slow_task_is_no_hang():
    """Cores may wait far longer than the bound for a core that works."""
    slow = """
    static void slow(Core& core, const Word* row) {
      volatile Word left = row[2];
      while (left > 0) left = left - 1;
      ((float*)core.base[row[0]])[0] += 1;
    }
    """
    plan = [[(WAIT, 0, 1), (RUN, 1, 0)], [(RUN, 0, 0), (SIGNAL, 0, 1)]]
    table = tables(plan, [(0, (0, 0, 300_000_000)), (0, (0, 0, 0))], params=[1], bases=[4], events=1)
    run = load(kernel(slow, ["slow"], table, [argument("y", 1, direction=Direction.INOUT)], cores=2))
    y = one()
    start = time.perf_counter()
    run(y)
    assert y[0] == 2 and time.perf_counter() - start > 0.05


CHECKED = """
static void checked(Core& core, const Word* row) {
  if (!mpmd::check_index(core, 1, row[2], 8)) return;
  if (!mpmd::check_range(core, 0, row[2], 3, 8)) return;
  ((float*)core.base[row[0]])[0] = (float)row[2];
}
"""


def checked(cores: int):
    """Word 2 of the row is the scalar `i`; core 0 waits for core 1's task."""
    plan = [[(RUN, 0, 0)]] if cores == 1 else [[(WAIT, 0, 1)], [(RUN, 0, 0), (SIGNAL, 0, 1)]]
    table = tables(
        plan, [(0, (0, 0, 0))], params=[1], bases=[4], scalars=1, patches=[(2, 0, 1)], events=cores - 1
    )
    arguments = [argument("y", 1, direction=Direction.OUT)]
    scalars = [ScalarInfo("i", i32, HERE)]
    return kernel(
        CHECKED,
        ["checked"],
        table,
        arguments,
        scalars=scalars,
        checks=["rows of 'y'", "index of 'y'"],
        cores=cores,
    )


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (6, "rows of 'y': 6:9 is outside 0:8"),
        (8, "index of 'y': 8 is outside 0:8"),
        (-1, "index of 'y': -1 is outside 0:8"),
    ],
)
def test_a_failed_check_ends_the_launch(cores, value, text):
    """The check is named with its value, waiting cores are released, and the next launch works."""
    run = load(checked(cores))
    y = one()
    with pytest.raises(BoundsError) as caught:
        run(y, value)
    assert caught.value.message == text and caught.value.span == HERE
    run(y, 5)
    assert y[0] == 5


def test_ctrl_c_ends_a_launch():
    """A Python signal handler runs during a launch, on the main thread, and its exception comes out."""
    slow = """
    static void slow(Core& core, const Word* row) {
      volatile Word left = 1000000;
      while (left > 0) left = left - 1;
      ((float*)core.base[row[0]])[core.core] += 1;
    }
    """
    plan = [[(RUN, 0, 0)] * 20_000, [(RUN, 0, 0)] * 20_000]
    table = tables(plan, [(0, (0, 0))], params=[1], bases=[8])
    run = load(kernel(slow, ["slow"], table, [argument("y", 2, direction=Direction.INOUT)], cores=2))
    y = np.zeros(2, np.float32)

    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            run(y)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert 0 < y[0] < 20_000


def test_a_launch_inside_a_launch_is_refused():
    """A signal handler that calls a kernel meets an error, not a deadlock."""
    waiting, other = load(lost_signal()), load(chain(2, 1))
    met = []

    def call(number, frame):
        with pytest.raises(LaunchError, match="signal handler") as caught:
            other(one(), one())
        met.append(caught.value)

    before = signal.signal(signal.SIGALRM, call)
    pool.configure(spin_seconds=200e-6, hang_seconds=0.4)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(LaunchError, match="hangs"):
            waiting(one(), one())
    finally:
        signal.signal(signal.SIGALRM, before)
        pool.configure(spin_seconds=200e-6, hang_seconds=0.05)
    assert met
