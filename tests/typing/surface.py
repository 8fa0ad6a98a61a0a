"""The rest of the surface: scalars, loops, branches, gathers, weights, views, specs."""

from dataclasses import dataclass

import mpmd
from mpmd import Accum, Const, In, InOut, Out, Recv, Send, bf16, bool_, f16, f32, f64, i8, i32, i64, u8

T, H, D, V, L, P = mpmd.dims("T H D V L P")
(Half,) = mpmd.dims("Half")


@mpmd.task
def attend(q: In[f32, D], k: In[bf16, P, D], v: In[bf16, P, D], pos: i32, scale: f32, y: Out[f32, D]):
    """Loops with runtime bounds, and carried names.

    mypy fixes a name's type where it is first bound: one that begins as a number says what it becomes.
    """
    best = mpmd.full((), -1e30, f32)
    total: mpmd.Tile | float = 0.0
    out = mpmd.zeros((D,), f32)
    for i in range(pos + 1):
        score = (q[:] * k[i].astype(f32)).sum() * scale
        top = mpmd.maximum(best, score)
        keep = mpmd.exp(best - top)
        weight = mpmd.exp(score - top)
        out = out * keep + weight * v[i].astype(f32)
        total = total * keep + weight
        best = top
    y[:] = out / total


@mpmd.task
def shapes(x: In[f32, T, H], y: Out[f32, T, H // 2], z: InOut[f32, H], n: In[i32, ()]):
    even, odd = x[:, ::2], x[:, 1::2]
    y[:] = mpmd.where(even > odd, even, odd) + x.shape[0]
    z[:] += x[:].max(axis=0)[None, :].reshape(H) / T
    for j in mpmd.tiles(H, 16):
        z[j] = z[j] - 1 + j.start
    if n[()] > 3:
        z[: H // 2] = 1.0 / mpmd.full((H // 2,), 2, f32)
    else:
        z[0] = abs(z[0]) ** 2 % 3


@mpmd.task
def embed(table: Const[bf16, V, H], ids: In[i64, T], y: Out[f32, T, H], count: Accum[f32, 1]):
    rows = table[ids[:]]
    y[:] = rows.astype(f32)
    count[0] += 1.0


@mpmd.inline
def doubled(x: mpmd.Tile, by: float = 2.0) -> tuple[mpmd.Tile, mpmd.Tile]:
    return x * by, x


@mpmd.task
def sends(x: In[f32, T, H], c: Send[f16, P, H]):
    for j in mpmd.tiles(T, 4):
        twice, _ = doubled(x[j], by=2)
        mpmd.send(c, twice)


@mpmd.task
def receives(c: Recv[f16, P, H], y: Out[f32, T, H]):
    for j in mpmd.tiles(T, 4):
        y[j] = mpmd.recv(c, (j.size, c.shape[1])) + mpmd.recv(c).sum()


@mpmd.kernel(dynamic={"T": 64})
def joined(x: In[f32, T, H], y: Out[f32, T, H]):
    c = mpmd.channel(f16, (4, H), depth=2)
    sends(x, c)
    receives(c, y)


@mpmd.task
def integers(a: In[i8, T], b: In[u8, T], m: In[bool_, T], y: Out[i32, T], d: Out[f64, T], h: Out[f16, T]):
    mask = ~m[:] & (a[:] < 3) | (b[:] == 1)
    y[:] = mpmd.where(mask, a[:] << 1, a[:] // 2) ^ 5
    d[:] = mpmd.arange(T).astype(f64)
    h[:] = mpmd.softmax(a[:].astype(f16), axis=0)


@mpmd.task
def extents(n: i32, y: InOut[f32, T]):
    y[:] += mpmd.zeros((2, n), f32).sum() + mpmd.full((n + 1,), 1, f32).sum() + mpmd.arange(n).sum()


@dataclass(frozen=True)
class Weights:
    table: Const[bf16, V, H]


LAYERS = 2


@mpmd.kernel
def model(ids: In[i64, T], table: Const[bf16, V, H], pos: i32, cache: InOut[f32, L, P, H], y: Out[f32, T, H]):
    count = mpmd.empty((1,), f32)
    rows = y.reshape(T * H).reshape((T, H)).transpose(0, 1)
    embed(table, ids, rows, count=count)
    for layer in range(LAYERS):
        for t in mpmd.tiles(P, size=64):
            attend(
                cache[layer, pos],
                cache[layer, t.grow(1, 1)],
                cache[layer][t.start : t.start + t.size],
                pos + 1,
            )
    for step in mpmd.loop(4):
        embed(table, ids[step:], y[-1, 2 * step], count)
    for layer in range(L - 1):
        assert T == 1 or layer < T // 2


@mpmd.task
def row(w: Const[bf16, V, H], x: In[f32, H], done: Out[i32, 1], y: InOut[f32, H]):
    y[:] = y[:] + x[:] * w[0].astype(f32)
    done[0] = (y[0] > 1).astype(i32)


@mpmd.kernel
def ragged(
    weights: list[Weights],
    state: dict[str, InOut[f32, T, H]],
    ends: tuple[In[i32, L], i32],
    x: In[f32, T, H],
):
    offsets, n = ends
    done = mpmd.empty((1,), i32)
    y = state["y"]
    for t in mpmd.tiles(n, 16, most=64, drain=True):
        for p in mpmd.split(t, 4):
            row(weights[0].table, x[p.start], done, y[p.start], on="vector", core=p.index % 4, near=y)
    for s in mpmd.segments(offsets, 32):
        for t in mpmd.tiles(s, 8):
            row(weights[1].table, x[t.start], done, y[t.start])
    for i in mpmd.loop(n, until=done[0]):
        row(weights[0].table, x[i], done, y[i])


def compile_bundles() -> mpmd.CompiledKernel:
    weights = [Weights(table=mpmd.spec(bf16, (100, 32))) for _ in range(2)]
    whole = mpmd.spec(f32, (64, 32))
    return mpmd.compile(ragged, weights, {"y": whole}, (mpmd.spec(i32, 9), mpmd.spec(i32)), whole)


def compile_without_data() -> mpmd.CompiledKernel:
    return mpmd.compile(
        model,
        mpmd.spec(i64, 16),
        mpmd.spec(bf16, (100, 32)),
        mpmd.spec(i32),
        mpmd.spec(f32, (2, 64, 32)),
        mpmd.spec(f32, (16, 32)),
        on_stage=lambda stage, value: print(stage, value),
    ).bind(table=None)


def element_type_of(wide: bool) -> mpmd.DType:
    return f32 if wide else f16


def refused() -> str:
    try:
        model()
    except mpmd.Diagnostic as error:
        return error.message
    return ""
