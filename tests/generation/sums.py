"""Tasks that add to one region from many pieces, and one that brings the sum back within ±8.

In:  a `Scope`. Out: two tasks, and kernel lines that call them. Not here: other calls (`calls.py`).
"""

from __future__ import annotations

from tests.generation.pieces import over_rows
from tests.generation.scope import Scope
from tests.generation.values import EXACT, clamp, pick, region


def summed(scope: Scope) -> None:
    """`y += a.T @ b` over pieces of the rows of both."""
    target, sources = pick(scope, EXACT)
    left, right = sources[0], sources[-1]
    height = scope.integer(1, min(left.columns, target.rows))
    width = scope.integer(1, min(right.columns, target.columns))
    rows = scope.extent(min(left.rows, right.rows))
    accum = scope.one(["Accum", 'Accum(order="any")'])
    value = "(a[:].T @ b[:])"
    if target.dtype.startswith("i"):
        value += f".astype({target.dtype})"
    task = scope.text.task(
        f"a: In[{left.dtype}, K, T], b: In[{right.dtype}, K, N], y: {accum}[{target.dtype}, T, N]",
        [f"y[:] += {value}"],
    )
    back = scope.text.task(f"y: InOut[{target.dtype}, T, N]", [f"y[:] = {clamp('y[:]', target.dtype)}"])
    names = [scope.text.fresh("v") for _ in range(3)]
    a, b, y = names
    texts = (
        region(scope, left, rows, height),
        region(scope, right, rows, width),
        region(scope, target, height, width),
    )
    scope.text.line(*(f"{name} = {text}" for name, text in zip(names, texts, strict=True)))
    over_rows(scope, rows, "k", lambda k: scope.text.line(f"{task}({a}[{k}], {b}[{k}], {y})"), single=False)
    scope.text.line(f"{back}({y})")
