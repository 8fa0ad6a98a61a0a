"""The runtime's laws, on kernels and tables put together by hand."""

from __future__ import annotations

import dataclasses
import os
import pickle
import platform
import signal
import threading
import time

import ml_dtypes
import numpy as np
import pytest

from mpmd.codegen.source import KernelSource, ScalarInfo
from mpmd.errors import (
    AliasError,
    ArgumentError,
    BoundsError,
    LaunchError,
    MalformedTableError,
    ToolchainError,
    UnsupportedOp,
)
from mpmd.lang.types import Direction, bf16, f32, f64, i32, i64
from mpmd.runtime import Executable, build, dlpack, pool
from tests.host.assembly import (
    ADD_ONE,
    BARRIER,
    HERE,
    RUN,
    SIGNAL,
    WAIT,
    argument,
    chain,
    kernel,
    tables,
)


@pytest.fixture(autouse=True, scope="module")
def _short_patience():
    """Hangs are found fast here; workers sleep soon, since the machine is shared."""
    pool.configure(spin_seconds=200e-6, hang_seconds=0.05)
    yield
    pool.configure(spin_seconds=pool.SPIN_SECONDS, hang_seconds=pool.HANG_SECONDS)


def load(source) -> Executable:
    return build(source, strict=True).load()


def one() -> np.ndarray:
    return np.zeros(1, np.float32)


# -- launching ----------------------------------------------------------------------------------


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


# -- launches that end early ---------------------------------------------------------------------


def lost_signal():
    """Core 1 waits for two signals, and one is given; core 0 then waits for core 1."""
    plan = [[(RUN, 0, 0), (SIGNAL, 0, 1), (WAIT, 1, 1)], [(WAIT, 0, 2), (RUN, 1, 0), (SIGNAL, 1, 1)]]
    rows = [(0, (0, 0, 2, 0)), (0, (2, 0, 1, 0))]
    table = tables(plan, rows, params=[2], bases=[4, 4], events=2, arena=64)
    arguments = [argument("x", 1), argument("y", 1, direction=Direction.OUT)]
    return kernel(ADD_ONE, ["add_one"], table, arguments, cores=2, steps=6)


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


# -- scalars -------------------------------------------------------------------------------------


def scalar_kernel(**options):
    """Stores word 2 of its row, which is patched."""
    store = """
    static void store(Core& core, const Word* row) { ((Word*)core.base[row[0]])[0] = row[2]; }
    """
    scalars = options.pop("infos", [ScalarInfo("i", i64, HERE)])
    guards = options.pop("guard_texts", ())
    table = tables([[(RUN, 0, 0)]], [(0, (0, 0, options.pop("word", 0)))], params=[1], bases=[8], **options)
    arguments = [argument("y", 1, dtype=i64, direction=Direction.OUT)]
    return kernel(store, ["store"], table, arguments, scalars=scalars, guards=guards)


def stored(run: Executable, *scalars) -> int:
    y = np.zeros(1, np.int64)
    run(y, *scalars)
    return int(y[0])


def test_patches_add_to_the_tables_word():
    run = load(scalar_kernel(scalars=1, word=100, patches=[(2, 0, 3), (2, 0, 4)]))
    assert [stored(run, i) for i in (0, 1, -5, 1, 10**12)] == [100, 107, 65, 107, 100 + 7 * 10**12]


@pytest.mark.parametrize(
    ("op", "reference"),
    [
        (0, lambda a, b: a // b if b else 0),
        (1, lambda a, b: a % b if b else 0),
        (2, min),
        (3, max),
        (4, lambda a, b: a * b),
    ],
)
def test_derived_scalars(op, reference):
    """floordiv and mod round to −∞ as in Python; a derived scalar may use an earlier one."""
    infos = [ScalarInfo("i", i64, HERE), ScalarInfo("j", i64, HERE)]
    derived = [(op, (1, ((0, 2),)), (0, ((1, 1),))), (2, (0, ((2, 1),)), (1 << 40, ()))]
    run = load(scalar_kernel(scalars=2, infos=infos, derived=derived, patches=[(2, 3, 1)]))
    for i in (-7, -1, 0, 3, 8):
        for j in (-3, -1, 0, 2, 5):
            assert stored(run, i, j) == reference(2 * i + 1, j)


def test_overflowing_scalars_are_refused():
    run = load(scalar_kernel(scalars=1, derived=[(4, (0, ((0, 1),)), (0, ((0, 1),)))], patches=[(2, 1, 1)]))
    assert stored(run, 10**9) == 10**18
    with pytest.raises(ArgumentError, match="the scalars of kernel 'toy' are too large"):
        stored(run, 10**10)


def test_failed_guard_names_the_scalars():
    run = load(
        scalar_kernel(scalars=1, guards=[((1, ((0, 1),)), 0, 8)], guard_texts=["i + 1 rows of 'y' (8)"])
    )
    assert stored(run, 7) == 0
    for value in (8, -2, 2**63 - 1):
        with pytest.raises(BoundsError) as caught:
            stored(run, value)
        assert caught.value.message == f"kernel 'toy' refuses i = {value}: i + 1 rows of 'y' (8)"
        assert caught.value.span == HERE


def test_float_scalars_travel_as_doubles():
    infos = [ScalarInfo("a", f32, HERE)]
    run = load(scalar_kernel(scalars=1, infos=infos, patches=[(2, 0, 1)]))
    for value in (0.5, -3, np.float32(1.25), float("inf"), 0.0, -0.0):
        bits = np.array([value], np.float64).view(np.int64)[0]
        assert stored(run, value) == bits
    with pytest.raises(ArgumentError, match="'a' of kernel 'toy' takes a scalar f32, not a str"):
        stored(run, "half")


def test_integer_scalars_are_range_checked():
    infos = [ScalarInfo("i", i32, HERE)]
    run = load(scalar_kernel(scalars=1, infos=infos, patches=[(2, 0, 1)]))
    for value in (2**31 - 1, -(2**31), np.int8(-3), np.int64(5), True):
        assert stored(run, value) == int(value)
    for value in (2**31, 2**70):
        with pytest.raises(
            ArgumentError, match=f"takes a scalar i32, -2147483648 to 2147483647, not {value}"
        ):
            stored(run, value)
    with pytest.raises(ArgumentError, match="takes a scalar i32, not a float"):
        stored(run, 1.0)


# -- arguments -----------------------------------------------------------------------------------


def copy_kernel(dtype=f32, shape=(2, 3), strides=None, direction=Direction.IN):
    """y = x, item by item in C order of a 2×3 array; x may have other strides."""
    rows, columns = shape
    first, second = strides or (columns, 1)
    copy = f"""
    static void copy(Core& core, const Word* row) {{
      const char* x = (const char*)core.base[row[0]];
      char* y = (char*)core.base[row[2]];
      for (int i = 0; i < {rows}; ++i)
        for (int j = 0; j < {columns}; ++j)
          __builtin_memcpy(y + (i * {columns} + j) * {dtype.itemsize}, x + (i * {first} + j * {second}) * {dtype.itemsize}, {dtype.itemsize});
    }}
    """  # noqa: E501
    span = ((rows - 1) * first + (columns - 1) * second + 1) * dtype.itemsize
    table = tables(
        [[(RUN, 0, 0)]], [(0, (0, 0, 1, 0))], params=[2], bases=[span, rows * columns * dtype.itemsize]
    )
    arguments = [
        argument("x", *shape, dtype=dtype, strides=strides, direction=direction),
        argument("y", *shape, dtype=dtype, direction=Direction.OUT),
    ]
    return kernel(copy, ["copy"], table, arguments)


@pytest.fixture(scope="module")
def copy():
    return load(copy_kernel())


def array() -> np.ndarray:
    return np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (np.zeros((2, 4), np.float32), "'x' of kernel 'toy' takes f32[2, 3], not f32[2, 4]"),
        (np.zeros((2, 3)), "'x' of kernel 'toy' takes f32[2, 3], not f64[2, 3]"),
        (np.zeros((2, 3), ">f4"), "'x' of kernel 'toy' takes f32[2, 3], not >f4[2, 3]"),
        (np.zeros((2, 3), np.uint32), "'x' of kernel 'toy' takes f32[2, 3], not <u4[2, 3]"),
        (
            np.zeros((3, 2), np.float32).T,
            "'x' of kernel 'toy' takes f32[2, 3] with strides (3, 1), not strides (1, 2) (in elements)",
        ),
        ([[0.0] * 3] * 2, "'x' of kernel 'toy' takes f32[2, 3], not a list"),
        (None, "'x' of kernel 'toy' takes f32[2, 3], not a NoneType"),
    ],
)
def test_an_argument_that_does_not_fit(copy, x, text):
    y = array()
    with pytest.raises(ArgumentError) as caught:
        copy(x, y)
    assert caught.value.message == text and caught.value.span == HERE
    assert not copy.fits((x, y)) and not copy.try_call((x, y))


def test_wrong_number_of_arguments(copy):
    with pytest.raises(ArgumentError, match="'toy' takes 2 arguments but 1 is given"):
        copy(array())


def test_read_only_output_is_refused_and_read_only_input_is_not(copy):
    x, y = array(), array()
    x.flags.writeable = False
    copy(x, y)
    with pytest.raises(
        ArgumentError, match=r"'y' of kernel 'toy' takes a writable f32\[2, 3\], not a read-only"
    ):
        copy(array(), x)


def test_overlap_with_a_written_argument_is_refused(copy):
    memory = np.arange(12, dtype=np.float32)
    x, y = memory[3:9].reshape(2, 3), memory[:6].reshape(2, 3)
    with pytest.raises(AliasError, match="'y' and 'x' of kernel 'toy' share memory, and 'y' is written"):
        copy(x, y)
    copy(memory[6:].reshape(2, 3), y)
    assert y.tolist() == [[6, 7, 8], [9, 10, 11]]


def test_strides_are_the_compiled_ones():
    run = load(copy_kernel(strides=(1, 2)))
    x, y = np.arange(6, dtype=np.float32).reshape(3, 2).T, np.zeros((2, 3), np.float32)
    run(x, y)
    assert (x == y).all()
    with pytest.raises(ArgumentError, match="with strides"):
        run(array(), y)


def test_strides_of_single_elements_are_moot():
    run = load(copy_kernel(shape=(1, 3)))
    x, y = np.zeros((5, 3), np.float32)[::5], np.ones((1, 3), np.float32)
    assert run.fits((x, y)) and run.fits((x.T.reshape(3, 1).T, y))


def test_bf16_arrays_pass_without_a_copy():
    """bf16 has no code in the buffer protocol; integers of the same width are still refused."""
    run = load(copy_kernel(dtype=bf16))
    x = np.arange(6).astype(ml_dtypes.bfloat16).reshape(2, 3)
    y = np.zeros_like(x)
    run(x, y)
    assert (x == y).all() and run.fits((x, y)) and run.try_call((x, y))
    with pytest.raises(ArgumentError, match=r"takes bf16\[2, 3\], not <u2\[2, 3\]"):
        run(x.view(np.uint16), y)


class Foreign:
    """An array of another library: DLPack, or the array interface, and nothing else."""

    def __init__(self, held: np.ndarray, device: int = 1) -> None:
        self.held, self.device = held, device

    def __dlpack__(self):
        capsule = self.held.__dlpack__()
        dlpack._Tensor.from_address(dlpack._pointer(capsule, b"dltensor")).device_type = self.device
        return capsule

    def __dlpack_device__(self):
        return self.device, 0


class Interfaced:
    def __init__(self, held: np.ndarray) -> None:
        self.held = held
        self.__array_interface__ = held.__array_interface__


@pytest.mark.parametrize("wrap", [Foreign, Interfaced])
def test_arrays_of_other_libraries_are_viewed(copy, wrap):
    x, y = array(), np.zeros((2, 3), np.float32)
    copy(wrap(x), wrap(y))
    assert (x == y).all()


def test_dlpack_is_on_the_fast_path(copy):
    """So a kernel finds its compiled form for arrays without a buffer too; other layouts do not fit."""
    x, y = array(), np.zeros((2, 3), np.float32)
    assert copy.try_call((Foreign(x), Foreign(y))) and (x == y).all()
    for other in (array().T, array().astype(np.float64), array()[:1], array().view(np.int32)):
        assert not copy.try_call((Foreign(other), Foreign(y)))
    wide = np.zeros((2, 6), np.float32)
    assert not copy.try_call((Foreign(wide[:, ::2]), Foreign(y)))
    with pytest.raises(AliasError):
        copy.try_call((Foreign(y), y))


def test_arrays_on_another_device_are_refused(copy):
    with pytest.raises(ArgumentError, match=r"takes f32\[2, 3\], not a Foreign on another device") as caught:
        copy(Foreign(array(), device=2), array())
    assert caught.value.hints == ("move it to the CPU first",)


def test_many_arguments():
    """More than the call path keeps on its stack."""
    count = 50
    functions = """
    static void total(Core& core, const Word* row) {
      float sum = 0;
      for (int i = 0; i < 50; ++i) sum += *(float*)core.base[row[2 * i]];
      *(float*)core.base[row[100]] = sum;
    }
    """
    row = [word for i in range(count + 1) for word in (i, 0)]
    table = tables([[(RUN, 0, 0)]], [(0, row)], params=[count + 1], bases=[4] * (count + 1))
    arguments = [argument(f"x{i}", 1) for i in range(count)] + [argument("y", 1, direction=Direction.OUT)]
    run = load(kernel(functions, ["total"], table, arguments))
    y = one()
    run(*(np.full(1, i, np.float32) for i in range(count)), y)
    assert y[0] == sum(range(count))


def test_empty_arrays():
    table = tables([[]], [], params=[], bases=[0, 0])
    arguments = [argument("x", 0, 3), argument("y", 0, 3, direction=Direction.OUT)]
    run = load(kernel("", ["nullptr"], table, arguments))
    empty = np.zeros((0, 3), np.float32)
    run(empty, empty)


# -- constants -----------------------------------------------------------------------------------


def test_bound_constants_leave_the_signature():
    run = load(copy_kernel(direction=Direction.CONST))
    x, y = array(), np.zeros((2, 3), np.float32)
    bound = run.bind(x=x)
    bound(y)
    assert (x == y).all()
    run(np.ones((2, 3), np.float32), y)
    assert (y == 1).all()
    del x
    bound(y)
    assert (y == array()).all()


def test_bound_constants_are_checked():
    run = load(copy_kernel(direction=Direction.CONST))
    with pytest.raises(ArgumentError, match=r"takes f32\[2, 3\], not f32\[3\]"):
        run.bind(x=np.zeros(3, np.float32))
    with pytest.raises(ArgumentError, match="'y' of kernel 'toy' is Out, not Const"):
        run.bind(y=array())
    with pytest.raises(ArgumentError, match="has no argument 'x' to bind") as caught:
        run.bind(x=array()).bind(x=array())
    assert caught.value.label == "'x' is bound already"
    x = array()
    with pytest.raises(AliasError):
        run.bind(x=x)(x)


# -- artifacts -----------------------------------------------------------------------------------


def test_artifacts_are_pickled_and_loaded_elsewhere(tmp_path, monkeypatch):
    artifact = pickle.loads(pickle.dumps(build(chain(2, 1))))
    monkeypatch.setenv("MPMD_CACHE_DIR", str(tmp_path / "elsewhere"))
    x, y = one(), one()
    artifact.load()(x, y)
    assert y[0] == 2


def test_artifacts_of_another_cpu_are_refused():
    artifact = dataclasses.replace(build(chain(1, 1)), cpu="another")
    with pytest.raises(ToolchainError, match="'toy' was compiled for another CPU"):
        artifact.load()


def test_sources_for_other_targets_are_refused():
    with pytest.raises(UnsupportedOp, match="a kernel for cuda does not run"):
        build(dataclasses.replace(chain(1, 1), target="cuda"))


def test_text_that_does_not_compile_is_explained():
    source = dataclasses.replace(chain(1, 1), files=(("toy.cpp", "int main() { return wrong; }\n"),))
    with pytest.raises(ToolchainError, match="refused the generated text") as caught:
        build(source)
    assert "wrong" in caught.value.label


def through_local_tensors(**description) -> KernelSource:
    """x → the first local tensor → the second → y, adding one each time."""
    rows = [(0, (0, 0, 2, 0)), (0, (2, 0, 3, 4)), (0, (3, 4, 1, 0))]
    table = tables([[(RUN, r, 0) for r in range(3)]], rows, params=[2], bases=[4, 4], **description)
    return kernel(ADD_ONE, ["add_one"], table, [argument("x", 1), argument("y", 1, direction=Direction.OUT)])


@pytest.mark.parametrize("local", [[(0, 4), (64, 8)], [(64, 4), (0, 8)], [(8, 4), (0, 8)]])
def test_local_tensors_lie_where_the_tables_say(local):
    run = load(through_local_tensors(local=local, arena=128))
    y = one()
    run(np.full(1, 5, np.float32), y)
    assert y[0] == 8


@pytest.mark.parametrize(
    ("local", "text"),
    [
        ([(0, 4), (121, 8)], "a local tensor leaves the arena"),
        ([(129, 0), (0, 8)], "a local tensor leaves the arena"),
        ([(0, 2**62), (0, 8)], "a local tensor leaves the arena"),
        ([(-8, 4), (0, 8)], "a base is malformed"),
    ],
)
def test_local_tensors_outside_the_arena_are_refused(local, text):
    with pytest.raises(MalformedTableError, match=text):
        load(through_local_tensors(local=local, arena=128))


def test_broken_tables_are_refused_not_run():
    """Every byte of the header and of the index sections, damaged: refused or harmless, never a crash."""
    source = chain(2, 2)
    with pytest.raises(MalformedTableError, match="the tables are cut short"):
        load(dataclasses.replace(source, tables=source.tables[:-8]))
    refused = 0
    for place in range(0, len(source.tables), 4):
        damaged = bytearray(source.tables)
        damaged[place : place + 4] = (0x7FFFFFF0).to_bytes(4, "little")
        try:
            load(dataclasses.replace(source, tables=bytes(damaged)))
        except MalformedTableError:
            refused += 1
    assert refused > 50


def test_scalar_infos_match_the_tables():
    source = chain(1, 1)
    extra = dataclasses.replace(source.launch, scalars=(ScalarInfo("s", f64, HERE),), order=("x", "y", "s"))
    with pytest.raises(MalformedTableError, match="have other parameters"):
        load(dataclasses.replace(source, launch=extra))
