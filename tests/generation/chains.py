"""Kernels whose calls hand tiles to each other: what rewrites of programs are about.

In:  hypothesis. Out: a `Generated` kernel: a chain of calls through local tensors, in loops that often agree.
Not here: kernels with all that the language has (`tests/generate.py`).

Values stay integers within ±8, as there, so that sums are exact in any order.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tests.generate import HEADER, Generated

BODIES = (
    ("pointwise", "a: In[f32, T, N], y: Out[f32, T, N]", ["v = a[:]", "y[:] = mpmd.minimum(v * v, 8) - 3"]),
    ("shifted", "a: In[f32, T, N], y: Out[f32, T, N]", ["y[:] = mpmd.maximum(a[:] - 2, -8)"]),
    ("centred", "a: In[f32, T, N], y: Out[f32, T, N]", ["v = a[:]", "y[:] = (v - v.max(1)[:, None]) * 0.5"]),
    ("by_rows", "a: In[f32, T, N], y: Out[f32, T, N]", ["for i in range(T):", "    y[i] = 1 - a[i]"]),
    ("narrow", "a: In[f32, T, N], y: Out[f32, T, N]", ["v = a[:].astype(bf16)", "y[:] = v + v"]),
    ("halves", "a: In[f32, T, N], y: Out[f32, T, N]", ["y[:] = a[:]", "y[0] = -a[0]"]),
    ("joined", "a: In[f32, T, N], b: In[f32, T, N], y: Out[f32, T, N]", ["y[:] = a[:] - b[:]"]),
    (
        "product",
        "a: In[f32, T, K], w: In[f32, N, K], y: Out[f32, T, N]",
        ["y[:] = mpmd.minimum(mpmd.maximum(a[:] @ w[:].T, -8), 8)"],
    ),
)
ROWWISE = ("centred", "halves", "product")
"""Tasks that need whole rows: their loops cut rows alone."""


@st.composite
def chained(draw: st.DrawFn) -> Generated:
    """Two to five calls, each of which reads what the one before it wrote, and perhaps the first argument."""
    rows, columns = draw(st.sampled_from([(8, 32), (6, 40), (1, 48)]))
    tasks = [draw(st.sampled_from(BODIES)) for _ in range(draw(st.integers(2, 5)))]
    names = [f"h{n}" for n in range(len(tasks) - 1)]
    lines = [f"{name} = mpmd.empty(({rows}, {columns}), f32)" for name in names]
    values = ["x", *names, "y"]
    repeated = draw(st.integers(0, 4)) == 0
    if repeated:
        lines.append("for r in mpmd.loop(2):")
    for number, (name, _, _) in enumerate(tasks):
        call = _call(draw, name, number, values, rows, columns)
        lines += [f"    {line}" for line in call] if repeated else call
    if draw(st.booleans()):  # somebody else reads one of them
        lines.append(f"pointwise({draw(st.sampled_from(values[:-1]))}, z)")
    else:
        lines.append("pointwise(x, z)")
    return Generated(_source(tasks, lines), _arrays(draw, rows, columns), {})


def _call(draw: st.DrawFn, name: str, number: int, values: list[str], rows: int, columns: int) -> list[str]:
    source, target = values[number], values[number + 1]
    other = draw(st.sampled_from(values[: number + 1]))
    size = draw(st.sampled_from(["", "", ", 4"]))
    kind = draw(st.sampled_from(["whole", "rows", "rows", "columns", "both"]))
    if kind == "whole":
        return [_text(name, source, other, target, "", "")]
    by_rows = f"for t{number} in mpmd.tiles({rows}{size}):"
    by_columns = f"for u{number} in mpmd.tiles({columns}{size}):"
    t, u = f"t{number}", f"u{number}"
    if kind == "rows" or (name in ROWWISE and name != "product"):
        return [by_rows, f"    {_text(name, source, other, target, t, '')}"]
    if kind == "columns":
        return [by_columns, f"    {_text(name, source, other, target, '', u)}"]
    return [by_rows, f"    {by_columns}", f"        {_text(name, source, other, target, t, u)}"]


def _text(name: str, source: str, other: str, target: str, t: str, u: str) -> str:
    """One call on the rows `t` and the columns `u`; "": all of them."""
    piece = f"[{t or ':'}, {u or ':'}]"
    if name == "product":
        return f"product({source}[{t or ':'}], w[{u or ':'}], {target}{piece})"
    second = f", {other}{piece}" if name == "joined" else ""
    return f"{name}({source}{piece}{second}, {target}{piece})"


def _source(tasks: list[tuple[str, str, list[str]]], lines: list[str]) -> str:
    used = {name: (signature, body) for name, signature, body in (*tasks, BODIES[0])}
    parts = [HEADER]
    for name, (signature, body) in sorted(used.items()):
        text = "".join(f"    {line}\n" for line in body)
        parts.append(f"@mpmd.task\ndef {name}({signature}):\n{text}")
    inside = "".join(f"    {line}\n" for line in lines)
    parameters = "x: In[f32, T, N], w: In[f32, N, N], y: Out[f32, T, N], z: Out[f32, T, N]"
    parts.append(f"@mpmd.kernel\ndef kernel({parameters}):\n{inside}")
    return "\n\n".join(parts)


def _arrays(draw: st.DrawFn, rows: int, columns: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    x = random.integers(-3, 4, (rows, columns)).astype(np.float32)
    w = random.integers(-2, 3, (columns, columns)).astype(np.float32)
    return {"x": x, "w": w, "y": np.zeros_like(x), "z": np.zeros_like(x)}
