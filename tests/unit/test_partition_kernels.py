"""Real kernels through the partition stage: any order that the dependences allow gives the same result."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

import mpmd
from examples import cholesky, mlp
from examples.smollm2 import kernels as smollm2
from mpmd.lang.evaluate_task import run_task
from mpmd.lang.kernel.trace import trace
from mpmd.lang.program import Program, ScalarArg, View
from mpmd.lang.types import f32
from mpmd.partition import TaskGraph, partition
from mpmd.pipeline import specs_of
from tests.unit.partition_programs import MACHINE, Instance, conflicting_pairs, instances, reachable

Arguments = dict[str, Any]


def traced(kernel: Any, arguments: Arguments) -> Program:
    return trace(kernel.function, specs_of(kernel, bundled(kernel, arguments)))


def bundled(kernel: Any, arguments: Arguments) -> Arguments:
    """The arguments as the kernel takes them: a field of a dataclass is named `parameter_field`."""
    given: Arguments = {}
    for parameter in kernel.params:
        cls, name = getattr(parameter.annotation, "cls", None), parameter.name
        if cls is None:
            given[name] = arguments[name]
        else:
            given[name] = cls(**{f.name: arguments[f"{name}_{f.name}"] for f in fields(cls)})
    return given


def split(program: Program, parts: int) -> TaskGraph:
    """The graph with every open loop in about `parts` pieces, the last one smaller."""
    whole = partition(program, MACHINE)
    return partition(program, MACHINE, tiles={name: size // parts + 1 for name, size in whole.tiles})


def run(graph: TaskGraph, arguments: Arguments, order: list[int]) -> dict[str, np.ndarray]:
    """The arrays after the instances ran in `order`."""
    program = graph.program
    arrays: list[np.ndarray] = []
    for tensor in program.tensors:
        if tensor.base is not None:
            arrays.append(arrays[tensor.base].reshape(tensor.shape))
        elif tensor.is_argument:
            arrays.append(np.array(arguments[tensor.name]))
        else:
            arrays.append(np.full(tensor.shape, 7, tensor.dtype.numpy))
    scalars = {s.name: arguments[s.name] for s in program.scalars}
    every = list(instances(program.body, dict(graph.tiles), scalars))
    for task in order:
        execute(every[task], arrays, scalars)
    return {t.name: arrays[t.id] for t in program.arguments}


def execute(instance: Instance, arrays: list[np.ndarray], scalars: Mapping[str, Any]) -> None:
    tensors: dict[str, np.ndarray] = {}
    values: dict[str, Any] = {}
    call = instance.call
    for param, arg in zip(call.task.params, call.args, strict=True):
        if isinstance(arg, View):
            tensors[param.name] = window(arrays[arg.tensor], arg, instance.values)
        else:
            values[param.name] = number(arg, instance.values, scalars)
    dims = {name: int(index.evaluate(instance.values)) for name, index in call.dims}
    run_task(call.task, tensors, values, dims)


def window(array: np.ndarray, arg: View, values: Mapping[str, int]) -> np.ndarray:
    part: list[slice | int] = []
    for axis in arg.region:
        start, extent = int(axis.start.evaluate(values)), int(axis.extent.evaluate(values))
        part.append(slice(start, start + (extent - 1) * axis.step + 1, axis.step) if axis.keep else start)
    return array[tuple(part)].transpose(arg.order)


def number(arg: ScalarArg, values: Mapping[str, int], scalars: Mapping[str, Any]) -> Any:
    if isinstance(arg.value, str):
        return scalars[arg.value]
    return arg.value if isinstance(arg.value, float) else int(arg.value.evaluate(values))


def allowed_order(graph: TaskGraph, priority: Callable[[int], float]) -> list[int]:
    """An order that the dependences allow, the ready task of least priority first."""
    shown = graph.to_networkx()
    waiting = dict(shown.in_degree)
    ready = [(priority(t), t) for t, count in waiting.items() if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        _, task = heapq.heappop(ready)
        order.append(task)
        for consumer in shown.successors(task):
            waiting[consumer] -= 1
            if not waiting[consumer]:
                heapq.heappush(ready, (priority(consumer), consumer))
    return order


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32) / 8


def mlp_arguments() -> Arguments:
    return {
        "x": normal(3, 24),
        "wg": normal(40, 24),
        "wu": normal(40, 24),
        "wd": normal(24, 40),
        "y": normal(3, 24),
    }


def cholesky_arguments() -> Arguments:
    square = np.random.default_rng(0).standard_normal((300, 300))
    return {"a": square @ square.T + 300 * np.eye(300)}


def smollm2_arguments(positions: int = 12) -> Arguments:
    """Two layers of the right width, a tiny vocabulary and a narrow MLP."""
    layers, hidden, wide, words = 2, 576, 20, 10
    shapes = {
        "weights_table": (words, hidden),
        "weights_attention_norm": (layers, hidden),
        "weights_qkv": (layers, 960, hidden),
        "weights_out": (layers, hidden, hidden),
        "weights_mlp_norm": (layers, hidden),
        "weights_gate": (layers, wide, hidden),
        "weights_up": (layers, wide, hidden),
        "weights_down": (layers, hidden, wide),
        "weights_final_norm": (hidden,),
        "weights_cos": (positions, 32),
        "weights_sin": (positions, 32),
        "cache_keys": (layers, 3, positions, 64),
        "cache_values": (layers, 3, positions, 64),
    }
    return {name: normal(*shape) for name, shape in shapes.items()}


def decode_arguments() -> Arguments:
    ends = {"token": np.array([3], np.int32), "logits": normal(1, 10), "successor": np.array([0], np.int32)}
    return {**smollm2_arguments(), **ends, "pos": 5}


def prefill_arguments() -> Arguments:
    tokens = np.arange(smollm2.CHUNK, dtype=np.int32) % 10
    return {**smollm2_arguments(80), "tokens": tokens, "count": 4, "pos": 2}


KERNELS = [
    (mlp.mlp, mlp_arguments),
    (cholesky.cholesky, cholesky_arguments),
    (smollm2.decode, decode_arguments),
    (smollm2.prefill, prefill_arguments),
]


@pytest.mark.parametrize(("kernel", "make"), KERNELS, ids=["mlp", "cholesky", "decode", "prefill"])
def test_every_allowed_order_gives_the_same_bits(kernel: Any, make: Callable[[], Arguments]) -> None:
    arguments = make()
    graph = split(traced(kernel, arguments), 3)
    expected = run(graph, arguments, list(range(len(graph))))
    shuffled = np.random.default_rng(1).permutation(len(graph))
    for priority in (lambda t: -t, lambda t: shuffled[t]):
        order = allowed_order(graph, priority)
        assert sorted(order) == list(range(len(graph))) and order != sorted(order)
        for name, array in run(graph, arguments, order).items():
            assert array.tobytes() == expected[name].tobytes(), name


def test_blocks_of_a_factorisation_are_ordered_exactly_where_they_conflict() -> None:
    arguments = cholesky_arguments()
    graph = partition(traced(cholesky.cholesky, arguments), MACHINE)
    every = list(instances(graph.program.body, {}, {}))
    conflicts = conflicting_pairs(graph.program, every)
    assert set(graph.to_networkx().edges) <= conflicts <= reachable(graph)


def test_functions_do_not_multiply_with_layers() -> None:
    def names(layers: int) -> list[str]:
        arguments = decode_arguments()
        once = ("weights_table", "weights_final_norm", "weights_cos", "weights_sin")
        for name in arguments:
            if name.startswith(("weights_", "cache_")) and name not in once:
                arguments[name] = np.concatenate([arguments[name][:1]] * layers)
        return [f.name for f in partition(traced(smollm2.decode, arguments), MACHINE).functions]

    assert names(2) == names(6)


def test_a_runtime_row_of_the_cache_is_guarded_by_its_capacity() -> None:
    graph = partition(traced(smollm2.decode, decode_arguments()), MACHINE)
    (guard,) = graph.guards
    assert (guard.value.terms, guard.lo, guard.hi) == (((0, 1),), 0, 11)


def test_heads_read_only_the_tiles_that_hold_them() -> None:
    """A reshaped view of rows as heads depends on the column tiles that made these heads, not on all."""
    graph = partition(traced(smollm2.decode, decode_arguments()), MACHINE, tiles={"t": 64})
    made = [t for t in range(len(graph)) if graph.task_name(t).startswith("norm_linear")][:15]
    shown = graph.to_networkx()
    rotate = next(t for t in range(len(graph)) if graph.task_name(t) == "rotate_keys#0")
    assert set(shown.predecessors(rotate)) == {made[9], made[12]}


def test_a_gather_costs_the_rows_it_reads() -> None:
    graph = partition(traced(smollm2.decode, decode_arguments()), MACHINE)
    assert graph.bytes[0] == 4 + 576 * 4 + 576 * 4


def test_specs_alone_are_enough() -> None:
    shapes = {"x": (3, 24), "wg": (40, 24), "wu": (40, 24), "wd": (24, 40), "y": (3, 24)}
    program = trace(mlp.mlp.function, {n: mpmd.spec(f32, s) for n, s in shapes.items()})
    assert len(partition(program, MACHINE)) == 2
