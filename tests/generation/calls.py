"""Calls of one task: pointwise, reductions, products, runtime rows, gathers.

In:  a `Scope`. Out: a task, and kernel lines that call it on views, perhaps in loops over pieces.
Not here: what several calls have to do with each other (`loops.py`, `channels.py`, `sums.py`).
"""

from __future__ import annotations

from collections.abc import Callable

from tests.generation.pieces import known_tiles, over_rows
from tests.generation.scope import Feature, Moving, Scope, Tensor
from tests.generation.values import clamp, expression, pick, region, shape


def fill(scope: Scope, tensor: Tensor) -> None:
    """A call per tile, which write all of the tensor."""
    value = scope.integer(-3, 3)
    dtype = tensor.dtype
    scope.text.targets.append(tensor)
    task = scope.text.task(
        f"y: Out[{dtype}, T, N]",
        [f"y[:] = mpmd.full((T, N), {value}, {dtype}) + (mpmd.arange(N) % 3).astype({dtype})"],
    )
    size = scope.one(["", ", 7", ", 16"])
    with scope.text.block(f"for t in mpmd.tiles({tensor.rows}{size}):"):
        scope.text.line(f"{task}({tensor}[t])")


def placed(scope: Scope) -> str:
    """Where a call must run, as further arguments of it: near what an earlier call writes, on a core, …"""
    if not (scope.has(Feature.PLACEMENT) and scope.chance(3)):
        return ""
    near = [f", near={tensor}" for tensor in scope.text.targets[:-1]]
    return scope.one([', on="core"', f", core={scope.integer(0, scope.cores - 1)}", *near])


def views(scope: Scope, *texts: str) -> list[str]:
    """Names for views, made in the kernel before a loop over their pieces."""
    names = [scope.text.fresh("v") for _ in texts]
    scope.text.line(*(f"{name} = {text}" for name, text in zip(names, texts, strict=True)))
    return names


def _emit(scope: Scope, task: str, texts: list[str], rows: int, columns: int) -> None:
    """The call under no loop, a loop over rows, or loops over rows and columns."""
    depth = scope.integer(0, 2)
    place = placed(scope)
    if depth == 0:
        scope.text.line(f"{task}({', '.join(texts)}{place})")
        return
    names = views(scope, *texts)

    def row(piece: str) -> None:
        if depth == 1:
            scope.text.line(f"{task}({', '.join(f'{name}[{piece}]' for name in names)}{place})")
            return
        with scope.text.block(f"for u in {known_tiles(scope, columns)}:"):
            scope.text.line(f"{task}({', '.join(f'{name}[{piece}, u]' for name in names)}{place})")

    over_rows(scope, rows, "t", row, single=depth == 1 and not place)


# -- kinds of calls ----------------------------------------------------------------------------


def pointwise(scope: Scope) -> None:
    target, sources = pick(scope)
    rows, columns = shape(scope, [target, *sources])
    inout = scope.chance(2)
    names = ["a", "b"][: len(sources)]
    signature = [f"{n}: In[{s.dtype}, T, N]" for n, s in zip(names, sources, strict=True)]
    signature.append(f"y: {'InOut' if inout else 'Out'}[{target.dtype}, T, N]")
    readable = [*names, "y"] if inout else names
    body = scope.one(_BODIES)(scope, readable, inout, target.dtype)
    task = scope.text.task(", ".join(signature), body)
    _emit(scope, task, [region(scope, t, rows, columns) for t in [*sources, target]], rows, columns)


def _body_whole(scope: Scope, names: list[str], inout: bool, dtype: str) -> list[str]:
    return [f"y[:] = {clamp(expression(scope, [f'{n}[:]' for n in names]), dtype)}"]


def _body_tiles(scope: Scope, names: list[str], inout: bool, dtype: str) -> list[str]:
    inner = clamp(expression(scope, [f"{n}[:, j]" for n in names]), dtype)
    return [f"for j in mpmd.tiles(N, {scope.one([4, 16])}):", f"    y[:, j] = {inner}"]


def _body_rows(scope: Scope, names: list[str], inout: bool, dtype: str) -> list[str]:
    return ["for i in range(T):", f"    y[i] = {clamp(expression(scope, [f'{n}[i]' for n in names]), dtype)}"]


def _body_carried(scope: Scope, names: list[str], inout: bool, dtype: str) -> list[str]:
    step = clamp(expression(scope, ["s", *(f"{n}[i]" for n in names)]), "f32")
    return [
        f"s = mpmd.zeros((N,), {dtype})",
        "for i in range(T):",
        f"    s = ({step}).astype({dtype})",
        "    y[i] = s",
    ]


def _body_branch(scope: Scope, names: list[str], inout: bool, dtype: str) -> list[str]:
    then, otherwise = (expression(scope, [f"{n}[:]" for n in names]) for _ in range(2))
    return [
        f"if {names[0]}[0, 0] > {scope.integer(-2, 2)}:",
        f"    v = ({then}).astype({dtype})",
        "else:",
        f"    v = ({otherwise}).astype({dtype})",
        f"y[:] = {clamp('v', dtype)}",
    ]


def _body_strided(scope: Scope, names: list[str], inout: bool, dtype: str) -> list[str]:
    value = clamp(expression(scope, [f"{n}[:, ::2]" for n in names]), dtype)
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


def reduction(scope: Scope) -> None:
    target, (source, *_) = pick(scope)
    rows = scope.extent(min(source.rows, target.rows))
    columns = scope.integer(1, source.columns)
    kind = scope.one(["sum", "max", "min", "argmax", "argmin"])
    value = f"mpmd.{kind}({expression(scope, ['a[:]'])}, 1)"
    task = scope.text.task(
        f"a: In[{source.dtype}, T, N], y: Out[{target.dtype}, T]",
        [f"y[:] = {clamp(value, target.dtype)}"],
    )
    start = scope.integer(0, target.rows - rows)
    into = f"{target}[{start} : {start + rows}, {scope.integer(0, target.columns - 1)}]"
    view = region(scope, source, rows, columns)
    place = placed(scope)
    if scope.chance(2):
        scope.text.line(f"{task}({view}, {into}{place})")
        return
    a, y = views(scope, view, into)

    def row(t: str) -> None:
        scope.text.line(f"{task}({a}[{t}], {y}[{t}]{place})")

    over_rows(scope, rows, "t", row, single=not place)


def product(scope: Scope) -> None:
    target, sources = pick(scope)
    left, right = sources[0], sources[-1]
    rows = scope.extent(min(left.rows, target.rows))
    columns = scope.integer(1, min(right.rows, target.columns))
    inner = scope.integer(1, min(left.columns, right.columns))
    task = scope.text.task(
        f"a: In[{left.dtype}, T, K], b: In[{right.dtype}, N, K], y: Out[{target.dtype}, T, N]",
        [f"y[:] = {clamp('a[:] @ b[:].T', target.dtype)}"],
    )
    a, b, y = views(
        scope,
        region(scope, left, rows, inner),
        region(scope, right, columns, inner),
        region(scope, target, rows, columns),
    )

    def row(t: str) -> None:
        with scope.text.block(f"for u in {known_tiles(scope, columns)}:"):
            scope.text.line(f"{task}({a}[{t}], {b}[u], {y}[{t}, u])")

    over_rows(scope, rows, "t", row, single=False)


def runtime_rows(scope: Scope) -> None:
    """A region whose extent is known only at the launch, or in the loop."""
    target, (source, *_) = pick(scope)
    room = min(source.rows, target.rows)
    moving = scope.one([m for m in scope.moving if m.most < room])
    columns = scope.integer(1, min(source.columns, target.columns))
    start = scope.integer(0, room - moving.most - 1)
    task = scope.text.task(
        f"a: In[{source.dtype}, T, N], y: InOut[{target.dtype}, T, N]",
        [f"y[:] = {clamp(expression(scope, ['a[:]', 'y[:]']), target.dtype)}"],
    )
    rows = f"{start} : {moving.text} + {start + 1}"
    scope.text.line(f"{task}({source}[{rows}, :{columns}], {target}[{rows}, :{columns}]{placed(scope)})")


def sliding(scope: Scope) -> None:
    """Two calls on a row or two that move with a symbol: in a loop what one writes, other iterations read."""
    target, (source, *_) = pick(scope)
    rows = scope.integer(1, 2)
    fitting = [m for m in scope.moving if m.most + rows <= min(source.rows, target.rows)]
    moving = fitting[-1]  # the innermost
    columns = scope.extent(min(source.columns, target.columns))
    for a, y in ((source, target), (target, source)):
        task = scope.text.task(
            f"a: In[{a.dtype}, T, N], y: InOut[{y.dtype}, T, N]",
            [f"y[:] = {clamp(expression(scope, ['a[:]', 'y[:]']), y.dtype)}"],
        )
        views_text = ", ".join(_moved(scope, tensor, moving, rows, columns) for tensor in (a, y))
        scope.text.line(f"{task}({views_text}{placed(scope)})")


def _moved(scope: Scope, tensor: Tensor, moving: Moving, rows: int, columns: int) -> str:
    start = scope.integer(0, min(4, tensor.rows - rows - moving.most))
    return f"{tensor}[{moving.text} + {start} : {moving.text} + {start + rows}, :{columns}]"


def gather(scope: Scope) -> None:
    target, (source, *_) = pick(scope)
    rows = scope.integer(1, target.rows)
    columns = scope.integer(1, min(source.columns, target.columns))
    task = scope.text.task(
        f"a: In[{source.dtype}, M, N], y: Out[{target.dtype}, T, N]",
        [f"y[:] = a[(mpmd.arange(T) * {scope.integer(0, 5)}) % M].astype({target.dtype})"],
    )
    height = scope.integer(1, source.rows)
    views_text = f"{region(scope, source, height, columns)}, {region(scope, target, rows, columns)}"
    scope.text.line(f"{task}({views_text})")


CALLS: tuple[Callable[[Scope], None], ...] = (
    pointwise,
    pointwise,
    pointwise,
    reduction,
    product,
    runtime_rows,
    gather,
)
