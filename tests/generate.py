"""Random kernels as the source text a user would write: the strategy behind the equivalence tests.

In:  hypothesis. Out: a `Generated` kernel — Python text, argument arrays, runtime scalars.
Not here: running it (`tests/host/test_random_kernels.py`), judging it.

Data are small integers in every dtype and each task ends by clamping to ±8, so that every
operation is exact and results can be compared bit by bit, whatever the order of a reduction.
"""

from __future__ import annotations

import itertools
import linecache
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from mpmd.lang.types import DTYPES

HEADER = """\
import mpmd
from mpmd import In, InOut, Out, bf16, f16, f32, f64, i8, i32, i64
T, N, K, M, R, C = mpmd.dims("T N K M R C")
"""
DTYPE_NAMES = ("f32", "f32", "f32", "f64", "i32", "i64", "i8", "f16", "bf16")
MAX_EXTENT = 40
_files = itertools.count()


@dataclass(frozen=True)
class Generated:
    """`source` defines `kernel`; `arrays` are its arguments in order, `scalars` the ones after them."""

    source: str
    arrays: dict[str, np.ndarray]
    scalars: dict[str, int]

    def define(self) -> Any:
        """The kernel object. The text stays readable to `inspect` and in diagnostics."""
        name = f"<generated kernel {next(_files)}>"
        linecache.cache[name] = (len(self.source), None, self.source.splitlines(keepends=True), name)
        namespace: dict[str, Any] = {"__name__": "generated"}
        exec(compile(self.source, name, "exec"), namespace)
        return namespace["kernel"]

    def copies(self) -> dict[str, np.ndarray]:
        return {name: array.copy() for name, array in self.arrays.items()}


@dataclass
class _Tensor:
    name: str
    dtype: str
    rows: int
    columns: int


@dataclass
class _Text:
    """Tasks and kernel lines, as they are drawn."""

    tasks: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def task(self, signature: str, body: list[str]) -> str:
        name = f"task{len(self.tasks)}"
        lines = "".join(f"    {line}\n" for line in body)
        self.tasks.append(f"@mpmd.task\ndef {name}({signature}):\n{lines}")
        return name


@st.composite
def kernels(draw: st.DrawFn) -> Generated:
    """A kernel of 1–6 call sites over 2–5 tensors, with loops, views and runtime offsets."""
    text = _Text()
    pos = draw(st.integers(0, 5))
    arguments = [_tensor(draw, f"x{i}") for i in range(draw(st.integers(2, 4)))]
    local = [_tensor(draw, f"h{i}") for i in range(draw(st.integers(0, 2)))]
    written_first = [t for t in arguments if draw(st.booleans())]
    for tensor in local:
        text.lines.append(f"{tensor.name} = mpmd.empty(({tensor.rows}, {tensor.columns}), {tensor.dtype})")
    for tensor in [*local, *written_first]:
        _fill(draw, text, tensor)
    for _ in range(draw(st.integers(1, 6))):
        draw(st.sampled_from(_CALLS))(draw, text, [*arguments, *local], pos)
    directions = {t.name: "Out" if t in written_first else "InOut" for t in arguments}
    parameters = [f"{t.name}: {directions[t.name]}[{t.dtype}, {t.rows}, {t.columns}]" for t in arguments]
    body = "".join(f"    {line}\n" for line in text.lines)
    kernel = f"@mpmd.kernel\ndef kernel({', '.join([*parameters, 'pos: i32'])}):\n{body}"
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    arrays = {
        t.name: random.integers(-3, 4, (t.rows, t.columns)).astype(DTYPES[t.dtype].numpy) for t in arguments
    }
    return Generated("\n\n".join([HEADER, *text.tasks, kernel]), arrays, {"pos": pos})


# -- pieces ------------------------------------------------------------------------------------


def _tensor(draw: st.DrawFn, name: str) -> _Tensor:
    extent = st.integers(6, MAX_EXTENT)
    return _Tensor(name, draw(st.sampled_from(DTYPE_NAMES)), draw(extent), draw(extent))


def _fill(draw: st.DrawFn, text: _Text, tensor: _Tensor) -> None:
    value = draw(st.integers(-3, 3))
    task = text.task(
        f"y: Out[{tensor.dtype}, T, N]",
        [f"y[:] = mpmd.full((T, N), {value}, {tensor.dtype}) + (mpmd.arange(N) % 3).astype({tensor.dtype})"],
    )
    size = draw(st.sampled_from(["", ", 7", ", 16"]))
    text.lines += [
        f"for t in mpmd.tiles({tensor.rows}{size}):",
        f"    {task}({tensor.name}[t])",
    ]


def _clamp(value: str, dtype: str) -> str:
    """The value within ±8, to be stored into `dtype`: stores narrow floats, but make no integers of them."""
    clamped = f"mpmd.maximum(mpmd.minimum({value}, 8), -8)"
    return clamped if DTYPES[dtype].is_float else f"{clamped}.astype({dtype})"


def _expression(draw: st.DrawFn, leaves: list[str], depth: int = 2) -> str:
    """A tile of the leaves' shape: sums, products of leaves, selections; at most ±128 from ±8."""
    leaf = st.sampled_from(leaves)
    first, a = draw(leaf), draw(leaf)
    if depth == 0:
        return first
    if draw(st.booleans()):
        a = _expression(draw, leaves, depth - 1)
    b = draw(st.one_of(leaf, st.sampled_from(["1", "2"])))
    return draw(st.sampled_from(_FORMS)).format(a=a, b=b, first=first)


_FORMS = (
    "({a} + {b})",
    "({a} - {b})",
    "mpmd.maximum({a}, {b})",
    "mpmd.minimum({a}, {b})",
    "mpmd.where({first} < {b}, {a}, {first})",
    "mpmd.where(({first} >= 0) & ({first} != {b}), {b}, {a})",
    "(-{first} + {a})",
    "abs({a})",
    "({first} * 2 - {b})",
    "({first} * {b})",
)


def _region(draw: st.DrawFn, tensor: _Tensor, rows: int, columns: int, pos: int) -> str:
    """A view of `rows` × `columns` of the tensor: offset, strided, transposed or moved by `pos`."""
    flip = rows <= tensor.columns and columns <= tensor.rows and draw(st.integers(0, 5)) == 0
    if flip:
        rows, columns = columns, rows
    parts = [
        _slice(draw, tensor.rows, rows, pos if draw(st.integers(0, 2)) == 0 else None),
        _slice(draw, tensor.columns, columns, None),
    ]
    return f"{tensor.name}[{', '.join(parts)}]" + (".T" if flip else "")


def _slice(draw: st.DrawFn, extent: int, count: int, pos: int | None) -> str:
    if pos is not None and count + 5 <= extent:
        start = draw(st.integers(0, extent - count - 5))
        return f"pos + {start} : pos + {start + count}"
    if 2 * count <= extent and draw(st.integers(0, 3)) == 0:
        start = draw(st.integers(0, extent - 2 * count))
        return f"{start} : {start + 2 * count} : 2"
    start = draw(st.integers(0, extent - count))
    return f"{start} : {start + count}"


def _shape(draw: st.DrawFn, tensors: list[_Tensor]) -> tuple[int, int]:
    return (
        draw(st.integers(1, min(t.rows for t in tensors))),
        draw(st.integers(1, min(t.columns for t in tensors))),
    )


def _pick(draw: st.DrawFn, tensors: list[_Tensor]) -> tuple[_Tensor, list[_Tensor]]:
    """A tensor to write, and one or two others to read."""
    order = draw(st.permutations(tensors))
    return order[0], order[1 : 1 + draw(st.integers(1, min(2, len(order) - 1)))]


def _tiles(draw: st.DrawFn, extent: int) -> str:
    size = draw(st.sampled_from([None, 3, 8, 16]))
    return f"mpmd.tiles({extent})" if size is None else f"mpmd.tiles({extent}, {size})"


def _emit(draw: st.DrawFn, text: _Text, task: str, views: list[str], rows: int, columns: int) -> None:
    """The call under no loop, a loop over rows, or loops over rows and columns."""
    depth = draw(st.integers(0, 2))
    if depth == 0:
        text.lines.append(f"{task}({', '.join(views)})")
        return
    names = [f"v{i}" for i in range(len(views))]
    text.lines += [f"{name} = {view}" for name, view in zip(names, views, strict=True)]
    text.lines.append(f"for t in {_tiles(draw, rows)}:")
    if depth == 1:
        text.lines.append(f"    {task}({', '.join(f'{name}[t]' for name in names)})")
        return
    text.lines.append(f"    for u in {_tiles(draw, columns)}:")
    text.lines.append(f"        {task}({', '.join(f'{name}[t, u]' for name in names)})")


# -- kinds of calls ----------------------------------------------------------------------------


def _pointwise(draw: st.DrawFn, text: _Text, tensors: list[_Tensor], pos: int) -> None:
    target, sources = _pick(draw, tensors)
    rows, columns = _shape(draw, [target, *sources])
    inout = draw(st.booleans())
    names = ["a", "b"][: len(sources)]
    signature = [f"{n}: In[{s.dtype}, T, N]" for n, s in zip(names, sources, strict=True)]
    signature.append(f"y: {'InOut' if inout else 'Out'}[{target.dtype}, T, N]")
    readable = [*names, "y"] if inout else names
    body = draw(st.sampled_from(_BODIES))(draw, readable, inout, target.dtype)
    task = text.task(", ".join(signature), body)
    views = [_region(draw, t, rows, columns, pos) for t in [*sources, target]]
    _emit(draw, text, task, views, rows, columns)


def _body_whole(draw: st.DrawFn, names: list[str], inout: bool, dtype: str) -> list[str]:
    return [f"y[:] = {_clamp(_expression(draw, [f'{n}[:]' for n in names]), dtype)}"]


def _body_tiles(draw: st.DrawFn, names: list[str], inout: bool, dtype: str) -> list[str]:
    inner = _clamp(_expression(draw, [f"{n}[:, j]" for n in names]), dtype)
    return [f"for j in mpmd.tiles(N, {draw(st.sampled_from([4, 16]))}):", f"    y[:, j] = {inner}"]


def _body_rows(draw: st.DrawFn, names: list[str], inout: bool, dtype: str) -> list[str]:
    value = _clamp(_expression(draw, [f"{n}[i]" for n in names]), dtype)
    return ["for i in range(T):", f"    y[i] = {value}"]


def _body_carried(draw: st.DrawFn, names: list[str], inout: bool, dtype: str) -> list[str]:
    step = _clamp(_expression(draw, ["s", *(f"{n}[i]" for n in names)]), "f32")
    return [
        f"s = mpmd.zeros((N,), {dtype})",
        "for i in range(T):",
        f"    s = ({step}).astype({dtype})",
        "    y[i] = s",
    ]


def _body_branch(draw: st.DrawFn, names: list[str], inout: bool, dtype: str) -> list[str]:
    then, otherwise = (_expression(draw, [f"{n}[:]" for n in names]) for _ in range(2))
    return [
        f"if {names[0]}[0, 0] > {draw(st.integers(-2, 2))}:",
        f"    v = ({then}).astype({dtype})",
        "else:",
        f"    v = ({otherwise}).astype({dtype})",
        f"y[:] = {_clamp('v', dtype)}",
    ]


def _body_strided(draw: st.DrawFn, names: list[str], inout: bool, dtype: str) -> list[str]:
    value = _clamp(_expression(draw, [f"{n}[:, ::2]" for n in names]), dtype)
    if inout:
        return [f"y[:, ::2] = {value}"]
    return [f"y[:] = mpmd.zeros((T, N), {dtype})", f"y[:, ::2] = {value}"]


_BODIES: tuple[Callable[..., list[str]], ...] = (
    _body_whole,
    _body_whole,
    _body_tiles,
    _body_rows,
    _body_carried,
    _body_branch,
    _body_strided,
)


def _reduction(draw: st.DrawFn, text: _Text, tensors: list[_Tensor], pos: int) -> None:
    target, (source, *_) = _pick(draw, tensors)
    rows = draw(st.integers(1, min(source.rows, target.rows)))
    columns = draw(st.integers(1, source.columns))
    kind = draw(st.sampled_from(["sum", "max", "min", "argmax", "argmin"]))
    value = f"mpmd.{kind}({_expression(draw, ['a[:]'])}, 1)"
    task = text.task(
        f"a: In[{source.dtype}, T, N], y: Out[{target.dtype}, T]",
        [f"y[:] = {_clamp(value, target.dtype)}"],
    )
    start = draw(st.integers(0, target.rows - rows))
    into = f"{target.name}[{start} : {start + rows}, {draw(st.integers(0, target.columns - 1))}]"
    view = _region(draw, source, rows, columns, pos)
    if draw(st.booleans()):
        text.lines.append(f"{task}({view}, {into})")
    else:
        text.lines += [f"v0 = {view}", f"v1 = {into}", f"for t in {_tiles(draw, rows)}:"]
        text.lines.append(f"    {task}(v0[t], v1[t])")


def _product(draw: st.DrawFn, text: _Text, tensors: list[_Tensor], pos: int) -> None:
    target, sources = _pick(draw, tensors)
    left, right = sources[0], sources[-1]
    rows = draw(st.integers(1, min(left.rows, target.rows)))
    columns = draw(st.integers(1, min(right.rows, target.columns)))
    inner = draw(st.integers(1, min(left.columns, right.columns)))
    dtype = right.dtype
    task = text.task(
        f"a: In[{left.dtype}, T, K], b: In[{dtype}, N, K], y: Out[{target.dtype}, T, N]",
        [f"y[:] = {_clamp('a[:] @ b[:].T', target.dtype)}"],
    )
    text.lines += [
        f"v0 = {_region(draw, left, rows, inner, pos)}",
        f"v1 = {_region(draw, right, columns, inner, pos)}",
        f"v2 = {_region(draw, target, rows, columns, pos)}",
        f"for t in {_tiles(draw, rows)}:",
        f"    for u in {_tiles(draw, columns)}:",
        f"        {task}(v0[t], v1[u], v2[t, u])",
    ]


def _runtime_rows(draw: st.DrawFn, text: _Text, tensors: list[_Tensor], pos: int) -> None:
    """A region whose extent is known only at the launch: `pos + 1` rows."""
    target, (source, *_) = _pick(draw, tensors)
    columns = draw(st.integers(1, min(source.columns, target.columns)))
    start = draw(st.integers(0, min(source.rows, target.rows) - 6))
    task = text.task(
        f"a: In[{source.dtype}, T, N], y: InOut[{target.dtype}, T, N]",
        [f"y[:] = {_clamp(_expression(draw, ['a[:]', 'y[:]']), target.dtype)}"],
    )
    rows = f"{start} : pos + {start + 1}"
    text.lines.append(f"{task}({source.name}[{rows}, :{columns}], {target.name}[{rows}, :{columns}])")


def _gather(draw: st.DrawFn, text: _Text, tensors: list[_Tensor], pos: int) -> None:
    target, (source, *_) = _pick(draw, tensors)
    rows = draw(st.integers(1, target.rows))
    columns = draw(st.integers(1, min(source.columns, target.columns)))
    task = text.task(
        f"a: In[{source.dtype}, M, N], y: Out[{target.dtype}, T, N]",
        [f"y[:] = a[(mpmd.arange(T) * {draw(st.integers(0, 5))}) % M].astype({target.dtype})"],
    )
    height = draw(st.integers(1, source.rows))
    text.lines.append(
        f"{task}({_region(draw, source, height, columns, pos)}, {_region(draw, target, rows, columns, pos)})"
    )


_CALLS: tuple[Callable[..., None], ...] = (
    _pointwise,
    _pointwise,
    _pointwise,
    _reduction,
    _product,
    _runtime_rows,
    _gather,
)
