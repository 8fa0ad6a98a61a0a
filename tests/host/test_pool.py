"""The pool's laws, on kernels and tables put together by hand: who runs, where, and after whom."""

from __future__ import annotations

import os
import platform
import threading
import time

import numpy as np
import pytest

from mpmd.lang.types import Direction, i32, i64
from mpmd.runtime import pool
from tests.host import scripts
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


WHERE = """
#include <sched.h>
static void where(Core& core, const Word* row) { ((Word*)core.base[row[0]])[core.core] = sched_getcpu(); }
"""


@pytest.mark.parametrize("cpu", [min, max])
def test_the_callers_affinity_holds_within_a_launch_and_after_it(cpu):
    """Core 0 is the caller: it runs where the caller may run, whatever the workers' CPUs are."""
    load(chain(2, 1))(one(), one())  # the pool is there, on all CPUs
    table = tables([[(RUN, 0, 0)], [(RUN, 0, 0)]], [(0, (0, 0))], params=[1], bases=[16])
    arguments = [argument("p", 2, dtype=i64, direction=Direction.OUT)]
    where = load(kernel(WHERE, ["where"], table, arguments, cores=2))
    run = load(chain(2, 3))
    allowed = os.sched_getaffinity(0)
    chosen = cpu(allowed)
    places, x, y = np.zeros(2, np.int64), one(), one()
    try:
        os.sched_setaffinity(0, {chosen})
        for _ in range(20):
            where(places)
            run(x, y)
            assert y[0] == 6 and places[0] == chosen and places[1] in allowed
        assert os.sched_getaffinity(0) == {chosen}
    finally:
        os.sched_setaffinity(0, allowed)


def test_a_process_with_one_cpu_runs_kernels_of_one_core_and_of_more(tmp_path):
    """It compiles for one core by itself; every thread of the pool stays on the one CPU."""
    assert scripts.run(tmp_path, ONE_CPU) == (0, "", "")


ONE_CPU = """
import os

cpu = max(os.sched_getaffinity(0))
os.sched_setaffinity(0, {cpu})

import numpy as np

import mpmd
from mpmd import In, Out, f32

(N,) = mpmd.dims("N")


@mpmd.task
def double(x: In[f32, N], y: Out[f32, N]):
    y[:] = x[:] * 2.0


@mpmd.kernel
def twice(x: In[f32, N], y: Out[f32, N]):
    h = mpmd.empty((x.shape[0],), f32)
    for t in mpmd.tiles(N, 16):
        double(x[t], h[t])
    for t in mpmd.tiles(N, 24):
        double(h[t], y[t])


x, y = np.arange(128, dtype=np.float32), np.zeros(128, np.float32)
assert mpmd.compile(twice, x, y).schedule.cores == 1
for cores in (1, 2, 4):
    kernel = mpmd.compile(twice, x, y, cores=cores)
    assert kernel.schedule.cores == cores
    for _ in range(20):
        y[:] = 0
        kernel(x, y)
        assert (y == x * 4).all()
threads = os.listdir("/proc/self/task")
assert len(threads) >= 4 and all(os.sched_getaffinity(int(thread)) == {cpu} for thread in threads)
"""


def test_workers_sleep_when_nothing_is_launched():
    """After the spin budget an idle pool uses no CPU time; half a second of it is a tenth at the most."""
    run = load(chain(3, 2))
    x, y = one(), one()
    pool.configure(spin_seconds=pool.SPIN_SECONDS, hang_seconds=pool.HANG_SECONDS)
    try:
        run(x, y)
        time.sleep(pool.SPIN_SECONDS + 0.05)
        before = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - before < 0.05
        run(x, y)
        assert y[0] == 6
    finally:
        pool.configure(spin_seconds=200e-6, hang_seconds=0.05)


def test_many_threads_call_kernels_of_many_sizes():
    """More threads than cores, each with kernels of its own: each gets its own results."""
    kernels = {cores: load(chain(cores, 2)) for cores in (1, 2, 3, 5)}
    wrong = []

    def many(seed):
        x, y = one(), one()
        for value in range(seed, seed + 50):
            for cores, run in kernels.items():
                x[0] = value
                run(x, y)
                if y[0] != value + 2 * cores:
                    wrong.append((value, cores, y[0]))

    threads = [threading.Thread(target=many, args=(1000 * i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


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
