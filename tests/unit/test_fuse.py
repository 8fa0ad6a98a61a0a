"""The law: a value has a buffer of its own exactly where computing it in place would be wrong or wasteful."""

from __future__ import annotations

import mpmd
from mpmd import In, InOut, Out, f32, i32
from mpmd.codegen.fuse import Check, Choose, Compute, Fusion, Iterate, Product, Reduce, Step, Write, fuse
from mpmd.lang.tile import Apply

A, B, K, N = mpmd.dims("A B K N")


def fused(task: mpmd.Task) -> Fusion:
    return fuse(task.definition, fixed={})


def outline(steps: tuple[Step, ...], fusion: Fusion) -> list[object]:
    """The steps by kind and op: "exp" is kept, "sum" reduces (with what it keeps on the way), …"""
    return [_outline(step, fusion) for step in steps]


def _outline(step: Step, fusion: Fusion) -> object:
    def op(value: int) -> str:
        stmt = fusion.values.definition[value]
        return stmt.op if isinstance(stmt, Apply) else type(stmt).__name__.lower()

    if isinstance(step, Compute):
        return f"keep {op(step.value)}"
    if isinstance(step, Write):
        return f"write {step.store.param}"
    if isinstance(step, Reduce):
        return step.stmt.op if step.also is None else f"{step.stmt.op}, keep {op(step.also)}"
    if isinstance(step, Product):
        return "dot" if step.store is None else f"dot to {step.store.param}"
    if isinstance(step, Check):
        return f"check axis {step.axis}"
    if isinstance(step, Iterate):
        moves = [f"{'staged ' if m.staged else ''}update" for m in step.updates]
        return ["loop", *outline(step.body, fusion), *moves]
    if isinstance(step, Choose):
        return ["if", *outline(step.then, fusion), "else", *outline(step.otherwise, fusion)]
    return "move"


@mpmd.task
def chain(x: In[f32, A, B], w: In[f32, B], y: Out[f32, A, B]):
    y[:] = mpmd.exp(x[:] * w[:] + 1.0) / 3.0


def test_an_elementwise_chain_is_one_step() -> None:
    fusion = fused(chain)
    assert outline(fusion.steps, fusion) == ["write y"]
    assert not fusion.kept


@mpmd.task
def softmax_rows(x: In[f32, A, B], y: Out[f32, A, B]):
    e = mpmd.exp(x[:] - x[:].max(1)[:, None])
    y[:] = e / e.sum(1)[:, None]


def test_a_value_with_two_users_is_kept_as_a_reduction_passes_by() -> None:
    fusion = fused(softmax_rows)
    assert outline(fusion.steps, fusion) == ["max", "sum, keep exp", "write y"]


@mpmd.task
def scaled(x: In[f32, A, B], y: Out[f32, A, B]):
    y[:] = x[:] * mpmd.rsqrt((x[:] * x[:]).sum(1) + 1e-5)[:, None]


def test_what_a_broadcast_would_repeat_is_kept() -> None:
    fusion = fused(scaled)
    assert outline(fusion.steps, fusion) == ["sum", "keep rsqrt", "write y"]


@mpmd.task
def linear(x: In[f32, A, K], w: In[f32, B, K], y: Out[f32, A, B]):
    y[:] = x[:] @ w[:].T


def test_a_product_reads_views_in_place_and_writes_its_parameter() -> None:
    fusion = fused(linear)
    assert outline(fusion.steps, fusion) == ["dot to y"]


@mpmd.task
def product_in_place(x: InOut[f32, A, A], w: In[f32, A, A]):
    x[:] = x[:] @ w[:]


def test_a_product_does_not_write_what_it_reads() -> None:
    fusion = fused(product_in_place)
    assert outline(fusion.steps, fusion) == ["dot", "write x"]


@mpmd.task
def activated(x: In[f32, A, K], w: In[f32, K, B], y: Out[f32, A, B]):
    y[:] = mpmd.maximum(x[:] * 2.0, 0.0) @ w[:]


def test_a_product_needs_its_operand_in_memory() -> None:
    fusion = fused(activated)
    assert outline(fusion.steps, fusion) == ["keep maximum", "dot to y"]


@mpmd.task
def elementwise_in_place(x: InOut[f32, A, A]):
    x[:] = x[:] * 2.0


@mpmd.task
def transposed_in_place(x: InOut[f32, A, A]):
    x[:] = x[:].T


@mpmd.task
def halves_in_place(x: InOut[f32, 8]):
    x[:4] = x[4:] * 2.0


def test_a_store_may_read_the_same_place_but_not_another() -> None:
    assert outline(fused(elementwise_in_place).steps, fused(elementwise_in_place)) == ["write x"]
    assert outline(fused(transposed_in_place).steps, fused(transposed_in_place)) == ["keep load", "write x"]
    assert outline(fused(halves_in_place).steps, fused(halves_in_place)) == ["write x"]


@mpmd.task
def overwritten(x: InOut[f32, N], y: Out[f32, N]):
    old = x[:]
    x[:] = mpmd.zeros((N,), f32)
    y[:] = old


def test_a_load_is_kept_where_a_store_comes_before_its_use() -> None:
    fusion = fused(overwritten)
    assert outline(fusion.steps, fusion) == ["keep load", "write x", "write y"]


@mpmd.task
def accumulating(x: In[f32, A, K], w: In[f32, B, K], y: Out[f32, A, B]):
    acc = mpmd.zeros((A, B), f32)
    for t in mpmd.tiles(K, 64):
        acc = acc + x[:, t] @ w[:, t].T
    y[:] = acc


def test_a_carried_value_is_updated_where_it_lies() -> None:
    fusion = fused(accumulating)
    assert outline(fusion.steps, fusion) == [["loop", "dot", "update"], "write y"]


@mpmd.task
def fibonacci(x: In[f32, N], y: Out[f32, N]):
    a = x[:]
    b = x[:] * 2.0
    for _ in range(4):
        a, b = b, a + b
    y[:] = a


def test_a_value_that_reads_another_carried_one_is_staged() -> None:
    fusion = fused(fibonacci)
    assert outline(fusion.steps, fusion) == [["loop", "staged update", "staged update"], "write y"]


@mpmd.task
def hoisted(x: In[f32, N], y: Out[f32, N]):
    scale = x[:] * 3.0
    acc = mpmd.zeros((N,), f32)
    for _ in range(4):
        acc = acc * scale
    y[:] = acc


def test_a_loop_does_not_compute_again_what_comes_before_it() -> None:
    fusion = fused(hoisted)
    assert outline(fusion.steps, fusion) == ["keep mul", ["loop", "update"], "write y"]


@mpmd.task
def reshaped(x: In[f32, A, 6], y: Out[f32, A * 2, 3]):
    y[:] = (x[:] + 1.0).reshape((A * 2, 3))


def test_a_reshape_needs_a_buffer_without_gaps() -> None:
    fusion = fused(reshaped)
    assert outline(fusion.steps, fusion) == ["keep add", "write y"]
    assert fusion.dense == fusion.kept


@mpmd.task
def looked_up(table: In[f32, A, B], ids: In[i32, N], y: Out[f32, N, B]):
    y[:] = table[ids[:]]


def test_a_gather_is_checked_and_read_in_place() -> None:
    fusion = fused(looked_up)
    assert outline(fusion.steps, fusion) == ["check axis 0", "write y"]


@mpmd.task
def either(x: In[f32, N], flag: i32, y: Out[f32, N]):
    v = x[:]
    if flag > 0:
        v = v + 1.0
    y[:] = v


def test_a_branch_moves_the_value_of_each_arm_to_one_place() -> None:
    fusion = fused(either)
    assert outline(fusion.steps, fusion) == ["keep gt", ["if", "move", "else", "move"], "write y"]
