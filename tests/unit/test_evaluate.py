"""The evaluator: loops, regions, branches, carried values, poison, and what it refuses.

Programs are written in their text form, so that nothing here depends on the front end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mpmd.errors import ArgumentError, BoundsError, TypeMismatch
from mpmd.lang.evaluate import evaluate
from mpmd.lang.evaluate_task import run_task
from mpmd.lang.program import Program
from mpmd.lang.text.printer import parse_program
from mpmd.lang.types import DTYPES

S = "@0:1:0-1:1"


def program(task: str, kernel: str) -> Program:
    """A program of one task; `§` stands for a span."""
    text = f'mpmd 1\nfile 0 "k.py"\n{task}\n{kernel}'
    return parse_program(text.replace("§", S))


ADD_ONE = """
task add_one(x: In f32[T, H] §, y: Out f32[T, H] §) § {
  %0: f32[T, H] = load x[0:+T, 0:+H] §
  %1: f32[] = const value=1.0 §
  %2: f32[T, H] = add %0, %1 §
  store y[0:+T, 0:+H] = %2 §
}"""


def test_calls_run_in_program_order() -> None:
    p = program(
        ADD_ONE,
        """kernel k(x, y) § {
          tensor x: In f32[4, 6] §  tensor y: Out f32[4, 6] §  tensor h: f32[4, 6] §
          call add_one(x[0:+4, 0:+6], h[0:+4, 0:+6]) where T=4, H=6 §
          call add_one(h[0:+4, 0:+6], y[0:+4, 0:+6]) where T=4, H=6 §
        }""",
    )
    x, y = np.arange(24, dtype=np.float32).reshape(4, 6), np.zeros((4, 6), np.float32)
    evaluate(p, {"x": x, "y": y})
    assert np.array_equal(y, x + 2)


TILED = """kernel k(x, y) § {{
  tensor x: In f32[4, 7] §  tensor y: Out f32[4, 7] §
  for f in tiles(7{size}) § {{
    call add_one(x[0:+4, f.start:+f.size], y[0:+4, f.start:+f.size]) where T=4, H=f.size §
  }}
}}"""


@pytest.mark.parametrize(("size", "open_sizes"), [(", 3", 64), ("", 3), ("", {"f": 2}), ("", {}), ("", 100)])
def test_tile_loops_cover_a_ragged_axis(size: str, open_sizes: Any) -> None:
    p = program(ADD_ONE, TILED.format(size=size))
    x, y = np.random.default_rng(0).random((4, 7), np.float32), np.zeros((4, 7), np.float32)
    evaluate(p, {"x": x, "y": y}, tile_sizes=open_sizes)
    assert np.array_equal(y, x + 1)


def test_views_transpose_step_and_drop_axes() -> None:
    p = program(
        ADD_ONE,
        """kernel k(x, y) § {
          tensor x: In f32[2, 8, 3] §  tensor y: Out f32[3, 4] §
          call add_one(x[1, 0:+4:2, 0:+3] order (1, 0), y[0:+3, 0:+4]) where T=3, H=4 §
        }""",
    )
    x, y = np.random.default_rng(0).random((2, 8, 3), np.float32), np.zeros((3, 4), np.float32)
    evaluate(p, {"x": x, "y": y})
    assert np.array_equal(y, x[1, ::2].T + 1)


def test_reshaped_tensors_share_their_storage() -> None:
    p = program(
        ADD_ONE,
        """kernel k(x, y) § {
          tensor x: In f32[4, 6] §  tensor y: Out f32[4, 6] §
          tensor h: f32[24] §  tensor g: f32[4, 6] of h §
          tensor w: f32[2, 12] of y §  tensor v: f32[2, 12] of h §
          call add_one(x[0:+4, 0:+6], g[0:+4, 0:+6]) where T=4, H=6 §
          call add_one(v[0:+2, 0:+12], w[0:+2, 0:+12]) where T=2, H=12 §
        }""",
    )
    x, y = np.random.default_rng(0).random((4, 6), np.float32), np.zeros((4, 6), np.float32)
    evaluate(p, {"x": x, "y": y})
    assert np.array_equal(y, x + 1 + 1)


def test_strided_arguments_are_used_in_place() -> None:
    p = program(ADD_ONE, TILED.format(size=""))
    x, whole = np.random.default_rng(0).random((7, 4), np.float32).T, np.zeros((4, 14), np.float32)
    evaluate(p, {"x": x, "y": whole[:, ::2]})
    assert np.array_equal(whole[:, ::2], x + 1) and not whole[:, 1::2].any()


SCALE = """
task scale(x: In f32[T] §, n: i32 §, by: f32 §, y: Out f32[T] §) § {
  %0: f32[T] = load x[0:+T] §
  %1: f32[] = scalar name="by" §
  %2: i64[] = index value=[n + T] §
  %3: f32[] = cast %2 dtype=f32 §
  %4: f32[T] = mul %0, %1 §
  %5: f32[T] = add %4, %3 §
  store y[0:+T] = %5 §
}"""


def test_scalars_reach_tasks_as_values_and_as_offsets() -> None:
    p = program(
        SCALE,
        """kernel k(x, pos, by, y) § {
          tensor x: In f32[9] §  tensor y: Out f32[4] §
          scalar pos: i64 §  scalar by: f32 §
          call scale(x[pos:+4], 2*pos, $by, y[0:+4]) where T=4 §
        }""",
    )
    x, y = np.arange(9, dtype=np.float32), np.zeros(4, np.float32)
    evaluate(p, {"x": x, "pos": 3, "by": 0.5, "y": y})
    assert np.array_equal(y, x[3:7] * 0.5 + 10)
    with pytest.raises(BoundsError) as caught:
        evaluate(p, {"x": x, "pos": 6, "by": 0.5, "y": y})
    assert str(caught.value) == (
        "error[bounds]: 6:10 is outside axis 0 of 'x', which has 9 elements\n  --> k.py:1:1"
        "\n  hint: neither indices nor slices are clipped at run time"
    )


def test_repetition_runs_in_order() -> None:
    p = program(
        """task double(y: InOut f32[T] §, i: i64 §) § {
          %0: f32[T] = load y[0:+T] §
          %1: f32[T] = add %0, %0 §
          %2: i64[] = index value=[i] §
          %3: f32[] = cast %2 dtype=f32 §
          %4: f32[T] = add %1, %3 §
          store y[0:+T] = %4 §
        }""",
        """kernel k(y) § {
          tensor y: InOut f32[2] §
          for i in loop(3) § { call double(y[0:+2], i) where T=2 § }
        }""",
    )
    y = np.ones(2, np.float32)
    evaluate(p, {"y": y})
    assert y.tolist() == [12, 12]  # ((1·2 + 0)·2 + 1)·2 + 2


# -- tasks alone ---------------------------------------------------------------------------------------


def run(task: str, scalars: Any = None, dims: Any = None, **tensors: Any) -> None:
    """Runs the task of this text; a kernel that calls it stands in so that the text is a program's."""
    name, rest = task.split("task ")[1].split("(", 1)
    params = rest.split(") §")[0].split("§,")
    kernel = f"kernel k() § {{ call {name}({', '.join('0' for _ in params)}) § }}"
    run_task(program(task, kernel).tasks[0], tensors, scalars or {}, dims or {})


def test_range_loops_carry_values() -> None:
    task = """task total(x: In f32[T, H] §, y: Out f32[H] §) § {
      %0: f32[] = const value=0.0 §
      %1: f32[H] = broadcast %0 shape=([H]) §
      for i in range(1, T, 2) § {
        carry acc: f32[H] = %1 inside %2 next %4 out %5
        %3: f32[H] = load x[i, 0:+H] §
        %4: f32[H] = add %2, %3 §
      }
      store y[0:+H] = %5 §
    }"""
    x, y = np.random.default_rng(0).random((6, 3), np.float32), np.zeros(3, np.float32)
    run(task, dims={"T": 6, "H": 3}, x=x, y=y)
    assert np.array_equal(y, x[1] + x[3] + x[5])
    run(task, dims={"T": 1, "H": 3}, x=x[:1], y=y)  # no iteration: the value before
    assert not y.any()


def test_tile_loops_in_tasks() -> None:
    task = """task copy(x: In f32[T] §, y: Out f32[T] §, at: Out i64[N] §) § {
      for j in tiles(T, 4) § {
        %0: f32[j.size] = load x[j.start:+j.size] §
        store y[j.start:+j.size] = %0 §
        %1: i64[] = index value=[10*j.index + j.size] §
        store at[j.index] = %1 §
      }
    }"""
    x, y, at = np.arange(10, dtype=np.float32), np.zeros(10, np.float32), np.zeros(3, np.int64)
    run(task, dims={"T": 10, "N": 3}, x=x, y=y, at=at)
    assert np.array_equal(y, x) and at.tolist() == [4, 14, 22]


def test_loaded_integers_bound_loops_and_regions() -> None:
    task = """task take(n: In i32[] §, x: In f32[T] §, y: InOut f32[T] §) § {
      %0: i32[] = load n[] §
      %1: f32[%0] = load x[T - %0:+%0] §
      store y[0:+%0] = %1 §
      for i in range(%0, T, 1) § { %2: f32[] = const value=-1.0 § store y[i] = %2 § }
    }"""
    x, y = np.arange(5, dtype=np.float32), np.zeros(5, np.float32)
    run(task, dims={"T": 5}, n=np.array(3, np.int32), x=x, y=y)
    assert y.tolist() == [2, 3, 4, -1, -1]
    with pytest.raises(BoundsError, match=r"-1:5 is outside axis 0 of 'x', which has 5 elements"):
        run(task, dims={"T": 5}, n=np.array(6, np.int32), x=x, y=y)


def test_branches_merge_values() -> None:
    task = """task choose(n: i32 §, y: Out f32[] §) § {
      %0: i64[] = index value=[n] §
      %1: i64[] = const value=3 §
      %2: bool[] = lt %0, %1 §
      if %2 § { %3: f32[] = const value=1.0 § } else { %4: f32[] = const value=2.0 § }
      merge %5: f32[] = %3 | %4
      store y[] = %5 §
    }"""
    y = np.zeros((), np.float32)
    for n, expected in ((2, 1.0), (3, 2.0)):
        run(task, scalars={"n": n}, y=y)
        assert y == expected


def test_gather_reads_rows_and_refuses_what_is_outside() -> None:
    task = """task embed(table: In f32[V, H] §, ids: In i32[T] §, y: Out f32[T, H] §) § {
      %0: i32[T] = load ids[0:+T] §
      %1: f32[T, H] = gather table[%0] @0:7:4-7:9
      store y[0:+T, 0:+H] = %1 §
    }"""
    table, y = np.random.default_rng(0).random((5, 2), np.float32), np.zeros((3, 2), np.float32)
    dims = {"V": 5, "H": 2, "T": 3}
    run(task, dims=dims, table=table, ids=np.array([4, 0, 4], np.int32), y=y)
    assert np.array_equal(y, table[[4, 0, 4]])
    for bad in (5, -1):
        with pytest.raises(BoundsError) as caught:
            run(task, dims=dims, table=table, ids=np.array([0, bad, 9], np.int32), y=y)
        assert str(caught.value) == (
            f"error[bounds]: index {bad} is outside axis 0 of 'table', which has 5 elements\n  --> k.py:7:5"
            "\n  hint: neither indices nor slices are clipped at run time"
        )


@pytest.mark.parametrize("tile", ["broadcast %0 shape=([n])", "iota extent=[n]"], ids=lambda t: t.split()[0])
def test_a_tile_has_no_negative_extent(tile: str) -> None:
    kind = "i64" if "iota" in tile else "f32"
    task = f"""task fill(n: i32 §, y: InOut f32[T] §) § {{
      %0: f32[] = const value=0.0 §
      %1: {kind}[n] = {tile} @0:7:4-7:9
    }}"""
    run(task, dims={"T": 5}, scalars={"n": 0}, y=np.zeros(5, np.float32))
    with pytest.raises(BoundsError) as caught:
        run(task, dims={"T": 5}, scalars={"n": -3}, y=np.zeros(5, np.float32))
    assert str(caught.value) == (
        "error[bounds]: a tile of shape [-3] has a negative extent\n  --> k.py:7:5\n"
        "  hint: keep the stop of a slice, and the size of a tile, from falling below its start"
    )


@pytest.mark.parametrize("name", DTYPES)
def test_stores_narrow_to_the_tensor(name: str) -> None:
    task = f"""task narrow(x: In f64[T] §, y: Out {name}[T] §) § {{
      %0: f64[T] = load x[0:+T] §
      store y[0:+T] = %0 §
    }}"""
    x, y = np.array([1.75, -3.5, 300.0]), np.zeros(3, DTYPES[name].numpy)
    run(task, dims={"T": 3}, x=x, y=y)
    expected = {"i8": [1, -3, 127], "u8": [1, 0, 255], "bool": [True] * 3}.get(name)
    if expected is None:
        expected = [1, -3, 300] if name.startswith("i") else [1.75, -3.5, 300]
    assert y.tolist() == expected


def test_accumulate_adds_to_what_is_there() -> None:
    task = """task add(x: In f32[T] §, y: Accum bf16[T] §) § {
      %0: f32[T] = load x[0:+T] §
      store y[0:+T] += %0 §
    }"""
    y = np.full(2, 256, DTYPES["bf16"].numpy)
    run(task, dims={"T": 2}, x=np.array([0.5, 3.0], np.float32), y=y)
    assert y.tolist() == [256, 260]


def test_a_load_is_a_copy() -> None:
    task = """task swap(y: InOut f32[T] §) § {
      %0: f32[2] = load y[0:+2] §
      %1: f32[2] = load y[2:+2] §
      store y[0:+2] = %1 §
      store y[2:+2] = %0 §
    }"""
    y = np.arange(4, dtype=np.float32)
    run(task, dims={"T": 4}, y=y)
    assert y.tolist() == [2, 3, 0, 1]


def test_slices_of_values_are_checked() -> None:
    task = """task pick(n: i32 §, x: In f32[T] §, y: Out f32[2] §) § {
      %0: f32[T] = load x[0:+T] §
      %1: f32[2] = slice %0 axis=0 start=[n] extent=[2] step=2 §
      store y[0:+2] = %1 §
    }"""
    x, y = np.arange(5, dtype=np.float32), np.zeros(2, np.float32)
    run(task, scalars={"n": 2}, dims={"T": 5}, x=x, y=y)
    assert y.tolist() == [2, 4]
    with pytest.raises(BoundsError, match=r"3:6 is outside axis 0 of 'the tile', which has 5 elements"):
        run(task, scalars={"n": 3}, dims={"T": 5}, x=x, y=y)


def test_a_reshape_that_does_not_hold_is_refused() -> None:
    task = """task pairs(x: In f32[T] §, y: Out f32[T // 2, 2] §) § {
      %0: f32[T] = load x[0:+T] §
      %1: f32[T // 2, 2] = reshape %0 shape=([T // 2], [2]) §
      store y[0:+T // 2, 0:+2] = %1 §
    }"""
    run(task, dims={"T": 4}, x=np.zeros(4, np.float32), y=np.zeros((2, 2), np.float32))
    with pytest.raises(TypeMismatch, match=r"cannot reshape \[5\] to \[2, 2\]"):
        run(task, dims={"T": 5}, x=np.zeros(5, np.float32), y=np.zeros((2, 2), np.float32))


# -- poison, and what is refused at the door -----------------------------------------------------------------

PARTIAL = """
task first(x: In {0}[T] §, y: Out {0}[T] §) § {{
  %0: {0}[] = load x[0] §
  store y[0] = %0 §
}}"""


@pytest.mark.parametrize(
    ("dtype", "unwritten"),
    [("f32", np.isnan), ("bf16", np.isnan), ("i8", lambda x: x == 42), ("bool", lambda x: x)],
)
def test_what_nobody_wrote_shows(dtype: str, unwritten: Callable[[Any], Any]) -> None:
    p = program(
        PARTIAL.format(dtype),
        f"""kernel k(x, y) § {{
          tensor x: In {dtype}[2] §  tensor y: Out {dtype}[2] §  tensor h: {dtype}[2] §
          call first(x[0:+2], h[0:+2]) where T=2 §
          call first(h[1:+1], y[0:+1]) where T=1 §
        }}""",
    )
    x, y = np.zeros(2, DTYPES[dtype].numpy), np.zeros(2, DTYPES[dtype].numpy)
    evaluate(p, {"x": x, "y": y})
    assert unwritten(y.astype(np.float32) if dtype == "bf16" else y).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"x": np.zeros((4, 7), np.float32)},
            "error[argument]: 'k' lacks its argument 'y'\n  --> k.py:1:1",
        ),
        (
            {"x": np.zeros((4, 7), np.float32), "yy": 1},
            "error[argument]: 'k' has no parameter 'yy'\n  --> k.py:1:1\n  hint: did you mean 'y'?",
        ),
        (
            {"x": np.zeros((4, 7), np.float32), "q": 1},
            "error[argument]: 'k' has no parameter 'q'\n  --> k.py:1:1\n  hint: its parameters: x, y",
        ),
        (
            {"x": np.zeros((4, 7)), "y": np.zeros((4, 7), np.float32)},
            "error[argument]: 'x' is f32[4, 7], the array is float64[4, 7]\n  --> k.py:1:1",
        ),
        (
            {"x": 1, "y": np.zeros((4, 7), np.float32)},
            "error[argument]: 'x' is a tensor, the argument is int\n  --> k.py:1:1",
        ),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        evaluate(program(ADD_ONE, TILED.format(size="")), arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("value", "message"),
    [(2**40, "1099511627776 does not fit the i32 'n'"), (1.5, "'n' is i32, not the float 1.5")],
)
def test_scalars_that_do_not_fit(value: Any, message: str) -> None:
    p = program(
        "task nothing(n: i32 §) § {}",
        "kernel k(n) § { scalar n: i32 §  call nothing(n) § }",
    )
    with pytest.raises(ArgumentError) as caught:
        evaluate(p, {"n": value})
    assert caught.value.message == message


def test_shapes_of_a_call_must_fit_its_dims() -> None:
    p = program(
        ADD_ONE,
        """kernel k(x, y) § {
          tensor x: In f32[4, 6] §  tensor y: Out f32[4, 6] §
          call add_one(x[0:+4, 0:+6], y[0:+4, 0:+5]) where T=4, H=6 @0:7:4-7:9
        }""",
    )
    with pytest.raises(TypeMismatch) as caught:
        evaluate(p, {"x": np.zeros((4, 6), np.float32), "y": np.zeros((4, 6), np.float32)})
    assert str(caught.value) == (
        "error[type]: 'y' of 'add_one' is [4, 6], the argument is [4, 5]\n  --> k.py:7:5"
    )
