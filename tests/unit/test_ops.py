"""The op table: every row computes what plain NumPy or Python says, and refuses what it cannot take."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpmd.lang.index import Index, ceildiv, symbol
from mpmd.lang.ops import OPS, OpKind, OpTypeError
from mpmd.lang.tile import TileType
from mpmd.lang.types import DTYPES, DType, accumulator, bf16, bool_, f16, f32, f64, i8, i32, i64, u8

FLOATS = (f64, f32, f16, bf16)
INTEGERS = (i64, i32, i8, u8)
NUMBERS = FLOATS + INTEGERS


@pytest.fixture(autouse=True)
def _no_warning_is_given() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def run(op: str, *args: Any, out: DType | None = None, **attrs: Any) -> np.ndarray:
    """The reference, with its dtype from the type rule, whose answer it must meet."""
    arrays = tuple(np.asarray(a) for a in args)
    types = tuple(_type(a) for a in arrays)
    inferred = OPS[op].infer(types, attrs) if out is None else None
    result = OPS[op].reference(arrays, _evaluated(attrs), (out or inferred.dtype).numpy)  # type: ignore[union-attr]
    if inferred is not None:
        assert result.dtype == inferred.dtype.numpy
        assert result.shape == tuple(extent.const for extent in inferred.shape)
    return result


def _type(array: np.ndarray) -> TileType:
    dtype = next(d for d in DTYPES.values() if d.numpy == array.dtype)
    return TileType(dtype, tuple(map(Index, array.shape)))


def _evaluated(attrs: dict[str, Any]) -> dict[str, Any]:
    def value(item: Any) -> Any:
        if isinstance(item, Index):
            return item.const
        return tuple(map(value, item)) if isinstance(item, tuple) else item

    return {name: value(item) for name, item in attrs.items()}


# -- elementwise, floats: within a unit of the last place of the exact answer ---------------------------

_NAN = float("nan")


def _exact(function: Callable[..., float]) -> Callable[..., np.ndarray]:
    """An oracle over f64: Python's function for each element; NaN where it has no value."""

    def one(*args: float) -> float:
        try:
            return float(function(*map(float, args)))
        except (ValueError, ZeroDivisionError):
            return _NAN
        except OverflowError:
            return math.inf

    return np.vectorize(one, otypes=[np.float64])


FLOAT_ORACLES: dict[str, Callable[..., Any]] = {
    "neg": lambda x: -x,
    "abs": np.abs,
    "exp": _exact(math.exp),
    "log": lambda x: np.where(x == 0, -np.inf, _exact(math.log)(x)),
    "sqrt": _exact(math.sqrt),
    "rsqrt": lambda x: np.where(x == 0, np.copysign(np.inf, x), 1 / np.sqrt(np.where(x == 0, 1, x))),
    "sigmoid": lambda x: 1 / (1 + np.exp(-np.clip(x, -700, 700))),
    "tanh": _exact(math.tanh),
    "erf": _exact(math.erf),
    "sin": _exact(math.sin),
    "cos": _exact(math.cos),
    "floor": np.floor,
    "ceil": np.ceil,
    "round": _exact(lambda x: math.copysign(round(x), x)),
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: np.divide(a, b),
    "floordiv": lambda a, b: np.floor_divide(a, b),
    "mod": lambda a, b: np.mod(a, b),
    "pow": lambda a, b: np.power(a, b),
    "maximum": lambda a, b: np.where(a > b, a, b),
    "minimum": lambda a, b: np.where(a < b, a, b),
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
}

floats = st.one_of(st.sampled_from([0.0, -0.0, 0.5, 1.5, 2.5, -1.0, 3.0, 100.0]), st.floats(-8, 8, width=16))


@pytest.mark.parametrize("dtype", FLOATS, ids=repr)
@pytest.mark.parametrize("op", FLOAT_ORACLES)
@settings(max_examples=12, deadline=None)
@given(values=st.lists(st.tuples(floats, floats), min_size=1, max_size=6))
def test_float_ops_round_the_exact_answer(op: str, dtype: DType, values: list[tuple[float, float]]) -> None:
    args = tuple(np.array(column).astype(dtype.numpy) for column in zip(*values, strict=True))
    args = args[: OPS[op].arity]
    with np.errstate(all="ignore"):
        wide = [a.astype(np.float64) for a in args]
        exact = np.asarray(FLOAT_ORACLES[op](*wide))
    result = run(op, *args)
    if result.dtype == np.bool_:
        assert np.array_equal(result, exact)
        return
    step = {f64: 2.0**-50, f32: 2.0**-21, f16: 2.0**-10, bf16: 2.0**-7}[dtype]
    with np.errstate(over="ignore"):
        exact = exact.astype(result.dtype).astype(np.float64)
    found = result.astype(np.float64)
    if op in ("floordiv", "mod"):  # discontinuous: compare where the quotient is no near-integer
        with np.errstate(all="ignore"):
            quotient = wide[0] / wide[1]
            steady = ~(np.abs(quotient - np.rint(quotient)) < 1e-2)
        found, exact = found[steady], exact[steady]
    np.testing.assert_allclose(found, exact, rtol=2 * step, atol=step / 8)


@pytest.mark.parametrize("dtype", (f16, bf16), ids=repr)
def test_short_floats_round_once_per_op(dtype: DType) -> None:
    a = np.array([1.0, 255.0, 3.0]).astype(dtype.numpy)
    b = np.array([2.0**-9, 1.0, 2.0**-7]).astype(dtype.numpy)
    wide = a.astype(np.float32) + b.astype(np.float32)
    assert np.array_equal(run("add", a, b), wide.astype(dtype.numpy))


def test_float_special_values() -> None:
    inf, nan = np.inf, np.nan
    x = np.array([inf, -inf, nan, -1.0, 0.0, -0.0], np.float32)
    assert np.array_equal(run("exp", x)[:2], [inf, 0])
    assert np.isnan(run("log", x)[2:4]).all()
    assert np.isnan(run("sqrt", x)[3])
    assert np.array_equal(run("rsqrt", x)[[0, 4, 5]], [0, inf, -inf])
    assert np.array_equal(run("sigmoid", x)[:2], [1, 0])
    assert np.array_equal(run("tanh", x)[:2], [1, -1])
    assert np.array_equal(run("div", x, np.zeros(6, np.float32))[:2], [inf, -inf])
    assert np.isnan(run("div", x, np.zeros(6, np.float32))[2]) and np.isnan(
        run("mod", x, np.zeros(6, np.float32))[4]
    )
    assert np.array_equal(run("round", np.array([0.5, 1.5, 2.5, -0.5])), [0, 2, 2, -0.0])


@pytest.mark.parametrize("op", ("maximum", "minimum"))
@pytest.mark.parametrize("dtype", FLOATS, ids=repr)
def test_nan_wins_in_maximum_and_minimum(op: str, dtype: DType) -> None:
    a = np.array([np.nan, 1.0]).astype(dtype.numpy)
    assert np.isnan(run(op, a, a[::-1]).astype(np.float64)).all()


# -- elementwise, integers: Python's unbounded integers, wrapped ---------------------------------------


def _wrap(value: int, dtype: DType) -> int:
    bits = dtype.itemsize * 8
    low = value % (1 << bits)
    return low - (1 << bits) if dtype.kind == "i" and low >> (bits - 1) else low


def _int_pow(a: int, b: int) -> int:
    if b < 0:
        return (1 if a == 1 or b % 2 == 0 else -1) if a in (1, -1) else 0
    return pow(a, b, 1 << 64)


def _bits(dtype: DType) -> int:
    return dtype.itemsize * 8


INTEGER_ORACLES: dict[str, Callable[..., int]] = {
    "neg": lambda d, a: -a,
    "abs": lambda d, a: abs(a),
    "not": lambda d, a: ~a,
    "add": lambda d, a, b: a + b,
    "sub": lambda d, a, b: a - b,
    "mul": lambda d, a, b: a * b,
    "floordiv": lambda d, a, b: a // b if b else 0,
    "mod": lambda d, a, b: a % b if b else 0,
    "pow": lambda d, a, b: _int_pow(a, b),
    "maximum": lambda d, a, b: max(a, b),
    "minimum": lambda d, a, b: min(a, b),
    "and": lambda d, a, b: a & b,
    "or": lambda d, a, b: a | b,
    "xor": lambda d, a, b: a ^ b,
    "shl": lambda d, a, b: a << (b & (_bits(d) - 1)),
    "shr": lambda d, a, b: a >> (b & (_bits(d) - 1)),
    "lt": lambda d, a, b: a < b,
    "le": lambda d, a, b: a <= b,
    "gt": lambda d, a, b: a > b,
    "ge": lambda d, a, b: a >= b,
    "eq": lambda d, a, b: a == b,
    "ne": lambda d, a, b: a != b,
}


def _integers(dtype: DType) -> st.SearchStrategy[int]:
    limits = np.iinfo(dtype.numpy)
    low, high = int(limits.min), int(limits.max)
    return st.one_of(st.integers(max(low, -5), 5), st.sampled_from([low, high]), st.integers(low, high))


@pytest.mark.parametrize("dtype", INTEGERS, ids=repr)
@pytest.mark.parametrize("op", INTEGER_ORACLES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_integer_ops_wrap(op: str, dtype: DType, data: st.DataObject) -> None:
    arity = OPS[op].arity
    columns = [data.draw(st.lists(_integers(dtype), min_size=4, max_size=4)) for _ in range(arity)]
    result = run(op, *(np.array(column, dtype.numpy) for column in columns))
    expected = [INTEGER_ORACLES[op](dtype, *row) for row in zip(*columns, strict=True)]
    if result.dtype != np.bool_:
        expected = [_wrap(value, dtype) for value in expected]
    assert result.tolist() == expected


@pytest.mark.parametrize(("dtype", "out"), [(i8, f32), (u8, f32), (i32, f32), (i64, f64)], ids=repr)
def test_integers_divide_into_floats(dtype: DType, out: DType) -> None:
    a, b = np.array([7, 1, 0], dtype.numpy), np.array([2, 0, 0], dtype.numpy)
    result = run("div", a, b)
    assert result.dtype == out.numpy
    assert np.array_equal(result, np.array([3.5, np.inf, np.nan], out.numpy), equal_nan=True)


@pytest.mark.parametrize("op", ("and", "or", "xor", "not"))
def test_logic_of_bools(op: str) -> None:
    a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    args = (a, b)[: OPS[op].arity]
    expected = {"and": a & b, "or": a | b, "xor": a ^ b, "not": ~a}[op]
    assert np.array_equal(run(op, *args), expected)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=repr)
def test_where_chooses(dtype: DType) -> None:
    a, b = np.array([1, 0, 1]).astype(dtype.numpy), np.zeros((2, 1)).astype(dtype.numpy)
    condition = np.array([True, False, False])
    assert np.array_equal(run("where", condition, a, b), np.where(condition, a, b))


def test_zero_rank_operands_give_zero_rank_arrays() -> None:
    for name, row in OPS.items():
        if row.kind is OpKind.ELEMENTWISE:
            first = np.array(name == "where") if name == "where" else None
            integer = name in ("not", "and", "or", "xor", "shl", "shr")
            one = np.array(1, np.int32 if integer else np.float32)
            args = (one,) * row.arity if first is None else (first, one, one)
            assert run(name, *args).shape == ()


# -- cast ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", INTEGERS, ids=repr)
@pytest.mark.parametrize("source", FLOATS, ids=repr)
@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.floats(width=32), min_size=1, max_size=5))
def test_float_to_integer_truncates_and_saturates(source: DType, target: DType, values: list[float]) -> None:
    with np.errstate(over="ignore"):
        x = np.array(values).astype(source.numpy)
    limits = np.iinfo(target.numpy)

    def expected(value: float) -> int:
        if math.isnan(value):
            return 0
        low, high = int(limits.min), int(limits.max)
        return low if value == -math.inf else high if value == math.inf else min(max(int(value), low), high)

    assert run("cast", x, dtype=target).tolist() == [expected(v) for v in x.astype(np.float64).tolist()]


@pytest.mark.parametrize("target", INTEGERS, ids=repr)
@pytest.mark.parametrize("source", INTEGERS, ids=repr)
def test_integer_casts_wrap(source: DType, target: DType) -> None:
    limits = np.iinfo(source.numpy)
    values = [int(limits.min), int(limits.max), 0, 5]
    expected = [_wrap(value, target) for value in values]
    assert run("cast", np.array(values, source.numpy), dtype=target).tolist() == expected


def test_casts_with_bools() -> None:
    for dtype in NUMBERS:
        assert run("cast", np.array([2, 0]).astype(dtype.numpy), dtype=bool_).tolist() == [True, False]
        assert run("cast", np.array([True, False]), dtype=dtype).tolist() == [1, 0]
    assert run("cast", np.array([np.nan]), dtype=bool_).tolist() == [True]


@pytest.mark.parametrize("target", (f16, bf16), ids=repr)
def test_short_floats_are_reached_through_f32(target: DType) -> None:
    x = np.array([1 + 2.0**-9 + 2.0**-40, 1e300, 2.0**-30])
    with np.errstate(over="ignore"):
        expected = x.astype(np.float32).astype(target.numpy)
    assert run("cast", x, dtype=target).tobytes() == expected.tobytes()


# -- reductions ------------------------------------------------------------------------------------------

REDUCTION_ORACLES: dict[str, Callable[..., Any]] = {
    "sum": lambda x: x.sum(axis=1),
    "prod": lambda x: x.prod(axis=1),
    "max": lambda x: x.max(axis=1),
    "min": lambda x: x.min(axis=1),
    "argmax": lambda x: x.argmax(axis=1),
    "argmin": lambda x: x.argmin(axis=1),
}


@pytest.mark.parametrize("dtype", NUMBERS, ids=repr)
@pytest.mark.parametrize("op", REDUCTION_ORACLES)
def test_reductions_agree_with_numpy(op: str, dtype: DType) -> None:
    x = np.array([[3, 1, 3, 2], [5, 5, 4, 7]]).astype(dtype.numpy)
    result = run(op, x, axis=1)
    assert result.tolist() == REDUCTION_ORACLES[op](x.astype(np.float64)).tolist()


@pytest.mark.parametrize("op", ("any", "all"))
def test_bool_reductions(op: str) -> None:
    x = np.array([[True, False], [True, True], [False, False]])
    assert run(op, x, axis=1).tolist() == getattr(np, op)(x, axis=1).tolist()
    assert run(op, x, axis=0).tolist() == getattr(np, op)(x, axis=0).tolist()


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=repr)
def test_sums_are_made_in_the_accumulator(dtype: DType) -> None:
    """300 ones: more than u8, i8 and the integers of bf16 can count."""
    result = run("sum", np.ones(300).astype(dtype.numpy), axis=0)
    assert result.dtype == accumulator(dtype).numpy
    assert result == 300


def test_integer_sums_wrap() -> None:
    x = np.full(2, 2**31 - 1, np.int32)
    assert run("sum", x, axis=0) == -2
    assert run("prod", np.full(40, 2, np.int64), axis=0) == 2**40
    assert run("prod", np.full(65, 2, np.int64), axis=0) == 0


@pytest.mark.parametrize("dtype", FLOATS, ids=repr)
def test_nan_wins_in_reductions(dtype: DType) -> None:
    x = np.array([1.0, np.nan, 9.0, np.nan]).astype(dtype.numpy)
    assert np.isnan(float(run("max", x, axis=0))) and np.isnan(float(run("min", x, axis=0)))
    assert run("argmax", x, axis=0) == run("argmin", x, axis=0) == 1


def test_the_first_of_equals_wins() -> None:
    x = np.array([1, 7, 7, 1], np.int32)
    assert run("argmax", x, axis=0) == 1 and run("argmin", x, axis=0) == 0


def test_reductions_over_no_elements_give_their_identity() -> None:
    empty = np.zeros((2, 0), np.float32)
    assert run("sum", empty, axis=1).tolist() == [0, 0]
    assert run("prod", empty, axis=1).tolist() == [1, 1]
    assert run("max", empty, axis=1).tolist() == [-np.inf] * 2
    assert run("min", empty.astype(np.int8), axis=1).tolist() == [127] * 2
    assert run("any", empty != 0, axis=1).tolist() == [False, False]
    assert run("all", empty != 0, axis=1).tolist() == [True, True]
    assert run("argmax", empty, out=i64, axis=1).tolist() == [0, 0]


# -- dot, shapes, leaves -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", NUMBERS, ids=repr)
def test_dot_accumulates(dtype: DType) -> None:
    a, b = np.full((2, 300), 2).astype(dtype.numpy), np.ones((300, 3)).astype(dtype.numpy)
    result = run("dot", a, b)
    assert result.dtype == accumulator(dtype).numpy
    assert result.tolist() == [[600.0] * 3] * 2


def test_shape_ops() -> None:
    x = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    assert np.array_equal(run("transpose", x, order=(2, 0, 1)), x.transpose(2, 0, 1))
    assert np.array_equal(run("reshape", x, shape=(Index(4), Index(6))), x.reshape(4, 6))
    assert np.array_equal(run("expand", x, axis=1), x[:, None])
    assert np.array_equal(run("expand", x, axis=3), x[..., None])
    shape = (Index(5), *map(Index, x.shape))
    assert np.array_equal(run("broadcast", x, shape=shape), np.broadcast_to(x, (5, 2, 3, 4)))
    part = run("slice", x, axis=2, start=Index(1), extent=Index(2), step=2)
    assert np.array_equal(part, x[:, :, 1:4:2])


def test_leaves() -> None:
    assert run("const", value=2.5).dtype == np.float32
    assert run("const", value=7).dtype == np.int64
    assert run("const", value=True).dtype == np.bool_
    assert run("const", out=u8, value=-1) == 255
    assert run("const", out=bf16, value=0.1) == np.float32(0.1).astype(bf16.numpy)
    assert run("index", value=Index(7)) == 7
    assert run("scalar", out=f16, name="scale", value=0.5) == 0.5
    assert run("iota", extent=Index(4)).tolist() == [0, 1, 2, 3]


def test_every_op_is_tested() -> None:
    """Completeness: a new row needs an oracle here, or a test of its own."""
    own = {"where", "cast", "any", "all", "dot", "transpose", "reshape", "expand", "broadcast", "slice"}
    own |= {"const", "index", "scalar", "iota"}
    assert set(OPS) == own | set(FLOAT_ORACLES) | set(INTEGER_ORACLES) | set(REDUCTION_ORACLES)


# -- type rules --------------------------------------------------------------------------------------------

T, H = symbol("T"), symbol("H")


def _infer(op: str, *types: TileType, **attrs: Any) -> str:
    return str(OPS[op].infer(types, attrs))


def test_symbolic_shapes() -> None:
    x, row = TileType(f32, (T, H)), TileType(f32, (Index(1), H))
    assert _infer("add", x, row) == "f32[T, H]"
    assert _infer("mul", TileType(f32), x) == "f32[T, H]"
    assert _infer("add", TileType(f32, (T * 2 + H,)), TileType(f32, (H + T + T,))) == "f32[H + 2*T]"
    assert _infer("lt", x, x) == "bool[T, H]"
    assert _infer("div", TileType(i64, (T,)), TileType(i64, (T,))) == "f64[T]"
    assert _infer("where", TileType(bool_, (T, Index(1))), row, row) == "f32[T, H]"
    assert _infer("sum", TileType(bf16, (T, H)), axis=0) == "f32[H]"
    assert _infer("argmax", x, axis=1) == "i64[T]"
    assert _infer("dot", x, TileType(f32, (H, T))) == "f32[T, T]"
    assert _infer("transpose", x, order=(1, 0)) == "f32[H, T]"
    assert _infer("reshape", x, shape=(T * H,)) == "f32[(H * T)]"
    assert _infer("reshape", TileType(f32, (T * 2, H)), shape=(T, H, Index(2))) == "f32[T, H, 2]"
    assert _infer("reshape", TileType(f32, (H,)), shape=(H // 2, Index(2))) == "f32[(H // 2), 2]"
    assert _infer("slice", x, axis=0, start=T - 2, extent=Index(2), step=1) == "f32[2, H]"
    assert _infer("iota", extent=ceildiv(T, 4)).startswith("i64[")


@pytest.mark.parametrize(
    ("op", "types", "attrs", "message", "label", "hint"),
    [
        (
            "add",
            (TileType(f32, (T, H)), TileType(f32, (T, T))),
            {},
            "shapes [T, H] and [T, T] do not broadcast",
            "extent H against T",
            "if H and T are always equal, name them by one dim",
        ),
        (
            "add",
            (TileType(f32, (Index(3),)), TileType(f32, (Index(4),))),
            {},
            "shapes [3] and [4] do not broadcast",
            "extent 3 against 4",
            "",
        ),
        (
            "add",
            (TileType(f32), TileType(f16)),
            {},
            "'add' needs operands of one dtype, not f32 and f16",
            "",
            "cast one of them: x.astype(mpmd.f32)",
        ),
        (
            "exp",
            (TileType(i32),),
            {},
            "'exp' works on floats, not on i32",
            "this is i32",
            "cast it first: x.astype(mpmd.f32)",
        ),
        (
            "and",
            (TileType(f32), TileType(f32)),
            {},
            "'and' works on integers and bools, not on f32",
            "this is f32",
            "compare first (x != 0), or cast: x.astype(mpmd.i32)",
        ),
        (
            "add",
            (TileType(bool_), TileType(bool_)),
            {},
            "'add' works on floats and integers, not on bool",
            "this is bool",
            "cast it first: x.astype(mpmd.i32)",
        ),
        (
            "where",
            (TileType(i8), TileType(f32), TileType(f32)),
            {},
            "'where' works on bools, not on i8",
            "this is i8",
            "compare first: x != 0",
        ),
        (
            "sum",
            (TileType(f32, (T,)),),
            {"axis": 1},
            "'sum' along axis 1 of a tile of rank 1",
            "the tile has 1 axes",
            "",
        ),
        (
            "argmax",
            (TileType(f32, (Index(0),)),),
            {"axis": 0},
            "'argmax' over no elements",
            "axis 0 of f32[0] is empty",
            "",
        ),
        (
            "dot",
            (TileType(f32, (T, H)), TileType(f32, (T, H))),
            {},
            "'@' of f32[T, H] and f32[T, H]: the inner extents differ",
            "H against T",
            "transpose the right one (.T)",
        ),
        (
            "dot",
            (TileType(f32, (T,)), TileType(f32, (T, H))),
            {},
            "'@' of f32[T] and f32[T, H]: both operands have two axes",
            "",
            "reshape them first",
        ),
        (
            "transpose",
            (TileType(f32, (T, H)),),
            {"order": (0, 0)},
            "(0, 0) is not an order of the 2 axes of f32[T, H]",
            "",
            "",
        ),
        (
            "reshape",
            (TileType(f32, (T, H)),),
            {"shape": (T,)},
            "cannot reshape f32[T, H] to [T]",
            "(H * T) elements against T",
            "",
        ),
        (
            "broadcast",
            (TileType(f32, (T, H)),),
            {"shape": (Index(1), H)},
            "cannot broadcast f32[T, H] to [1, H]",
            "",
            "",
        ),
        (
            "slice",
            (TileType(f32, (T,)),),
            {"axis": 0, "start": T - 1, "extent": Index(2), "step": 1},
            "a slice of 2 elements from T - 1 of axis 0 of f32[T]",
            "leaves the tile",
            "",
        ),
        (
            "scalar",
            (),
            {"name": "pos"},
            "the type of a scalar is that of its parameter",
            "",
            "read it from the signature",
        ),
    ],
)
def test_what_an_op_cannot_take(
    op: str, types: tuple[TileType, ...], attrs: dict[str, Any], message: str, label: str, hint: str
) -> None:
    with pytest.raises(OpTypeError) as caught:
        OPS[op].infer(types, attrs)
    assert (caught.value.message, caught.value.label, caught.value.hint) == (message, label, hint)


def test_costs() -> None:
    x = TileType(f32, (T, H))
    assert str(OPS["add"].flops((x, x), x)) == "(H * T)"
    assert OPS["sum"].flops((x,), TileType(f32, (H,))) == T * H
    product = OPS["dot"].flops((x, TileType(f32, (H, T))), TileType(f32, (T, T)))
    assert product.evaluate({"T": 3, "H": 5}) == 2 * 3 * 3 * 5
    assert OPS["reshape"].flops((x,), TileType(f32, (T * H,))) == Index(0)
