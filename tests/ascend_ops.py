"""Kernels for Ascend that use what tasks may compute: choices, integers, moves, functions, loops."""

from __future__ import annotations

import numpy as np

import mpmd
from mpmd import In, InOut, Out, bool_, f16, f32, i8, i32, i64, u8
from tests.ascend_kernels import Case

T, N, K = mpmd.dims("T N K")


@mpmd.task
def choose(a: In[f32, T, N], b: In[f32, T, N], y: Out[f32, T, N]):
    c = (a[:] < b[:]) & (a[:] != 2.0)
    d = (a[:] >= b[:]) | ((a[:] == 1.0) ^ (b[:] <= 0.0))
    y[:] = mpmd.where(c, a[:], b[:] * 2.0) + mpmd.where(~d, 1.0, a[:])


@mpmd.task
def mask(a: In[f32, T, N], first: i32, y: Out[f32, T, N]):
    row = first + mpmd.arange(T)
    y[:] = mpmd.where(row[:, None] >= mpmd.arange(N)[None, :], a[:], -1e30)


@mpmd.kernel
def choices(a: In[f32, T, N], b: In[f32, T, N], y: Out[f32, T, N], z: Out[f32, T, N]):
    choose(a, b, y)
    for t in mpmd.tiles(T, 8):
        mask(a[t], t.start, z[t])


@mpmd.task
def whole(a: In[i32, T, N], b: In[i32, T, N], y: Out[i32, T, N], z: Out[i64, T]):
    chosen = mpmd.where(a[:] < b[:], a[:] * 3 - b[:], abs(a[:]) // 3)
    y[:] = chosen + mpmd.maximum(a[:], -b[:]) % 5 + (a[:] & 3) + (a[:] << 2) + (b[:] >> 1)
    z[:] = a[:].sum(1).astype(i64) * 3 + b[:].max(1)


@mpmd.task
def narrow(a: In[i8, T, N], b: In[u8, T, N], y: Out[i8, T, N], z: Out[u8, T, N], w: Out[bool_, T, N]):
    y[:] = a[:] * a[:] + 3
    z[:] = b[:] * b[:] - 3
    w[:] = a[:] > b[:].astype(i8)


@mpmd.task
def found(a: In[i32, T, N], best: Out[i64, T], least: Out[i32, N], some: Out[bool_, T], every: Out[bool_, T]):
    best[:] = a[:].argmax(1)
    least[:] = a[:].argmin(0).astype(i32)
    some[:] = (a[:] > 45).any(1)
    every[:] = (a[:] > -49).all(1)


@mpmd.task
def multiply(a: In[i8, T, N], b: In[i8, K, N], y: Out[i32, T, K]):
    y[:] = a[:] @ b[:].T


@mpmd.kernel
def integers(
    a: In[i32, T, N],
    b: In[i32, T, N],
    c: In[i8, T, N],
    d: In[u8, T, N],
    y: Out[i32, T, N],
    z: Out[i64, T],
    u: Out[i8, T, N],
    v: Out[u8, T, N],
    w: Out[bool_, T, N],
    best: Out[i64, T],
    least: Out[i32, N],
    some: Out[bool_, T],
    every: Out[bool_, T],
    gram: Out[i32, T, T],
):
    whole(a, b, y, z)
    narrow(c, d, u, v, w)
    found(a, best, least, some, every)
    multiply(c, c, gram)


@mpmd.task
def move(a: In[f32, T, N], y: Out[f32, N, T], z: Out[f32, T], w: Out[f32, N, T]):
    v = a[:]
    y[:] = v.T + 1.0
    w[:] = a[:].T
    z[:] = v[:, 1] + v[:, 3:5].sum(1) + mpmd.floor(v[:, 0]) - mpmd.ceil(v[:, 2]) + mpmd.round(v[:, 4])


@mpmd.task
def scatter(a: In[f32, T, N], y: InOut[f32, T, N]):
    y[:, ::2] = a[:, ::2] * 2.0


@mpmd.task
def look_up(table: In[f32, T, N], rows: In[i32, K], y: Out[f32, K, N], z: Out[f32, K, N]):
    y[:] = table[rows[:]] * 2.0
    z[:] = table[(mpmd.arange(K) * 3) % T]


@mpmd.task
def row_products(a: In[f32, 1, N], w: In[f32, T, N], y: Out[f32, 1, T], z: Out[f32, N]):
    y[:] = a[:] @ w[:].T
    z[:] = (y[:] @ w[:])[0]


@mpmd.kernel
def moves(
    a: In[f32, T, N],
    rows: In[i32, K],
    y: Out[f32, N, T],
    z: Out[f32, T],
    w: Out[f32, N, T],
    s: InOut[f32, T, N],
    u: Out[f32, K, N],
    v: Out[f32, K, N],
    p: Out[f32, 1, T],
    q: Out[f32, N],
):
    move(a, y, z, w)
    scatter(a, s)
    look_up(a, rows, u, v)
    row_products(a[0:1], a, p, q)


@mpmd.task
def evaluate_all(a: In[f32, T, N], b: In[f32, T, N], s: Out[f32, T, N], e: Out[f32, T, N], p: Out[f32, T, N]):
    s[:] = mpmd.sin(a[:]) + mpmd.cos(a[:])
    e[:] = mpmd.erf(a[:])
    p[:] = a[:] ** b[:]


@mpmd.task
def divide(a: In[f32, T, N], b: In[f32, T, N], q: Out[f32, T, N], m: Out[f32, T, N], h: Out[f16, T, N]):
    q[:] = a[:] // b[:]
    m[:] = a[:] % b[:]
    h[:] = mpmd.gelu(a[:].astype(f16))


@mpmd.kernel
def functions(
    a: In[f32, T, N],
    b: In[f32, T, N],
    s: Out[f32, T, N],
    e: Out[f32, T, N],
    p: Out[f32, T, N],
    q: Out[f32, T, N],
    m: Out[f32, T, N],
    h: Out[f16, T, N],
):
    evaluate_all(a, b, s, e, p)
    divide(a, b, q, m, h)


@mpmd.task
def sweep(a: In[f32, T, N], y: Out[f32, T, N], z: Out[f32, N], w: InOut[f32, T, N]):
    s = mpmd.zeros((N,), f32)
    for i in range(T):
        s = s * 0.5 + a[i]
        y[i] = s
    for j in mpmd.tiles(N, 8):
        w[:, j] = w[:, j] + a[:, j]
    z[:] = s


@mpmd.task
def decide(a: In[f32, T, N], at: In[i32, 1], y: Out[f32, T, N], z: Out[f32, N]):
    if a[0, 0] > 1.0:
        v = a[:] + 1.0
    else:
        v = -a[:]
    y[:] = v
    k = at[0]
    z[:] = a[k] + a[k + 1, 0]


@mpmd.task
def factor(a: InOut[f32, N, N]):
    for j in range(N):
        row = a[j, :j]
        pivot = mpmd.sqrt(a[j, j] - (row * row).sum())
        a[j, j] = pivot
        a[j + 1 :, j] = (a[j + 1 :, j] - a[j + 1 :, :j] @ row) / pivot


@mpmd.kernel
def courses(
    a: In[f32, T, N],
    at: In[i32, 1],
    y: Out[f32, T, N],
    z: Out[f32, N],
    w: InOut[f32, T, N],
    u: Out[f32, T, N],
    v: Out[f32, N],
    c: InOut[f32, K, K],
):
    sweep(a, y, z, w)
    decide(a, at, u, v)
    factor(c)


def _floats(*shape: int) -> np.ndarray:
    """Small whole numbers, so that sums are exact and many are equal, with what is no number among them."""
    values = np.random.default_rng(sum(shape)).integers(-4, 5, shape).astype(np.float32)
    values[0, :5] = np.nan, np.inf, -np.inf, -0.0, 0.0
    return values


def _numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(-4, 5, shape).astype(np.float32)


def _integers(low: int, high: int, dtype: type, *shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(low, high, shape).astype(dtype)


def _choices() -> tuple[np.ndarray, ...]:
    b = _floats(13, 21)[::-1].copy()
    b[0, :5] = _floats(13, 21)[0, [2, 1, 2, 4, 3]]
    return _floats(13, 21), b, np.zeros((13, 21), np.float32), np.zeros((13, 21), np.float32)


def _whole_numbers() -> tuple[np.ndarray, ...]:
    a, b = _integers(-50, 50, np.int32, 9, 21), _integers(-50, 50, np.int32, 21, 9).T.copy()
    a[0, :2], b[0, :2] = (2**31 - 1, -(2**31)), (-(2**31), 2**31 - 1)
    dtypes = [(np.int32, (9, 21)), (np.int64, 9), (np.int8, (9, 21)), (np.uint8, (9, 21)), (bool, (9, 21))]
    dtypes += [(np.int64, 9), (np.int32, 21), (bool, 9), (bool, 9), (np.int32, (9, 9))]
    bytes_ = _integers(-128, 128, np.int8, 9, 21), _integers(0, 256, np.uint8, 9, 21)
    return (a, b, *bytes_, *(np.zeros(shape, dtype) for dtype, shape in dtypes))


def _moves() -> tuple[np.ndarray, ...]:
    shapes = [(21, 13), (13,), (21, 13), (13, 21), (7, 21), (7, 21), (1, 13), (21,)]
    outs = [np.zeros(shape, np.float32) for shape in shapes]
    outs[3] = _numbers(13, 21)
    return (_numbers(13, 21) + np.float32(0.5), _integers(0, 13, np.int32, 7), *outs)


def _functions() -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(0)
    a, b = (random.standard_normal((5, 37)) * 3).astype(np.float32), random.standard_normal((5, 37))
    b = np.where(np.arange(37) % 2, b, np.round(b * 2)).astype(np.float32)
    b[b == 0] = 1
    outs = [np.zeros((5, 37), np.float32) for _ in range(5)]
    return (np.abs(a) + np.float32(0.1), b, *outs, np.zeros((5, 37), np.float16))


def _courses() -> tuple[np.ndarray, ...]:
    a, q = _numbers(9, 21), np.random.default_rng(1).standard_normal((17, 17))
    outs = [np.zeros((9, 21), np.float32), np.zeros(21, np.float32), _numbers(21, 9).T.copy()]
    outs += [np.zeros((9, 21), np.float32), np.zeros(21, np.float32)]
    return (a, np.array([4], np.int32), *outs, (q @ q.T + 17 * np.eye(17)).astype(np.float32))


OP_CASES: dict[str, Case] = {
    "choices": Case(choices, _choices, 0.0),
    "integers": Case(integers, _whole_numbers, 0.0),
    "moves": Case(moves, _moves, 0.0),
    "functions": Case(functions, _functions, 2e-3),
    "courses": Case(courses, _courses, 1e-6),
}
