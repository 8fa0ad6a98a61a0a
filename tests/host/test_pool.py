"""The pool's laws, on kernels and tables put together by hand: who runs, where, and after whom."""

from __future__ import annotations

import os
import platform
import threading

import numpy as np
import pytest

from mpmd.lang.types import Direction, i32, i64
from tests.host.assembly import (
    ADD_ONE,
    BARRIER,
    RUN,
    SIGNAL,
    WAIT,
    argument,
    chain,
    kernel,
    load,
    one,
    tables,
)

pytestmark = pytest.mark.usefixtures("short_patience")


@pytest.mark.parametrize("cores", [1, 2, 3, 8])
def test_every_core_runs_its_steps_behind_its_waits(cores):
    """A chain through all cores gives the sum, with fewer, as many and more cores than CPUs."""
    run = load(chain(cores, 3))
    x, y = one(), one()
    for value in range(20):
        x[0] = value
        run(x, y)
        assert y[0] == value + 3 * cores


def test_ten_thousand_launches_need_no_reset():
    """Counters only grow; the epoch tells the launches apart."""
    run = load(chain(2, 2))
    x, y = one(), one()
    for value in range(10_000):
        x[0] = value
        run(x, y)
        assert y[0] == value + 4


def test_counters_wrap():
    """Signals of 1431655766 a launch wrap a 32-bit counter in every third launch; the waits stay exact."""
    half = 715_827_883
    plan = [[(RUN, 0, 0), (SIGNAL, 0, half), (SIGNAL, 0, half)], [(WAIT, 0, 2 * half), (RUN, 1, 0)]]
    rows = [(0, (0, 0, 2, 0)), (0, (2, 0, 1, 0))]
    table = tables(plan, rows, params=[2], bases=[4, 4], events=1, arena=64)
    run = load(
        kernel(
            ADD_ONE,
            ["add_one"],
            table,
            [argument("x", 1), argument("y", 1, direction=Direction.OUT)],
            cores=2,
        )
    )
    x, y = one(), one()
    for value in range(10):
        x[0] = value
        run(x, y)
        assert y[0] == value + 2


def test_barriers_hold_every_core():
    """Each core writes its slot, all meet, each core reads the others' slots: 100 launches of 3 meetings."""
    functions = """
    static void put(Core& core, const Word* row) { ((int*)core.base[row[0]])[core.core] = (int)row[2]; }
    static void sum(Core& core, const Word* row) {
      int* slots = (int*)core.base[row[0]];
      int total = 0;
      for (int c = 0; c < core.cores; ++c) total += slots[c];
      slots[core.cores * (int)row[2] + core.core] = total;
    }
    """
    cores = 3
    rows = [(0, (0, 0, 5)), (1, (0, 0, 1)), (0, (0, 0, 7)), (1, (0, 0, 2))]
    plan = [
        [
            (RUN, 0, 0),
            (BARRIER, 0, 0),
            (RUN, 1, 0),
            (BARRIER, 1, 0),
            (RUN, 2, 0),
            (BARRIER, 2, 0),
            (RUN, 3, 0),
        ]
    ] * cores
    table = tables(plan, rows, params=[1, 1], bases=[36])
    run = load(
        kernel(
            functions,
            ["put", "sum"],
            table,
            [argument("s", 9, dtype=i32, direction=Direction.INOUT)],
            cores=cores,
        )
    )
    for _ in range(100):
        slots = np.zeros(9, np.int32)
        run(slots)
        assert slots.tolist() == [7] * 3 + [15] * 3 + [21] * 3


def test_scratch_is_each_cores_own_and_aligned():
    functions = """
    static void where(Core& core, const Word* row) {
      ((Word*)core.base[row[0]])[core.core] = (Word)core.scratch;
      for (int i = 0; i < 100; ++i) core.scratch[i] = 1;
    }
    """
    table = tables([[(RUN, 0, 0)], [(RUN, 0, 0)]], [(0, (0, 0))], params=[1], bases=[16])
    run = load(
        kernel(
            functions,
            ["where"],
            table,
            [argument("p", 2, dtype=i64, direction=Direction.OUT)],
            cores=2,
            scratch=100,
        )
    )
    places = np.zeros(2, np.int64)
    run(places)
    assert (places % 64 == 0).all() and abs(places[0] - places[1]) >= 100


def test_launches_from_threads_queue():
    run = load(chain(2, 2))
    wrong = []

    def many(seed):
        x, y = one(), one()
        for value in range(seed, seed + 300):
            x[0] = value
            run(x, y)
            if y[0] != value + 4:
                wrong.append((value, y[0]))

    threads = [threading.Thread(target=many, args=(1000 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_two_kernels_share_the_pool():
    first, second = load(chain(2, 1)), load(chain(3, 1))
    x, y = one(), one()
    for _ in range(50):
        first(x, y)
        assert y[0] == 2
        second(x, y)
        assert y[0] == 3


def test_child_of_a_fork_launches():
    """The child has no worker threads; its first launch starts its own."""
    run = load(chain(2, 2))
    x, y = one(), one()
    run(x, y)
    child = os.fork()
    if child == 0:
        y[0] = 0
        run(x, y)
        os._exit(0 if y[0] == 4 else 1)
    assert os.waitpid(child, 0)[1] == 0
    run(x, y)
    assert y[0] == 4


def test_the_callers_affinity_is_kept():
    run = load(chain(2, 1))
    allowed = os.sched_getaffinity(0)
    x, y = one(), one()
    try:
        os.sched_setaffinity(0, {max(allowed)})
        run(x, y)
        assert y[0] == 2 and os.sched_getaffinity(0) == {max(allowed)}
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="sets the flag by its x86 name")
def test_flushing_of_denormals_does_not_reach_the_kernel():
    """Denormals survive on every core, whatever the calling thread has set (here: as it loads the kernel)."""
    flush = """
    __attribute__((constructor)) static void set() {
      __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040);
    }
    static void flush(Core& core, const Word* row) {
      volatile float tiny = 1e-40f;
      ((float*)core.base[row[0]])[core.core] = tiny * 1.0f;
    }
    """
    table = tables([[(RUN, 0, 0)], [(RUN, 0, 0)]], [(0, (0, 0))], params=[1], bases=[8])
    source = kernel(flush, ["flush"], table, [argument("y", 2, direction=Direction.OUT)], cores=2)
    y = np.zeros(2, np.float32)
    tiny = np.float32(1e-40)
    flushed = []

    def call():
        run = load(source)
        flushed.append((np.full(4, tiny) * np.float32(1)).tolist() == [0] * 4)
        run(y)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert flushed == [True] and y.view(np.int32).tolist() == [tiny.view(np.int32)] * 2
