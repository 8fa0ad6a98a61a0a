"""The cost model: what work a body is, what it takes on a kind of core, and where its bytes come from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import mpmd
from mpmd import In, InOut, Out, f32, f64
from mpmd.lang import surface
from mpmd.lang.program import Call, Placement
from mpmd.machine import CoreKind, WorkClass
from mpmd.partition.cost import seconds, seconds_of_work, work_of
from mpmd.schedule.costs import costs
from tests.machines import like, toy
from tests.unit.schedule_graphs import SPAN, graph

M, N, K = mpmd.dims("M N K")
SIZES = {"M": 4, "N": 8, "K": 16}


@mpmd.task
def product(x: In[f32, M, K], w: In[f32, K, N], y: Out[f32, M, N]):
    y[:] = x[:] @ w[:]


@mpmd.task
def activated(x: In[f32, M, K], w: In[f32, K, N], y: Out[f32, M, N]):
    p = x[:] @ w[:]
    y[:] = p * mpmd.sigmoid(p)


@mpmd.task
def chain(x: In[f32, M, N], y: Out[f32, M, N]):
    v = x[:]
    y[:] = (v * v + v) * v


@mpmd.task
def softmax(x: In[f32, M, N], y: Out[f32, M, N]):
    v = x[:]
    e = mpmd.exp(v - v.max(1)[:, None])
    y[:] = e / e.sum(1)[:, None]


@mpmd.task
def variance(x: In[f32, M, N], y: Out[f32, M]):
    v = x[:]
    c = v - v.mean(1)[:, None]
    y[:] = (c * c * c).sum(1) + c.sum(1)


@mpmd.task
def repeated(x: InOut[f32, M, N]):
    v = x[:]
    for _ in range(5):
        v = v * 0.5
    x[:] = v


@mpmd.task
def wide(x: In[f64, M, N], y: Out[f64, M, N]):
    y[:] = x[:] * 2.0


def amounts(task: mpmd.Task) -> dict[str, float]:
    """The work of a task that is not 0, by the name of its class."""
    assert isinstance(task, surface.Task)
    work = work_of(task.definition, SIZES).operations
    return {which.name: float(work[which]) for which in WorkClass if np.any(work[which])}


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (product, {"DOT32": 2 * 4 * 8 * 16, "OPERAND": 4 * 16 + 16 * 8, "PRODUCT": 1}),
        (
            activated,
            {
                "DOT32": 2 * 4 * 8 * 16, "OPERAND": 4 * 16 + 16 * 8, "PRODUCT": 1,
                "VECTOR": 32, "FUNCTION": 18 * 32, "PASS": 32,
            },
        ),
        (chain, {"VECTOR": 3 * 32}),
        (softmax, {"VECTOR": (1 + 4 + 1) * 32, "FUNCTION": (12 + 1) * 32, "FOLD": 8, "PASS": 3 * 32}),
        (repeated, {"VECTOR": 5 * 32, "PASS": 5 * 2 * 32}),
        (wide, {"VECTOR": 2 * 32}),
    ],
)  # fmt: skip
def test_work_by_class(task: mpmd.Task, expected: dict[str, float]) -> None:
    """Products load operands and start, reductions fold, what several steps take is passed over again."""
    assert amounts(task) == expected


def test_what_a_reduction_takes_as_it_is_made_is_not_read_for_it() -> None:
    """`v` is read twice; `c` is written and read once, for the sum of its cubes."""
    found = amounts(variance)
    assert (found["FOLD"], found["PASS"]) == (3 * 4, (1 + 2) * 32)


def test_a_chain_is_one_pass_however_often_it_takes_a_value() -> None:
    assert "PASS" not in amounts(chain)


def test_seconds_are_rates_and_overheads_and_infinite_where_a_kind_cannot() -> None:
    kind = CoreKind("k", 1, (1e9, 1e9, 0.0, 2e9, 5e8), 1e9, 0, 1e9, 0.0, overheads=(1e-9, 1e-7, 2e-9, 3e-9))
    rows = np.zeros((3, len(WorkClass)))
    rows[0, [WorkClass.DOT32, WorkClass.VECTOR, WorkClass.FUNCTION]] = 1000, 1000, 1000
    rows[1, [WorkClass.OPERAND, WorkClass.PRODUCT, WorkClass.FOLD, WorkClass.PASS]] = 10, 1, 10, 10
    rows[2, WorkClass.DOT8] = 1
    np.testing.assert_allclose(
        seconds_of_work(rows, kind), [1e-6 + 0.5e-6 + 2e-6, 1e-8 + 1e-7 + 2e-8 + 3e-8, np.inf]
    )


@pytest.mark.parametrize(("overlap", "expected"), [(1.0, 1.0), (0.5, 1.5), (0.0, 2.0)])
def test_what_does_not_overlap_is_added(overlap: float, expected: float) -> None:
    """A task that computes as long as it moves its bytes."""
    assert isinstance(chain, surface.Task)
    work = work_of(chain.definition, SIZES)
    rate, moving = work.flops / 1e-6, work.bytes / 1e-6
    machine = like(toy(1, flops=rate, core_bandwidth=moving), overlap=overlap)
    assert float(seconds(work, machine)) == pytest.approx(expected * 1e-6)
    one = graph([("a", [("x", 0, 4000)], [("y", 0, 4000)])], {}, flops=8000.0)
    cost = costs(one, like(toy(1, flops=1e9, bandwidth=1e9, core_bandwidth=1e9), overlap=overlap))
    assert float(cost.durations(per_byte=0.0)[0] - cost.task_seconds[0]) == pytest.approx(expected * 8e-6)


BYTES = 4096


def passing(shared: int, **changes: object) -> np.ndarray:
    """Bytes from memory of a task that reads an argument, and of one that reads it again."""
    machine = toy(2, shared_cache_bytes=shared, shared_cache_bandwidth=1e12, **changes)
    twice = graph([("a", [("x", 0, BYTES)], []), ("b", [("x", 0, BYTES)], [])], {})
    return costs(twice, machine).memory_bytes


def test_without_a_shared_cache_all_bytes_of_arguments_come_from_memory() -> None:
    assert passing(0).tolist() == [BYTES, BYTES]


def test_what_a_launch_touches_stays_in_a_cache_that_holds_it() -> None:
    assert passing(BYTES).tolist() == [0, 0]


def test_of_more_than_the_cache_holds_a_part_is_missing_and_each_byte_once() -> None:
    """Half more than the cache: half is missing. The two tasks share one reading of the tensor."""
    assert passing(BYTES * 2 // 3).tolist() == pytest.approx([BYTES / 2, BYTES / 2], rel=1e-3)
    assert passing(BYTES // 4).tolist() == [BYTES, BYTES]  # too large for itself: read again each time


def test_bytes_of_the_shared_cache_take_their_share_of_its_bandwidth() -> None:
    machine = toy(2, shared_cache_bytes=1 << 20, shared_cache_bandwidth=2e9)
    cost = costs(graph([("a", [("x", 0, BYTES)], [])], {}), machine)
    assert cost.memory[0].tolist() == pytest.approx([BYTES / 1e9])


def test_a_tensor_that_no_core_can_keep_is_not_handed_over() -> None:
    """What one task makes and another reads is a flow, unless all cores' own caches are too small for it."""
    tasks = [("a", [], [("h", 0, BYTES)]), ("b", [("h", 0, BYTES)], [("y", 0, 64)])]
    for cache, flows in ((BYTES, [BYTES]), (BYTES // 4, [])):
        machine = toy(2, cache_bytes=cache, shared_cache_bytes=1 << 20, shared_cache_bandwidth=1e10)
        assert costs(graph(tasks, {"h": BYTES}), machine).flow_bytes.tolist() == flows


def test_a_crowd_computes_slower_than_one() -> None:
    one = graph([("a", [], [("y", 0, 64)])], {}, flops=1000.0)
    alone, crowd = (costs(one, toy(cores, flops=1e9, crowding=1.5)).compute for cores in (1, 2))
    assert (float(alone[0, 0]), float(crowd[0, 0])) == pytest.approx((1e-6, 1.5e-6))


def test_a_kind_that_is_not_asked_for_takes_for_ever() -> None:
    machine = toy(2)
    other = replace(machine.leading, name="other")
    machine = replace(machine, kinds=(machine.leading, other))
    definition = graph([("a", [], [("y", 0, 64)])], {}).sites[0].call.task
    asked = Call(definition, (), (), SPAN, Placement(on="other"))
    cost = costs(graph([("a", [], [("y", 0, 64)])], {}, calls={"a": asked}), machine)
    assert np.isinf(cost.compute[0, 0]) and np.isfinite(cost.compute[1, 0])
    assert np.isinf(cost.durations(0, per_byte=0.0)[0]) and np.isfinite(cost.durations(1, per_byte=0.0)[0])
