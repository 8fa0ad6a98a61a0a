"""What a task body parses to: the tile IR of each construct, and that it computes what Python says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from parsing import body, parse, run, same

import mpmd
from mpmd import In, Out, f32
from mpmd.lang.index import symbol
from mpmd.lang.task.parser import parse_task
from mpmd.lang.tile import Apply, Loop, walk

RNG = np.random.default_rng(0)


def floats(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


# -- whole tasks --------------------------------------------------------------------------------------


def test_swiglu_is_the_ops_it_is_written_with() -> None:
    same(
        body("""
            @mpmd.task
            def swiglu(x: In[f32, T, H], wg: In[f32, F, H], wu: In[f32, F, H], y: Out[f32, T, F]):
                g = x[:] @ wg[:].T
                y[:] = g * mpmd.sigmoid(g) * (x[:] @ wu[:].T)
        """),
        """
            %0: f32[T, H] = load x[0:+T, 0:+H]
            %1: f32[F, H] = load wg[0:+F, 0:+H]
            %2: f32[H, F] = transpose %1 order=(1, 0)
            %3: f32[T, F] = dot %0, %2
            %4: f32[T, F] = sigmoid %3
            %5: f32[T, F] = mul %3, %4
            %6: f32[T, H] = load x[0:+T, 0:+H]
            %7: f32[F, H] = load wu[0:+F, 0:+H]
            %8: f32[H, F] = transpose %7 order=(1, 0)
            %9: f32[T, F] = dot %6, %8
            %10: f32[T, F] = mul %5, %9
            store y[0:+T, 0:+F] = %10
        """,
    )


def test_linear_in_half_precision_accumulates_in_f32_and_narrows_in_the_store() -> None:
    same(
        body("""
            @mpmd.task
            def linear(x: In[bf16, T, K], w: Const[bf16, N, K], y: Out[bf16, T, N]):
                y[:] = x[:] @ w[:].T
        """),
        """
            %0: bf16[T, K] = load x[0:+T, 0:+K]
            %1: bf16[N, K] = load w[0:+N, 0:+K]
            %2: bf16[K, N] = transpose %1 order=(1, 0)
            %3: f32[T, N] = dot %0, %2
            %4: bf16[T, N] = cast %3 dtype=bf16
            store y[0:+T, 0:+N] = %4
        """,
    )


FLASH = """
    @mpmd.task
    def attend(q: In[f32, T, D], k: In[f32, S, D], v: In[f32, S, D], scale: f32, y: Out[f32, T, D]):
        m = mpmd.full((T,), -1e30, f32)
        l = mpmd.zeros((T,), f32)
        acc = mpmd.zeros((T, D), f32)
        for j in mpmd.tiles(S, 16):
            s = (q[:] @ k[j].T) * scale
            higher = mpmd.maximum(m, s.max(1))
            p = mpmd.exp(s - higher[:, None])
            shrink = mpmd.exp(m - higher)
            l = l * shrink + p.sum(1)
            acc = acc * shrink[:, None] + p @ v[j]
            m = higher
        y[:] = acc / l[:, None]
"""


def test_flash_attention_carries_its_running_values() -> None:
    (loop,) = [s for s in walk(parse(FLASH).body) if isinstance(s, Loop)]
    assert (loop.name, str(loop.stop), loop.step, loop.tile) == ("j", "S", 16, 16)
    assert {c.name: str(c.type) for c in loop.carried} == {"l": "f32[T]", "acc": "f32[T, D]", "m": "f32[T]"}


def test_flash_attention_computes_attention() -> None:
    q, k, v, y = floats(5, 8), floats(37, 8), floats(37, 8), np.empty((5, 8), np.float32)
    run(parse(FLASH), q, k, v, 0.25, y)
    p = np.exp(q @ k.T * 0.25)
    np.testing.assert_allclose(y, p @ v / p.sum(1, keepdims=True), rtol=1e-5, atol=1e-6)


def test_rope_on_strided_halves() -> None:
    task = parse("""
        @mpmd.task
        def rope(x: In[f32, T, 2 * D], cos: In[f32, T, D], sin: In[f32, T, D], y: Out[f32, T, 2 * D]):
            a, b = x[:, 0::2], x[:, 1::2]
            y[:, 0::2] = a * cos[:] - b * sin[:]
            y[:, 1::2] = a * sin[:] + b * cos[:]
    """)
    x, cos, sin, y = floats(3, 8), floats(3, 4), floats(3, 4), np.empty((3, 8), np.float32)
    run(task, x, cos, sin, y)
    np.testing.assert_allclose(y[:, 0::2], x[:, 0::2] * cos - x[:, 1::2] * sin, rtol=1e-6)
    np.testing.assert_allclose(y[:, 1::2], x[:, 0::2] * sin + x[:, 1::2] * cos, rtol=1e-6)


def test_rope_on_contiguous_halves_of_an_even_extent() -> None:
    text = body("""
        @mpmd.task
        def rope(x: In[f32, T, 2 * D], cos: In[f32, T, D], y: Out[f32, T, 2 * D]):
            half = x.shape[1] // 2
            y[:, :half] = x[:, :half] * cos[:]
            y[:, half:] = x[:, half:] * cos[:]
    """)
    assert "load x[0:+T, D:+D]" in text


def test_embedding_gathers_rows() -> None:
    source = """
        @mpmd.task
        def embed(ids: In[i32, T], table: In[f32, V, H], y: Out[f32, T, H]):
            y[:] = table[ids[:]]
    """
    same(
        body(source),
        """
            %0: i32[T] = load ids[0:+T]
            %1: f32[T, H] = gather table[%0]
            store y[0:+T, 0:+H] = %1
        """,
    )
    ids, table, y = np.array([3, 0, 3], np.int32), floats(4, 2), np.empty((3, 2), np.float32)
    run(parse(source), ids, table, y)
    np.testing.assert_array_equal(y, table[ids])


def test_a_gather_can_be_sliced_along_the_other_axes() -> None:
    task = parse("""
        @mpmd.task
        def part(ids: In[i32, T], table: In[f32, V, 8], y: Out[f32, T, 3]):
            y[:] = table[ids[:], 2:5]
    """)
    ids, table, y = np.array([1, 1], np.int32), floats(4, 8), np.empty((2, 3), np.float32)
    run(task, ids, table, y)
    np.testing.assert_array_equal(y, table[ids, 2:5])


def test_argmax_narrows_into_the_store() -> None:
    same(
        body("""
            @mpmd.task
            def pick(logits: In[f32, T, V], token: Out[i32, T]):
                token[:] = logits[:].argmax(1)
        """),
        """
            %0: f32[T, V] = load logits[0:+T, 0:+V]
            %1: i64[T] = argmax %0 axis=1
            %2: i32[T] = cast %1 dtype=i32
            store token[0:+T] = %2
        """,
    )


CHOLESKY = """
    @mpmd.task
    def factor(a: InOut[f64, B, B]):
        for j in range(B):
            for k in range(j):
                a[j:, j] -= a[j:, k] * a[j, k]
            a[j, j] = mpmd.sqrt(a[j, j])
            a[j + 1 :, j] = a[j + 1 :, j] / a[j, j]
            for k in range(j + 1, B):
                a[j, k] = 0.0
"""


def test_a_cholesky_tile_has_nested_loops_with_bounds_of_the_outer_one() -> None:
    loops = [s for s in walk(parse(CHOLESKY).body) if isinstance(s, Loop)]
    assert [(s.name, str(s.start), str(s.stop)) for s in loops] == [
        ("j", "0", "B"),
        ("k", "0", "j"),
        ("k_2", "j + 1", "B"),
    ]


def test_a_cholesky_tile_factors() -> None:
    square = RNG.standard_normal((6, 6))
    a = square @ square.T + 6 * np.eye(6)
    expected = np.linalg.cholesky(a)
    run(parse(CHOLESKY), a)
    np.testing.assert_allclose(a, expected, rtol=1e-12, atol=1e-12)


# -- numbers and promotion ----------------------------------------------------------------------------


def test_numbers_take_the_dtype_of_the_tile_they_meet() -> None:
    same(
        body("""
            @mpmd.task
            def f(x: In[f16, N], y: Out[f16, N]):
                y[:] = (x[:] + 1) * 0.5 / N
        """),
        """
            %0: f16[N] = load x[0:+N]
            %1: f16[] = const value=1.0
            %2: f16[N] = add %0, %1
            %3: f16[] = const value=0.5
            %4: f16[N] = mul %2, %3
            %5: i64[] = index value=[N]
            %6: f16[] = cast %5 dtype=f16
            %7: f16[N] = div %4, %6
            store y[0:+N] = %7
        """,
    )


def test_a_number_computed_from_numbers_stays_weak() -> None:
    text = body("""
        @mpmd.task
        def f(x: In[f16, N], y: Out[f16, N]):
            y[:] = x[:] * mpmd.rsqrt(N)
    """)
    assert "f32[] = rsqrt" in text and "f16[N] = mul" in text


def test_tiles_of_two_dtypes_are_promoted_by_casts() -> None:
    same(
        body("""
            @mpmd.task
            def f(x: In[i8, N], w: In[f16, N], y: Out[f32, N]):
                y[:] = x[:] * w[:]
        """),
        """
            %0: i8[N] = load x[0:+N]
            %1: f16[N] = load w[0:+N]
            %2: f16[N] = cast %0 dtype=f16
            %3: f16[N] = mul %2, %1
            %4: f32[N] = cast %3 dtype=f32
            store y[0:+N] = %4
        """,
    )


@pytest.mark.parametrize(
    ("dtype", "expression", "expected"),
    [
        ("i32", "x[:] * 0.5", "f32"),
        ("i64", "x[:] * 0.5", "f64"),
        ("bool_", "x[:] + 1", "i64"),
        ("i32", "x[:] / 2", "f32"),
        ("u8", "x[:] // 2", "u8"),
        ("f64", "x[:] + 1", "f64"),
        ("f16", "x[:].sum()", "f32"),
        ("f16", "mpmd.max(x[:])", "f16"),
        ("f16", "x[:].mean()", "f32"),
        ("i32", "x[:].mean()", "f32"),
        ("f16", "mpmd.softmax(x[:])", "f32"),
        ("f16", "mpmd.silu(x[:])", "f16"),
        ("i32", "mpmd.relu(x[:])", "i32"),
        ("i32", "x[:] < 2", "bool"),
        ("f32", "mpmd.where(x[:] > 0, x[:], 0)", "f32"),
        ("i32", "x[:] ** 2", "i32"),
        ("i32", "(x[:] > 0) & (x[:] < 5)", "bool"),
        ("i32", "x[:] << 2", "i32"),
        ("f32", "mpmd.arange(N)", "i64"),
        ("f32", "mpmd.any(x[:])", "bool"),
    ],
)
def test_the_dtype_of_an_expression(dtype: str, expression: str, expected: str) -> None:
    task = parse(f"""
        @mpmd.task
        def f(x: In[{dtype}, N], y: Out[f64, N]):
            v = {expression}
            y[:] = 0
    """)
    values = [s for s in task.body if isinstance(s, Apply)]
    assert values[-3].type.dtype.name == expected  # the last two are the zeros


def test_integer_scalars_and_dims_stay_index_expressions() -> None:
    same(
        body("""
            @mpmd.task
            def f(x: In[f32, S], pos: i32, y: Out[f32, T]):
                first = pos * 2 + T // 2
                y[:] = x[first : first + T]
        """),
        """
            %0: f32[T] = load x[(T // 2) + 2*pos:+T]
            store y[0:+T] = %0
        """,
    )


def test_a_float_scalar_is_a_value_and_unused_numbers_are_nothing() -> None:
    same(
        body("""
            @mpmd.task
            def f(x: In[f32, N], eps: f32, y: Out[f32, N]):
                big = 1 << 20
                y[:] = x[:] + eps
        """),
        """
            %0: f32[] = scalar name="eps"
            %1: f32[N] = load x[0:+N]
            %2: f32[N] = add %1, %0
            store y[0:+N] = %2
        """,
    )


def test_a_loaded_integer_is_a_symbol_in_indices_and_bounds() -> None:
    same(
        body("""
            @mpmd.task
            def f(x: In[f32, S], at: In[i32, 2], y: InOut[f32, S]):
                first = at[0]
                for i in range(first, at[1]):
                    y[i] = x[first]
        """),
        """
            %0: i32[] = load at[0]
            %1: i32[] = load at[1]
            for i in range(%0, %1, 1) {
              %2: f32[] = load x[%0]
              store y[i] = %2
            }
        """,
    )


# -- brackets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        ("x[:]", "x[0:+M, 0:+8]"),
        ("x[...]", "x[0:+M, 0:+8]"),
        ("x[-1]", "x[M - 1, 0:+8]"),
        ("x[:, -2]", "x[0:+M, 6]"),
        ("x[..., 3]", "x[0:+M, 3]"),
        ("x[1:, 2:5]", "x[1:+M - 1, 2:+3]"),
        ("x[:-1]", "x[0:+M - 1, 0:+8]"),
        ("x[:, -4:]", "x[0:+M, 4:+4]"),
        ("x[:, 1::3]", "x[0:+M, 1:+3:3]"),
    ],
)
def test_regions(index: str, expected: str) -> None:
    text = body(f"""
        @mpmd.task
        def f(x: InOut[f32, M, 8]):
            v = {index}
    """)
    assert text.endswith(f"load {expected}")


@pytest.mark.parametrize(
    "expression",
    [
        "v[1:3]",
        "v[:, ::2]",
        "v[-1]",
        "v[2, 3:]",
        "v[:, None, 1:]",
        "v[None]",
        "v.T",
        "v.T[1:, 2]",
        "v.reshape((5, 4))",
        "v.reshape(2, 10)",
        "v.reshape((-1, 2))",
        "v.transpose((1, 0))",
        "v.sum(0)",
        "v.sum(-1)",
        "v.sum()",
        "v.sum(axis=(0, 1))",
        "v.max(axis=1, keepdims=True)",
        "v.max(keepdims=True)",
        "v.argmin(0)",
        "v.argmax()",
        "v.mean(1)",
        "v.mean()",
        "v @ v.T",
        "v[0] @ v[1]",
        "v[0] @ v.T",
        "v @ v[0]",
        "v ** 2",
        "v % 0.5",
        "v // 0.5",
        "-v",
        "abs(v)",
        "(v > 0.5).any(0)",
        "1 / (v + 3)",
    ],
)
def test_tile_values_behave_as_numpy_arrays(expression: str) -> None:
    v = RNG.uniform(0, 1, (4, 5)).astype(np.float32)
    expected = np.asarray(eval(expression, {"v": v, "abs": abs}))
    dtype = {"f": "f32", "i": "i64", "b": "bool_"}[expected.dtype.kind]
    shape = ", ".join(map(str, expected.shape)) or "()"
    target = "y[:]" if expected.shape else "y[()]"
    task = parse(f"""
        @mpmd.task
        def f(x: In[f32, 4, 5], y: Out[{dtype}, {shape}]):
            v = x[:]
            {target} = {expression}
    """)
    y = np.empty(expected.shape, {"f": np.float32, "i": np.int64, "b": np.bool_}[expected.dtype.kind])
    run(task, v, y)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "definition"),
    [
        ("silu", lambda x: x / (1 + np.exp(-x))),
        ("relu", lambda x: np.maximum(x, 0)),
        ("gelu", lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
        ("softmax", lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
    ],
)
def test_composites_expand_to_their_definition(name: str, definition) -> None:
    task = parse(f"""
        @mpmd.task
        def f(x: In[f32, M, N], y: Out[f32, M, N]):
            y[:] = mpmd.{name}(x[:])
    """)
    x, y = floats(3, 7), np.empty((3, 7), np.float32)
    run(task, x, y)
    np.testing.assert_allclose(y, definition(x), rtol=1e-5, atol=1e-6)


# -- stores -------------------------------------------------------------------------------------------


def test_a_store_repeats_the_value_over_the_region() -> None:
    same(
        body("""
            @mpmd.task
            def f(x: In[f32, N], y: Out[f16, M, N]):
                y[:] = x[:]
        """),
        """
            %0: f32[N] = load x[0:+N]
            %1: f16[N] = cast %0 dtype=f16
            %2: f16[M, N] = broadcast %1 shape=([M], [N])
            store y[0:+M, 0:+N] = %2
        """,
    )


def test_adding_to_accum_is_one_store_and_to_inout_a_load_and_a_store() -> None:
    same(
        body("""
            @mpmd.task
            def f(x: In[f32, N], y: Accum[f32, N], z: InOut[f32, N]):
                y[:] += x[:]
                z[1:] *= 2
        """),
        """
            %0: f32[N] = load x[0:+N]
            store y[0:+N] += %0
            %1: f32[N - 1] = load z[1:+N - 1]
            %2: f32[] = const value=2.0
            %3: f32[N - 1] = mul %1, %2
            store z[1:+N - 1] = %3
        """,
    )


# -- loops and branches -------------------------------------------------------------------------------


def test_a_number_before_the_loop_takes_the_type_that_the_body_gives_it() -> None:
    same(
        body("""
            @mpmd.task
            def f(x: In[f16, K, N], y: Out[f16, N]):
                acc = 0
                for k in range(K):
                    acc = acc + x[k]
                y[:] = acc
        """),
        """
            %0: f16[] = const value=0.0
            %1: f16[N] = broadcast %0 shape=([N])
            for k in range(0, K, 1) {
              carry acc: f16[N] = %1 inside %2 next %4 out %5
              %3: f16[N] = load x[k, 0:+N]
              %4: f16[N] = add %2, %3
            }
            store y[0:+N] = %5
        """,
    )


def test_counters_become_i64_and_depend_on_each_other() -> None:
    task = parse("""
        @mpmd.task
        def fibonacci(y: Out[i64, N]):
            a = 0
            b = 1
            for i in range(N):
                y[i] = a
                a, b = b, a + b
    """)
    y = np.empty(8, np.int64)
    run(task, y)
    assert y.tolist() == [0, 1, 1, 2, 3, 5, 8, 13]


def test_an_integer_before_the_loop_becomes_a_float_where_the_body_adds_floats() -> None:
    task = parse("""
        @mpmd.task
        def f(x: In[f32, N], y: Out[f32, ()]):
            total = 0
            for i in range(N):
                total += x[i]
            y[()] = total
    """)
    x, y = floats(5), np.empty((), np.float32)
    run(task, x, y)
    assert y == pytest.approx(x.sum(), rel=1e-6)


def test_a_name_that_is_set_afresh_in_every_iteration_is_not_carried() -> None:
    task = parse("""
        @mpmd.task
        def f(x: In[f32, M, N], y: Out[f32, M, N]):
            v = x[0] * 2
            for i in range(M):
                v = x[i] * 3
                y[i] = v
    """)
    (loop,) = [s for s in task.body if isinstance(s, Loop)]
    assert loop.carried == ()


def test_a_name_may_change_its_type_in_a_loop_that_does_not_read_it_first() -> None:
    parse("""
        @mpmd.task
        def f(x: In[f32, M, N], y: Out[f32, M, N]):
            v = x[:]
            for i in range(M):
                v = x[i]
                y[i] = v
    """)


def test_a_number_that_only_a_discarded_arm_assigns_stays_a_number() -> None:
    text = body(
        """
        @mpmd.task
        def f(x: In[f16, M, N], y: Out[f16, M, N]):
            scale = 0.5
            for i in range(M):
                if FANCY:
                    scale = scale * 2
                y[i] = x[i] * scale
            y[0] = x[0] * scale
    """,
        FANCY=False,
    )
    assert "carry" not in text and "f32" not in text


def test_the_loop_variable_may_be_assigned_and_starts_afresh() -> None:
    task = parse("""
        @mpmd.task
        def f(y: Out[i32, 4]):
            i = 7
            for i in range(4):
                y[i] = 1
                i = i + 5
    """)
    (loop,) = [s for s in task.body if isinstance(s, Loop)]
    assert loop.carried == ()


def test_counting_down_is_a_loop_that_counts_up() -> None:
    task = parse("""
        @mpmd.task
        def suffix(x: In[f32, N], y: Out[f32, N]):
            total = 0.0
            for i in range(N - 1, -1, -1):
                total += x[i]
                y[i] = total
    """)
    x, y = floats(6), np.empty(6, np.float32)
    run(task, x, y)
    np.testing.assert_allclose(y, np.cumsum(x[::-1])[::-1], rtol=1e-6)


def test_tile_loops_know_start_size_and_index() -> None:
    task = parse("""
        @mpmd.task
        def f(y: Out[i64, N, 3]):
            for j in mpmd.tiles(N, 4):
                y[j, 0] = j.start
                y[j, 1] = j.size
                y[j, 2] = j.index
    """)
    y = np.empty((6, 3), np.int64)
    run(task, y)
    assert y.tolist() == [[0, 4, 0]] * 4 + [[4, 2, 1]] * 2


def test_conditions_on_constants_are_decided_by_the_parser() -> None:
    source = """
        @mpmd.task
        def f(x: In[f32, N], y: Out[f32, N]):
            if CAUSAL and N == N:
                y[:] = x[:]
            elif x[0]:
                y[:] = unknown
    """
    assert body(source, CAUSAL=True).endswith("store y[0:+N] = %0")


def test_both_arms_of_a_branch_define_its_results() -> None:
    same(
        body("""
            @mpmd.task
            def f(x: In[f32, N], y: Out[f32, N]):
                v = 0.0
                if x[0] > 0:
                    v = x[:]
                else:
                    v = 1
                y[:] = v
        """),
        """
            %0: f32[] = load x[0]
            %1: f32[] = const value=0.0
            %2: bool[] = gt %0, %1
            if %2 {
              %3: f32[N] = load x[0:+N]
            } else {
              %4: f32[] = const value=1.0
              %5: f32[N] = broadcast %4 shape=([N])
            }
            merge %6: f32[N] = %3 | %5
            store y[0:+N] = %6
        """,
    )


def test_and_loads_its_right_side_only_where_the_left_holds() -> None:
    task = parse("""
        @mpmd.task
        def f(x: In[f32, N], n: i32, y: Out[i32, 2]):
            y[:] = 0
            if n < N and x[n] > 0:
                y[0] = 1
            if not (n >= N or x[n] <= 0):
                y[1] = 1
    """)
    y = np.empty(2, np.int32)
    for n, expected in ((0, 0), (1, 1), (2, 0)):
        run(task, np.array([-1, 1], np.float32), n, y)
        assert y.tolist() == [expected] * 2


def test_chained_comparisons_and_conditional_expressions() -> None:
    task = parse("""
        @mpmd.task
        def f(x: In[f32, N], y: Out[f32, N]):
            for i in range(N):
                y[i] = 5.0 if 0 < x[i] < 1 else -1.0
    """)
    y = np.empty(3, np.float32)
    run(task, np.array([-2, 0.5, 2], np.float32), y)
    assert y.tolist() == [-1, 5, -1]


def test_a_value_that_only_one_arm_changes_survives_the_other() -> None:
    task = parse("""
        @mpmd.task
        def largest(x: In[f32, N], y: Out[i32, 1]):
            best = x[0]
            at = 0
            for i in range(N):
                if x[i] > best:
                    best = x[i]
                    at = i
            y[0] = at
    """)
    y = np.empty(1, np.int32)
    run(task, np.array([1, 7, 3, 7], np.float32), y)
    assert y.tolist() == [1]


# -- where tasks are defined --------------------------------------------------------------------------


def test_a_nested_task_reads_constants_and_dims_of_its_closure() -> None:
    scale, blocks = 2.5, (4, 8)

    def make() -> mpmd.Task:
        (N,) = mpmd.dims("N")

        @mpmd.task
        def scaled(x: In[f32, N], y: Out[f32, N]):
            y[:] = x[:] * scale + blocks[1] * math.pi

        return scaled

    task = make().definition
    values = [s.attr("value") for s in task.body if isinstance(s, Apply) and s.op == "const"]
    assert values == [2.5, 8 * math.pi]


def test_spans_are_columns_of_the_file_in_characters() -> None:
    (N,) = mpmd.dims("N")

    @mpmd.task
    def f(x: In[f32, N], y: Out[f32, N]):
        """Überschrift."""
        größe = mpmd.exp(x[:])
        y[:] = größe * größe

    task = f.definition
    exp, mul = (s for s in task.body if isinstance(s, Apply))
    line = f.function.__code__.co_firstlineno + 4
    assert (mul.span.line, mul.span.col, mul.span.end_col) == (line, 15, 28)
    assert (exp.span.line, exp.span.col) == (line - 1, 16)
    assert task.span.line == line - 3 and task.span.file == __file__
    assert task.params[1].span.col == 25


def test_extents_are_the_signatures_own() -> None:
    task = parse("""
        @mpmd.task
        def f(x: In[f32, M, 2 * M + 1], y: Out[f32, M]):
            y[:] = x.shape[1]
    """)
    assert task.params[0].shape == (symbol("M"), symbol("M") * 2 + 1)
    assert task.dims == ("M",)


def test_parsing_twice_gives_equal_definitions() -> None:
    (N,) = mpmd.dims("N")

    def f(x: In[f32, N], y: Out[f32, N]):
        total = 0.0
        for i in range(N):
            total = total + x[i]
        y[:] = total

    assert parse_task(f) == parse_task(f)
