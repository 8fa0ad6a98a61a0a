"""The law: every op of the CPU back end computes what its row of `OPS` says, for every dtype.

Bit by bit where the op is exact; within 4 units in the last place for functions. All ops are in one
kernel, so that the compiler runs once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from mpmd.codegen.cpp.lambda_text import FUNCTIONS
from mpmd.codegen.cpp.reductions import REDUCTIONS
from mpmd.lang.index import Index
from mpmd.lang.ops import OPS, OpKind, OpTypeError
from mpmd.lang.tile import TileType
from mpmd.lang.types import DTYPES, DType, f32, f64
from tests.host.op_tasks import Array, Case, OpProgram

N = 53  # three full vectors of 16 and a rest
FUNCTION_ULPS = {"exp", "log", "rsqrt", "sigmoid", "tanh", "erf", "sin", "cos", "pow"}
CALLED = {op for op, row in OPS.items() if row.kind is OpKind.ELEMENTWISE}


def numbers(dtype: DType, seed: int, *, small: bool = False) -> Array:
    """Values of all sizes and the special ones; with `small`, whole numbers that add up exactly."""
    random = np.random.default_rng(seed)
    if dtype.name == "bool":
        return random.integers(0, 2, N).astype(bool)
    if small:
        return random.integers(0 if dtype.kind == "u" else -3, 4, N).astype(dtype.numpy)
    if dtype.is_integer:
        limits = np.iinfo(dtype.numpy)
        special = [limits.min, limits.max, 0, 1, limits.max - 1]
        some = random.integers(limits.min, limits.max, N, dtype.numpy, endpoint=True)
        some[::3] = random.integers(0 if dtype.kind == "u" else -9, 10, len(some[::3]))
        some[: len(special)] = random.permutation(np.array(special, dtype.numpy))
        return some
    some = random.standard_normal(N) * 10.0 ** random.integers(-3, 3, N)
    some[::4] = np.rint(some[::4])
    special = [
        np.nan,
        np.inf,
        -np.inf,
        0.0,
        -0.0,
        1e-40,
        -1e-40,
        1e30,
        -1e30,
        0.5,
        1.5,
        2.5,
        -0.5,
        88.0,
        -104.0,
    ]
    with np.errstate(all="ignore"):
        some[: len(special)] = random.permutation(np.array(special))
        return some.astype(np.float32).astype(dtype.numpy) if dtype != f64 else some


def accepted(op: str, *types: TileType, **attrs: object) -> DType | None:
    """The result's dtype, or None where the op does not take these operands."""
    try:
        return OPS[op].infer(types, attrs).dtype
    except OpTypeError:
        return None


def elementwise_cases() -> Iterator[Case]:
    shape = (Index(N),)
    condition = numbers(DTYPES["bool"], 9)
    for dtype in DTYPES.values():
        type_ = TileType(dtype, shape)
        operands = numbers(dtype, 1), numbers(dtype, 2)
        for op in sorted(CALLED):
            arity = OPS[op].arity
            if op == "where":
                out = accepted(op, TileType(DTYPES["bool"], shape), type_, type_)
                args: tuple[Array, ...] = (condition, *operands)
            else:
                out, args = accepted(op, *[type_] * arity), operands[:arity]
            if out is not None:
                yield Case(f"{op} {dtype}", op, args, (), out)


def cast_cases() -> Iterator[Case]:
    for source, target in itertools.product(DTYPES.values(), DTYPES.values()):
        yield Case(f"cast {source} {target}", "cast", (numbers(source, 1),), (("dtype", target),), target)


def reduction_cases() -> Iterator[Case]:
    for dtype in DTYPES.values():
        flat = np.concatenate([numbers(dtype, seed, small=True) for seed in range(5)])
        table = flat[: 7 * 37].reshape(7, 37).copy()
        if dtype.is_float:
            table[2, 5] = table[4, 30] = np.nan
        for op in sorted(REDUCTIONS):
            for axis in (0, 1):
                out = accepted(op, TileType(dtype, (Index(7), Index(37))), axis=axis)
                if out is not None:
                    yield Case(f"{op} {dtype} axis {axis}", op, (table,), (("axis", axis),), out)
        if op_takes_empty(dtype):
            empty = np.zeros((3, 0), dtype.numpy)
            yield Case(f"sum {dtype} empty", "sum", (empty,), (("axis", 1),), accepted_sum(dtype))


def op_takes_empty(dtype: DType) -> bool:
    return accepted("sum", TileType(dtype, (Index(3), Index(0))), axis=1) is not None


def accepted_sum(dtype: DType) -> DType:
    out = accepted("sum", TileType(dtype, (Index(3), Index(0))), axis=1)
    assert out is not None
    return out


def dot_cases() -> Iterator[Case]:
    for dtype in DTYPES.values():
        out = accepted("dot", TileType(dtype, (Index(2), Index(3))), TileType(dtype, (Index(3), Index(4))))
        for m, n, k in ((1, 37, 70), (19, 21, 33)):
            if out is None:
                continue
            flat = np.concatenate([numbers(dtype, seed, small=True) for seed in range(60)])
            a, b = flat[: m * k].reshape(m, k).copy(), flat[-k * n :].reshape(k, n).copy()
            yield Case(f"dot {dtype} {m}", "dot", (a, b), (), out)


@pytest.fixture(scope="module")
def outcome() -> tuple[list[Case], dict[str, Array]]:
    cases = [*elementwise_cases(), *cast_cases(), *reduction_cases(), *dot_cases()]
    return cases, OpProgram().run(cases)


def expected(case: Case) -> Array:
    attrs = dict(case.attrs)
    return OPS[case.op].reference(case.args, attrs, case.out.numpy)


def ulps(actual: Array, wanted: Array) -> Array:
    """The distance in representable numbers; 0 for equal and for two NaNs, large for one NaN."""
    bits = {2: np.int16, 4: np.int32, 8: np.int64}[actual.itemsize]

    def ordered(x: Array) -> Array:
        i = x.view(bits).astype(object)
        return np.where(i < 0, -(i & int(np.iinfo(bits).max)), i)

    apart = np.abs(ordered(actual) - ordered(wanted)).astype(float)
    both = np.isnan(actual.astype(float)) & np.isnan(wanted.astype(float))
    one = np.isnan(actual.astype(float)) ^ np.isnan(wanted.astype(float))
    return np.where(both, 0, np.where(one, np.inf, apart))


def test_exact_ops_equal_their_definition(outcome: tuple[list[Case], dict[str, Array]]) -> None:
    cases, results = outcome
    wrong = []
    for case in cases:
        if case.op in FUNCTION_ULPS:
            continue
        wanted = expected(case)
        if not np.array_equal(results[case.name], wanted, equal_nan=case.out.is_float):
            actual = results[case.name]
            equal = (actual == wanted) | ((wanted != wanted) & (actual != actual))
            at = np.flatnonzero(~equal)[:3]
            given = [arg.ravel()[at] for arg in case.args if arg.size == wanted.size]
            wrong.append(f"{case.name}: {given} gave {actual.ravel()[at]}, not {wanted.ravel()[at]}")
    assert not wrong, "\n".join(wrong)


def test_functions_are_within_4_ulp(outcome: tuple[list[Case], dict[str, Array]]) -> None:
    """f32 is held against f64 rounded; a 16-bit float may round the other way."""
    cases, results = outcome
    wrong = []
    for case in cases:
        if case.op not in FUNCTION_ULPS or not case.out.is_float:
            continue
        wanted = expected(case)
        if case.out == f32 and case.op not in ("sigmoid", "rsqrt"):
            wide = tuple(arg.astype(np.float64) for arg in case.args)
            with np.errstate(all="ignore"):
                wanted = OPS[case.op].reference(wide, {}, np.dtype(np.float64)).astype(np.float32)
        apart = ulps(results[case.name], wanted)
        if apart.max() > (4 if case.out.itemsize >= 4 else 1):
            at = int(apart.argmax())
            given = [float(arg[at]) for arg in case.args]
            text = f"{results[case.name][at]!r}, not {wanted[at]!r} ({apart[at]} ulp)"
            wrong.append(f"{case.name}: {given} gave {text}")
    assert not wrong, "\n".join(wrong)


def test_functions_are_within_4_ulp_everywhere() -> None:
    """A sweep over the f32 numbers, with the argument ranges where polynomials meet."""
    random = np.random.default_rng(3)
    bits = random.integers(0, 2**32, 1 << 18, dtype=np.uint32)
    dense = random.uniform(-12, 12, 1 << 18).astype(np.float32)
    x = np.concatenate([bits.view(np.float32), dense])
    ops = ["exp", "log", "tanh", "erf", "sin", "cos", "sigmoid", "rsqrt"]
    cases = [Case(op, op, (x,), (), f32) for op in ops]
    results = OpProgram().run(cases)
    wrong = []
    for op in ops:
        with np.errstate(all="ignore"):
            if op == "erf":
                wanted = OPS[op].reference((x,), {}, np.dtype(np.float32))
            else:
                wanted = (
                    OPS[op].reference((x.astype(np.float64),), {}, np.dtype(np.float64)).astype(np.float32)
                )
        apart = ulps(results[op], wanted)
        if op == "sigmoid":  # 1 / (1 + e^−x) has no bits left where e^−x overflows
            apart = np.where(x < -87, 0, apart)
        if apart.max() > 4:
            at = int(apart.argmax())
            wrong.append(f"{op}({x[at]!r}) = {results[op][at]!r}, not {wanted[at]!r} ({apart[at]} ulp)")
    assert not wrong, "\n".join(wrong)


def test_every_op_has_a_text() -> None:
    """A row added to `OPS` is handled by the emitter, or this test names it."""
    shapes = {"transpose", "reshape", "expand", "broadcast", "slice"}
    leaves = {"const", "index", "scalar", "iota"}
    handled = set(FUNCTIONS) | set(REDUCTIONS) | shapes | leaves | {"cast", "dot"}
    assert handled == set(OPS)
