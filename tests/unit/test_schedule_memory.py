"""The laws of the memory plan: what shares a place is ordered, and sharing happens where it pays."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_graphs import Spec, conflicts, graph, happens_before, machine, steps_of

from mpmd.errors import CapacityError
from mpmd.partition.graph import DepKind
from mpmd.schedule.build import schedule
from mpmd.schedule.order import POLICIES
from mpmd.schedule.steps import Schedule


def pipeline(stages: int, tiles: int, size: int = 256) -> list[Spec]:
    """`stages` phases, each from a whole buffer to the tiles of the next one."""
    step = size // tiles
    return [
        (f"s{k}", [(f"h{k}", 0, size)], [(f"h{k + 1}", i * step, (i + 1) * step)])
        for k in range(stages)
        for i in range(tiles)
    ]


def locals_of(stages: int, size: int = 256) -> dict[str, int]:
    return {f"h{k}": size for k in range(1, stages)}


def reuses(result: Schedule) -> int:
    return int((result.deps.kind == DepKind.REUSE).sum())


def test_buffers_that_fit_the_caches_share_nothing() -> None:
    result = schedule(graph(pipeline(6, 4), locals_of(6)), machine(4))
    assert reuses(result) == 0
    assert result.memory.arena_bytes == result.memory.unshared_bytes == 5 * 256
    assert result.memory.bound_bytes == 2 * 256


def test_buffers_do_not_share_where_that_would_make_phases_wait() -> None:
    """A tile of the second chain would wait for nothing but its place."""
    tasks: list[Spec] = []
    for name, source, target in (("f", "x", "h"), ("g", "h", "y"), ("p", "x", "u"), ("q", "u", "z")):
        tasks += [(name, [(source, i * 64, i * 64 + 64)], [(target, i * 64, i * 64 + 64)]) for i in range(4)]
    result = schedule(graph(tasks, {"h": 256, "u": 256}), machine(4, cache_bytes=0))
    assert reuses(result) == 0 and result.events == 0


def test_a_pipeline_needs_two_buffers_where_memory_matters() -> None:
    result = schedule(graph(pipeline(6, 4), locals_of(6)), machine(4, cache_bytes=0))
    assert result.memory.arena_bytes == result.memory.bound_bytes == 2 * 256
    assert reuses(result) > 0


def test_reuse_that_the_data_order_already_costs_no_signal() -> None:
    """Stage k+1 follows all of stage k, so the place of h(k−1) is free without being told."""
    shared, apart = (
        schedule(graph(pipeline(6, 4), locals_of(6)), machine(4, cache_bytes=size)) for size in (0, 1 << 20)
    )
    assert shared.events == apart.events == 5
    assert shared.op.tolist() == apart.op.tolist()


def test_tiles_of_reused_buffers_wait_for_their_own_predecessors_only() -> None:
    tasks: list[Spec] = []
    for name, source, target in (("f", "x", "h"), ("g", "h", "y"), ("p", "x", "u"), ("q", "u", "z")):
        tasks += [(name, [(source, i * 64, i * 64 + 64)], [(target, i * 64, i * 64 + 64)]) for i in range(4)]
    small = machine(4, cache_bytes=0, memory_bytes=256)
    result = schedule(graph(tasks, {"h": 256, "u": 256}), small, policy="round_robin")
    assert result.memory.arena_bytes == 256
    assert reuses(result) == 4
    assert result.events == 0


def test_offsets_are_aligned_and_arguments_have_none() -> None:
    tasks: list[Spec] = [
        ("f", [("x", 0, 4)], [("h", 0, 4)]),
        ("g", [("h", 0, 4)], [("u", 0, 100)]),
        ("g", [("u", 0, 100)], [("v", 0, 65)]),
        ("k", [("v", 0, 65)], [("y", 0, 4)]),
    ]
    result = schedule(graph(tasks, {"h": 4, "u": 100, "v": 65}), machine(1, cache_bytes=1 << 20))
    assert result.memory.offset.tolist() == [-1, -1, 256, 0, 128]
    assert result.memory.arena_bytes == 64 + 128 + 128


def test_a_buffer_that_nothing_uses_takes_no_room() -> None:
    result = schedule(graph([("f", [("x", 0, 4)], [("y", 0, 4)])], {"h": 4096}), machine(1))
    assert result.memory.arena_bytes == 0
    assert result.memory.offset.tolist() == [-1, -1, 0]


def test_memory_that_no_reuse_can_fit_is_refused_at_the_largest_tensor() -> None:
    with pytest.raises(CapacityError) as caught:
        schedule(graph(pipeline(4, 2), locals_of(4)), machine(2, memory_bytes=511, cache_bytes=0))
    assert caught.value.message == "kernel 'k' needs 512 bytes for its local tensors; 'toy' has 511"
    assert caught.value.label == "the largest: 'h1', 256 bytes"


def test_too_little_memory_makes_buffers_share_that_the_prediction_has_alive_together() -> None:
    tasks: list[Spec] = []
    for i in range(4):
        tasks += [("f", [("x", i, i + 1)], [(f"h{i}", 0, 64)]), ("g", [(f"h{i}", 0, 64)], [("y", i, i + 1)])]
    g = graph(tasks, {f"h{i}": 64 for i in range(4)}, flops=[1000.0, 1000.0, 1300.0, 1300.0] * 2)
    roomy = schedule(g, machine(4, cache_bytes=0))
    assert roomy.memory.arena_bytes == 256 and reuses(roomy) == 0
    tight = schedule(g, machine(2, cache_bytes=0, memory_bytes=128))
    assert tight.memory.arena_bytes == 128 and reuses(tight) > 0


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(1, 3), st.sampled_from([64, 100, 256])),
        min_size=2,
        max_size=8,
    ),
    st.integers(1, 4),
    st.sampled_from(list(POLICIES)),
)
def test_whatever_shares_a_place_is_ordered(
    shapes: list[tuple[int, int, int]], cores: int, policy: str
) -> None:
    """Buffers of several sizes, each made from an earlier one in one to three tiles."""
    tasks: list[Spec] = [("f", [("x", 0, 64)], [("b0", 0, 64)])]
    sizes = {"b0": 64}
    for k, (source, tiles, size) in enumerate(shapes, start=1):
        name = f"b{max(0, k - 1 - source)}"
        step = -(-size // tiles)
        tasks += [
            ("g", [(name, 0, sizes[name])], [(f"b{k}", i * step, min(size, (i + 1) * step))])
            for i in range(tiles)
        ]
        sizes[f"b{k}"] = size
    result = schedule(graph(tasks, sizes), machine(cores, cache_bytes=0), policy=policy)
    before = happens_before(steps_of(result))
    assert before is not None
    for u, v in conflicts(result):
        assert before[u, v] or before[v, u]
