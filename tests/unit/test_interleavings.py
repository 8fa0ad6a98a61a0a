"""The law: a schedule computes what the evaluator computes, in whatever order its cores get on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

import mpmd
from mpmd import Accum, In, InOut, Out, Recv, Send, f32, i32
from mpmd.errors import BoundsError, DeadlockError
from mpmd.lang.evaluate import evaluate
from mpmd.lang.kernel.trace import trace
from mpmd.partition.build import partition
from mpmd.partition.graph import column
from mpmd.pipeline import arguments, specs_of
from mpmd.schedule.build import schedule
from mpmd.schedule.interleave import replay
from mpmd.schedule.steps import Schedule, StepOp
from mpmd.schedule.unfused import unfused
from tests.generate import Generated, kernels
from tests.generation.scope import ALL
from tests.machines import toy

T, N, P = mpmd.dims("T N P")
SEEDS = 100
CORES = 4


@mpmd.task
def scale(a: In[f32, T, N], y: Out[f32, T, N]):
    y[:] = a[:] * 2 + 1


@mpmd.task
def mix(a: In[f32, T, N], b: In[f32, T, N], y: InOut[f32, T, N]):
    y[:] = a[:] - b[:] * 2 + y[:] % 7


@mpmd.task
def count_down(left: InOut[i32, 1], done: Out[i32, 1]):
    left[:] = left[:] - 1
    done[0] = (left[0] <= 0).astype(i32)


@mpmd.task
def add(a: In[f32, T, N], y: Accum[f32, N]):
    y[:] += a[:].sum(0)


@mpmd.task
def send_rows(a: In[f32, T, N], c: Send[f32, P, N]):
    for i in range(T):
        mpmd.send(c, a[i : i + 1] + 1)


@mpmd.task
def pass_rows(a: In[f32, T, N], c: Recv[f32, P, N], d: Send[f32, P, N]):
    for i in range(T):
        mpmd.send(d, mpmd.recv(c, (1, N)) * a[i : i + 1])


@mpmd.task
def take_rows(d: Recv[f32, P, N], y: Out[f32, T, N]):
    for i in range(T):
        y[i : i + 1] = mpmd.recv(d, (1, N))


@mpmd.kernel
def straight(x: In[f32, 24, 8], y: Out[f32, 24, 8]):
    """Local tensors that may share bytes, tiles that cross the tiles before them."""
    a, b, c = (mpmd.empty((24, 8), f32) for _ in range(3))
    for t in mpmd.tiles(24, 6):
        scale(x[t], a[t])
    for t in mpmd.tiles(24, 8):
        scale(a[t], b[t])
    for t in mpmd.tiles(24, 5):
        scale(b[t], c[t])
    for t in mpmd.tiles(24, 9):
        scale(c[t], y[t])


@mpmd.kernel
def repeated(x: InOut[f32, 24, 8], y: InOut[f32, 24, 8], n: i32):
    """What an iteration writes the next one reads, on other cores."""
    for _ in mpmd.loop(n):
        for t in mpmd.tiles(24, 6):
            mix(x[t], x[t], y[t])
        for t in mpmd.tiles(24, 8):
            mix(y[t], y[t], x[t])


@mpmd.kernel
def sliding(x: InOut[f32, 24, 8], y: InOut[f32, 24, 8]):
    """What an iteration writes is read three iterations later."""
    for i in mpmd.loop(6):
        mix(x[i : i + 2], y[i : i + 2], x[i + 6 : i + 8])
        mix(x[i + 4 : i + 6], x[i : i + 2], y[i + 3 : i + 5])


@mpmd.kernel
def ended(x: InOut[f32, 24, 8], y: InOut[f32, 24, 8], left: InOut[i32, 1]):
    done = mpmd.empty((1,), i32)
    for _ in mpmd.loop(9, until=done[0]):
        for t in mpmd.tiles(24, 6):
            mix(x[t], x[t], y[t])
        for t in mpmd.tiles(24, 8):
            mix(y[t], y[t], x[t])
        count_down(left, done)


@mpmd.kernel
def drained(x: In[f32, 24, 8], y: InOut[f32, 24, 8], n: i32):
    h = mpmd.empty((24, 8), f32)
    for _ in mpmd.loop(n):
        for t in mpmd.tiles(24, 2, drain=True):
            scale(y[t], h[t])
        for t in mpmd.tiles(24, 5):
            mix(x[t], h[t], y[t])


@mpmd.kernel
def streamed(x: In[f32, 24, 8], y: Out[f32, 24, 8]):
    c = mpmd.channel(f32, (1, 8), depth=2)
    d = mpmd.channel(f32, (1, 8), depth=1)
    for t in mpmd.tiles(24, 6):
        send_rows(x[t], c)
        pass_rows(x[t], c, d)
        take_rows(d, y[t])


@mpmd.kernel
def ragged(x: In[f32, 24, 8], offsets: In[i32, 5], y: InOut[f32, 24, 8], n: i32):
    for s in mpmd.segments(offsets, 12):
        for t in mpmd.tiles(s, 4):
            scale(x[t], y[t])
    for p in mpmd.split(n, 5):
        mix(x[p], x[p], y[p])


@mpmd.kernel
def bounded(x: In[f32, 24, 8], y: InOut[f32, 24, 8], n: i32):
    """The first call keeps n from being so large that the last pieces have elements."""
    scale(x[n + 16 : n + 20], y[:4])
    for t in mpmd.tiles(n, 3, most=24):
        scale(x[t], y[t])


@mpmd.kernel
def summed(x: In[f32, 24, 8], y: Accum[f32, 8]):
    for t in mpmd.tiles(24, 2):
        add(x[t], y)


OFFSETS = np.array([0, 3, 3, 11, 23], np.int32)
CASES: dict[str, tuple[Any, Callable[[], list[Any]]]] = {
    "straight": (straight, lambda: [_values(0), _values(1)]),
    "repeated": (repeated, lambda: [_values(0), _values(1), 3]),
    "sliding": (sliding, lambda: [_values(0), _values(1)]),
    "ended": (ended, lambda: [_values(0), _values(1), np.array([3], np.int32)]),
    "drained": (drained, lambda: [_values(0), _values(1), 3]),
    "streamed": (streamed, lambda: [_values(0), _values(1)]),
    "ragged": (ragged, lambda: [_values(0), OFFSETS, _values(1), 17]),
    "bounded": (bounded, lambda: [_values(0), _values(1), 4]),
    "summed": (summed, lambda: [_values(0), np.zeros(8, np.float32)]),
}


def _values(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-3, 4, (24, 8)).astype(np.float32)


@dataclass(frozen=True)
class Case:
    """A schedule, its arguments, and the arrays as the evaluator leaves them."""

    schedule: Schedule
    given: Mapping[str, Any]
    expected: Mapping[str, Any]

    def replayed(self, seed: int, schedule: Schedule | None = None) -> dict[str, Any]:
        given = _copies(self.given)
        replay(schedule or self.schedule, given, seed)
        return given

    def differs(self, schedule: Schedule) -> bool:
        """Whether some order of this schedule gives something else, or nothing."""
        return any(self._wrong(seed, schedule) for seed in range(SEEDS))

    def _wrong(self, seed: int, schedule: Schedule) -> bool:
        try:
            found = self.replayed(seed, schedule)
        except DeadlockError:
            return True
        return not all(np.array_equal(found[name], self.expected[name]) for name in found)


def _copies(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in given.items()}


def case_of(
    kernel: Any, args: list[Any], *, scheduled: Callable[..., Schedule] = schedule, **how: Any
) -> Case:
    given = arguments(kernel, args, {})
    program = trace(kernel.function, specs_of(kernel, given))
    machine = toy(CORES, cache_bytes=how.pop("cache_bytes", 1 << 16))
    graph = partition(program, machine)
    flat = dict(zip(program.params, _flat(given.values()), strict=True))
    expected = _copies(flat)
    evaluate(program, expected, tile_sizes=dict(graph.tiles))
    return Case(scheduled(graph, machine, **how), flat, expected)


def _flat(values: Any) -> Iterator[Any]:
    """Arrays and numbers, those of a generated kernel's `Pack` among them."""
    for value in values:
        if isinstance(value, (np.ndarray, int, float)):
            yield value
        else:
            yield from vars(value).values()


def assert_replays(case: Case, seeds: int) -> None:
    for seed in range(seeds):
        for name, found in case.replayed(seed).items():
            np.testing.assert_array_equal(found, case.expected[name], err_msg=f"{name}, seed {seed}")


@pytest.mark.parametrize("cores", [2, 4])
@pytest.mark.parametrize("name", CASES)
def test_a_hundred_orders_give_what_the_evaluator_gives(name: str, cores: int) -> None:
    kernel, args = CASES[name]
    assert_replays(case_of(kernel, args(), cores=cores), SEEDS)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(kernels(ALL, cores=2), st.integers(2, 4), st.sampled_from(["heft", "wave"]), st.booleans())
def test_random_kernels_give_what_the_evaluator_gives(
    generated: Generated, cores: int, policy: str, share: bool
) -> None:
    note(generated.source)
    kernel = generated.define()
    cache = 0 if share else 1 << 16
    args = generated.arguments(kernel, generated.arrays)
    assert_replays(case_of(kernel, args, cores=cores, policy=policy, cache_bytes=cache), 4)


@pytest.mark.parametrize("cores", [1, 4])
@pytest.mark.parametrize("name", CASES)
def test_launch_after_launch_gives_what_the_evaluator_gives(name: str, cores: int) -> None:
    kernel, args = CASES[name]
    assert_replays(case_of(kernel, args(), scheduled=unfused, cores=cores), 10)


def test_pieces_that_no_launch_has_cost_nothing() -> None:
    """A negative time would let what is placed later begin before it."""
    graph = case_of(*_made("bounded"), cores=2).schedule.graph
    assert graph.flops.min() == 0 and graph.bytes.min() == 0


# -- the replay sees what is wrong -----------------------------------------------------------------


def test_seeds_give_different_orders() -> None:
    case = case_of(*_made("repeated"), cores=4)
    orders = {replay(case.schedule, _copies(case.given), seed) for seed in range(20)}
    assert len(orders) > 15
    assert replay(case.schedule, _copies(case.given), 7) == replay(case.schedule, _copies(case.given), 7)


@pytest.mark.parametrize("name", ["straight", "repeated", "drained"])
def test_without_any_one_of_its_waits_some_order_is_wrong(name: str) -> None:
    case = case_of(*_made(name), cores=3)
    waits = np.flatnonzero(case.schedule.op == StepOp.WAIT).tolist()
    assert waits
    unnoticed = [at for at in waits if not case.differs(_without(case.schedule, at))]
    assert not unnoticed


def test_a_local_tensor_that_shares_bytes_with_another_is_noticed() -> None:
    case = case_of(*_made("straight"), cores=3)
    a, b, *_ = (t.id for t in case.schedule.graph.program.tensors if not t.is_argument)
    offset = case.schedule.memory.offset.copy()
    offset[b] = offset[a] + 96  # three rows
    memory = replace(case.schedule.memory, offset=column(offset))
    assert case.differs(replace(case.schedule, memory=memory))


def test_rings_in_one_place_are_noticed() -> None:
    case = case_of(*_made("streamed"), cores=3)
    rings = tuple(replace(ring, offset=case.schedule.rings[0].offset) for ring in case.schedule.rings)
    assert len({ring.offset for ring in case.schedule.rings}) > 1
    assert case.differs(replace(case.schedule, rings=rings))


def test_who_cannot_go_on_is_named() -> None:
    case = case_of(*_made("repeated"), cores=2)
    first = int(np.flatnonzero(case.schedule.op == StepOp.SIGNAL)[0])
    with pytest.raises(DeadlockError) as caught:
        replay(_without(case.schedule, first), _copies(case.given), 0)
    assert str(caught.value).startswith("error[deadlock]: no core of kernel 'repeated' can go on")
    assert "stands at WAIT" in str(caught.value)


def test_a_condition_of_the_launch_that_does_not_hold_ends_the_replay() -> None:
    case = case_of(*_made("ragged"), cores=2)
    with pytest.raises(BoundsError):
        replay(case.schedule, {**_copies(case.given), "n": 25}, 0)


def test_offsets_that_fall_end_the_replay() -> None:
    case = case_of(*_made("ragged"), cores=2)
    falling = np.array([0, 5, 3, 11, 23], np.int32)
    with pytest.raises(BoundsError):
        replay(case.schedule, {**_copies(case.given), "offsets": falling}, 0)


def _made(name: str) -> tuple[Any, list[Any]]:
    kernel, args = CASES[name]
    return kernel, args()


def _without(schedule: Schedule, at: int) -> Schedule:
    """The schedule less the step at this place. A loop's END counts the steps of its core's body."""
    b = schedule.b.copy()
    core = int(np.searchsorted(schedule.core_ptr, at, side="right")) - 1
    for end in range(at, int(schedule.core_ptr[core + 1])):
        if schedule.op[end] == StepOp.END and end - int(b[end]) <= at:
            b[end] -= 1
    ptr = schedule.core_ptr - (np.arange(len(schedule.core_ptr)) > core)
    kept = {name: np.delete(getattr(schedule, name), at) for name in ("op", "a", "reason")}
    return replace(schedule, core_ptr=column(ptr), b=np.delete(b, at), **kept)
